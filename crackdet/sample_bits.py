"""16-bit pictures: how many of the bits are used, and what 8-bit pixels they make.

Cameras with 10 or 12 bits write files of 16-bit samples in which the high bits stay empty. Taken at
their word they would be nearly black, and every crack in them invisible. How many bits are used is
known

- from the file: a TIFF's BitsPerSample of 12 or MaxSampleValue of 2**n - 1, a PNG's sBIT chunk;
- else from the brightest of the pictures that are read together: the fewest of `DEPTHS` that hold
  it. One picture alone is taken for as many bits as its own brightest value needs, so one of 16
  bits that is dark throughout comes out too bright: a crack stays visible in it.

A picture that would be nearly black beside its brighter neighbours is refused by name: whether it
is dark or has fewer bits than they cannot be told. JPEG 2000, PGM and PPM state their range, and
Pillow scales by it; only 16 full bits say nothing there either.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image

from crackdet.errors import CrackdetError

DEPTHS = (8, 10, 12, 14, 16)
# A picture counts as nearly black where its brightest value is below this share of the range.
_DARK = 16
_FULL = 65535
# High bytes from here on, even rounded up, are those of more than 14 bits.
_BRIGHT_HIGH_BYTE = 65
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MAX_VALUE, _S_MAX_VALUE = 258, 262, 281, 341
_ORIENTATION = 0x0112


class SampleFormat(NamedTuple):
    """What a file of more than 8 bits a sample says about them.

    Attributes:
        bits: How many are used, or 0 when it does not say.
        peak: The brightest value that it speaks of, or 0.
    """

    bits: int = 0
    peak: int = 0


def sample_format(image: Image.Image, encoded: bytes) -> SampleFormat | None:
    """Returns what a file says of its samples; None where 8 bits hold all it has.

    Args:
        image: The opened picture, before its pixels are loaded.
        encoded: The bytes of its file.
    """
    if image.mode == "F":
        return None
    if image.format == "TIFF":
        return _tiff_format(image)
    if image.format == "PNG":
        return SampleFormat(_png_significant_bits(encoded)) if encoded[24] > 8 else None
    if image.format == "JPEG2000":
        return SampleFormat() if _jpeg_2000_precision(encoded) == 16 else None
    if image.format == "PPM":
        arguments = image.tile[0][3]  # type: ignore[attr-defined]
        if arguments == "I;16B" or (isinstance(arguments, tuple) and arguments[1] == _FULL):
            return SampleFormat()
        return SampleFormat(16) if image.mode == "I" else None
    return SampleFormat() if image.mode.startswith("I") else None


def bits_for(peak: int) -> int:
    """Returns the fewest of `DEPTHS` that hold a value of 0..65535."""
    return next(bits for bits in DEPTHS if peak < 1 << bits)


def common_bits(peaks: Iterable[int | None]) -> int | None:
    """Returns the bits that pictures use which are read together; None when all say it themselves.

    Args:
        peaks: The brightest value of each, None for a picture that says how many bits it uses.
    """
    known = [peak for peak in peaks if peak is not None]
    return bits_for(max(known)) if known else None


def bits_note(bits: int | None) -> str:
    """Returns a sentence for who must know that `common_bits` are fewer than 16, or nothing."""
    if bits is None or bits == 16:
        return ""
    return (
        f"16-bit pictures that do not say how many bits they use were read as of {bits} bits, "
        "by the brightest value in them."
    )


def require_visible(peak: int, bits: int, name: str) -> None:
    """Raises where a picture would be nearly black because its neighbours use more bits."""
    if bits > bits_for(peak) and peak * _DARK < 1 << bits:
        raise CrackdetError(
            f"Cannot read {name}: its 16-bit values go up to {peak} where those of the other "
            f"pictures use {bits} bits, so it is either nearly black or of another depth. Save it "
            "with 8 bits."
        )


def to_8_bits(
    image: Image.Image, encoded: bytes, stored: SampleFormat, bits: int | None, name: str
) -> tuple[Image.Image, int | None]:
    """Scales the pixels of a picture to 8 bits.

    Args:
        image: The picture with its pixels loaded.
        encoded: The bytes of its file.
        stored: What `sample_format` returned.
        bits: Bits that the pictures read together with it use, if it does not say itself.
        name: What error messages call it.

    Returns:
        The picture in a mode of 8 bits, and its brightest value; None when the file says how many
        bits are used.
    """
    values = _grey(image, name) if image.mode.startswith("I") else _colours(image, encoded, name)
    if values is None:
        return image, None if stored.bits else _FULL
    peak = max(int(values[..., :3].max() if values.ndim == 3 else values.max()), stored.peak)
    if stored.bits:
        used = max(stored.bits, bits_for(peak))
    else:
        used = max(bits_for(peak), bits or 0)
        require_visible(peak, used, name)
    scaled = _scaled(values, used)
    if image.format == "TIFF" and image.mode.startswith("I") and _white_is_zero(image):
        scaled = 255 - scaled  # Pillow does this for 8 bits only
    small = Image.fromarray(scaled)
    # What rotates the picture later on.
    small.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return small, None if stored.bits else peak


def _tiff_format(image: Image.Image) -> SampleFormat | None:
    tags = image.tag_v2  # type: ignore[attr-defined]
    stored = max(tags.get(_BITS_PER_SAMPLE, (1,)))
    if stored <= 8:
        return None
    if stored < 16:
        return SampleFormat(stored)
    # TIFF 6.0 calls it the largest value used, for statistics; writers put the range there.
    peak = max((_largest(tags.get(tag)) for tag in (_MAX_VALUE, _S_MAX_VALUE)), default=0)
    if not 0 < peak < _FULL:
        return SampleFormat()
    if peak & (peak + 1) == 0:
        return SampleFormat(peak.bit_length())
    return SampleFormat(peak=peak)


def _largest(value: object) -> int:
    values = value if isinstance(value, tuple) else (value,)
    return max((int(v) for v in values if isinstance(v, int | float)), default=0)


def _white_is_zero(image: Image.Image) -> bool:
    return image.tag_v2.get(_PHOTOMETRIC) == 0  # type: ignore[attr-defined]


def _png_significant_bits(encoded: bytes) -> int:
    """Returns what the sBIT chunk says, or 0."""
    start = 8
    while start + 8 <= len(encoded):
        length, kind = struct.unpack(">I4s", encoded[start : start + 8])
        if kind == b"sBIT":
            bits = max(encoded[start + 8 : start + 8 + length], default=0)
            return bits if 8 <= bits < 16 else 0
        if kind in (b"IDAT", b"PLTE"):
            break
        start += length + 12
    return 0


def _jpeg_2000_precision(encoded: bytes) -> int:
    """Returns the bits of the first component, from the SIZ marker behind SOC; 8 if not found."""
    start = encoded.find(b"\xff\x4f\xff\x51")
    return (encoded[start + 42] & 127) + 1 if 0 <= start < len(encoded) - 42 else 8


def _grey(image: Image.Image, name: str) -> np.ndarray:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > _FULL:
        raise CrackdetError(
            f"Cannot read {name}: 32-bit pixels have no defined range. Save it with 8 or 16 bits."
        )
    return values


def _colours(image: Image.Image, encoded: bytes, name: str) -> np.ndarray | None:
    """Returns the samples in the order of Pillow's channels; None where their high bytes do.

    Pillow keeps the high bytes of colours. Where these are small, OpenCV reads the low ones.
    """
    high = np.asarray(image)
    if high[..., :3].max() >= _BRIGHT_HIGH_BYTE:
        return None
    import cv2

    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is not None and decoded.dtype == np.uint16 and decoded.shape == high.shape:
        values = decoded[..., [2, 1, 0, 3][: decoded.shape[2]]].astype(np.int64)
        if np.abs(values // 256 - high).max() <= 1:  # the two readers agree
            return values
    raise CrackdetError(
        f"Cannot read {name}: its 16-bit colours are nearly black, or use fewer bits in a way that "
        "cannot be read. Save it with 8 bits."
    )


def _scaled(values: np.ndarray, bits: int) -> np.ndarray:
    largest = (1 << bits) - 1
    if values.ndim == 3 and values.shape[2] == 4 and values[..., 3].max() > largest:
        # Full opacity of 16 bits beside colours of fewer.
        colours, alpha = _scaled(values[..., :3], bits), _scaled(values[..., 3], 16)
        return np.dstack([colours, alpha])
    return ((values * 255 + largest // 2) // largest).astype(np.uint8)
