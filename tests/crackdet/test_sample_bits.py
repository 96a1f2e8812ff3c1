"""16-bit files that hold 8, 10, 12 or 14 bits: never read as nearly black without a word.

| file | read as |
| --- | --- |
| TIFF with BitsPerSample 12, or MaxSampleValue 2**n - 1; PNG with sBIT | what the file says |
| TIFF, PNG, JPEG 2000, PGM, PPM of 16 bits, alone | the fewest bits that hold its brightest value |
| several of them, grey or colour | the fewest bits that hold the brightest value of all |
| one that would be nearly black beside the others | refused by name |
| a tag that the values exceed | the fewest bits that hold them |
| PGM and PPM of another largest value, JPEG 2000 of 12 bits | scaled by Pillow |
"""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from crackdet.errors import CrackdetError
from crackdet.images import PREPROCESSING_VERSION, check_patch, read_image, shared_bits

MAX_SAMPLE_VALUE, ORIENTATION = 281, 274


def ramp(bits: int, channels: int = 1) -> np.ndarray:
    """Rises from 0 to the largest value of so many bits, uint16 `(32, 40[, channels])`."""
    grey = np.linspace(0, 2**bits - 1, 32 * 40).round().astype(np.uint16).reshape(32, 40)
    if channels == 1:
        return grey
    return np.stack([grey, grey[::-1], grey // 2, np.full_like(grey, 2**bits - 1)], 2)[
        ..., :channels
    ]


def in_8_bits(values: np.ndarray, bits: int) -> np.ndarray:
    pixels = np.rint(values.astype(float) * 255 / (2**bits - 1)).astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def opencv_file(values: np.ndarray, suffix: str) -> bytes:
    if values.ndim == 3:
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    return bytes(cv2.imencode(suffix, values)[1])


def tiff(values: np.ndarray, tags: dict[int, object] | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF", tiffinfo=tags or {})
    return buffer.getvalue()


def hand_made_tiff(
    shape: tuple[int, ...], bits: list[int], pixels: bytes, more: dict[int, int] | None = None
) -> bytes:
    """Returns an uncompressed TIFF of one strip, as no library here writes it."""
    height, width = shape
    tags = {256: width, 257: height, 259: 1, 262: 2 if len(bits) == 3 else 1, 277: len(bits)}
    tags |= {258: bits[0], 273: 0, 278: height, 279: len(pixels)} | (more or {})
    behind = 8 + 2 + 12 * len(tags) + 4
    tags[273] = behind + 2 * len(bits)
    directory = b""
    for tag, value in sorted(tags.items()):
        counted = len(bits) if tag == 258 else 1
        value = behind if counted > 1 else value
        directory += struct.pack("<HHII", tag, 3 if tag != 279 else 4, counted, value)
    start = b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4)
    return start + struct.pack(f"<{len(bits)}H", *bits) + pixels


def png_with_significant_bits(values: np.ndarray, bits: int) -> bytes:
    encoded = opencv_file(values, ".png")
    said = b"sBIT" + bytes([bits])
    chunk = struct.pack(">I", 1) + said + struct.pack(">I", zlib.crc32(said))
    return encoded[:33] + chunk + encoded[33:]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_keeps_its_light_whatever_the_bits(suffix: str, bits: int) -> None:
    values = ramp(bits)
    np.testing.assert_array_equal(read_image(opencv_file(values, suffix)), in_8_bits(values, bits))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_colours_keep_their_light_whatever_the_bits(suffix: str, bits: int) -> None:
    values = ramp(bits, 3)
    read = read_image(opencv_file(values, suffix)).astype(int)
    # Of 16 full bits Pillow keeps the high byte, which rounds down.
    assert np.abs(read - in_8_bits(values, bits)).max() <= (bits == 16)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000_of_12_bits_in_16(channels: int) -> None:
    values = ramp(12, channels)
    smooth = read_image(opencv_file(values // 2 * 2, ".jp2")).astype(float)
    np.testing.assert_allclose(smooth.mean(), in_8_bits(values, 12).mean(), rtol=0.25)


def test_an_alpha_channel_of_as_many_bits_is_no_veil() -> None:
    values = ramp(12, 4)
    opaque = in_8_bits(values, 12)[..., :3]
    np.testing.assert_array_equal(read_image(opencv_file(values, ".png")), opaque)
    values[..., 3] = 65535
    np.testing.assert_array_equal(read_image(opencv_file(values, ".png")), opaque)


@pytest.mark.parametrize(
    "encoded",
    [
        tiff(ramp(12) // 8, {MAX_SAMPLE_VALUE: (4095,)}),
        png_with_significant_bits(ramp(12) // 8, 12),
    ],
    ids=["MaxSampleValue", "sBIT"],
)
def test_what_the_file_says_counts(encoded: bytes) -> None:
    # Values up to 511 alone would be taken for 10 bits.
    np.testing.assert_array_equal(read_image(encoded), in_8_bits(ramp(12) // 8, 12))
    assert check_patch(encoded, "a.tif") is None


def test_a_tag_that_the_values_exceed_does_not_cut_them() -> None:
    encoded = tiff(ramp(12), {MAX_SAMPLE_VALUE: (255,)})
    np.testing.assert_array_equal(read_image(encoded), in_8_bits(ramp(12), 12))


def test_the_largest_value_in_statistics_is_one_of_the_values() -> None:
    encoded = tiff(ramp(12) // 8, {MAX_SAMPLE_VALUE: (3000,)})
    assert check_patch(encoded, "a.tif") == 3000
    np.testing.assert_array_equal(read_image(encoded), in_8_bits(ramp(12) // 8, 12))


def test_packed_samples_of_12_bits() -> None:
    packed = bytes([0x00, 0x08, 0x00, 0xFF, 0xF4, 0x00]) * 8  # 0, 2048, 4095, 1024, …
    encoded = hand_made_tiff((4, 8), [12], packed)
    assert read_image(encoded)[0, :4, 0].tolist() == [0, 128, 255, 64]


def test_pgm_and_ppm_of_another_largest_value_are_scaled_by_it() -> None:
    values = np.array([0, 1000, 2000, 500], ">u2").tobytes()
    assert read_image(b"P5 4 1 2000\n" + values)[0, :, 0].tolist() == [0, 128, 255, 64]
    assert read_image(b"P6 1 1 2000\n" + values[:6]).tolist() == [[[0, 128, 255]]]


def test_white_may_be_zero() -> None:
    values = ramp(12)
    read = read_image(tiff(values, {262: 0}))
    np.testing.assert_array_equal(read, 255 - in_8_bits(values, 12))


def rotated(encoded: bytes) -> bytes:
    """Adds the EXIF of a camera that was held upright to a PNG."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    body = exif.tobytes()[6:]
    chunk = b"eXIf" + body
    added = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return encoded[:33] + added + encoded[33:]


def test_deep_pictures_are_turned_upright_too() -> None:
    upright = np.rot90(in_8_bits(ramp(12), 12), -1)
    np.testing.assert_array_equal(read_image(tiff(ramp(12), {ORIENTATION: 6})), upright)
    upright = np.rot90(in_8_bits(ramp(12, 3), 12), -1)
    np.testing.assert_array_equal(read_image(rotated(opencv_file(ramp(12, 3), ".png"))), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_tiffs_of_deep_colours_are_upright_or_refused(orientation: int) -> None:
    """OpenCV, which reads their low bytes, may turn them by itself."""
    values = ramp(12, 3)
    encoded = hand_made_tiff(values.shape[:2], [16] * 3, values.tobytes(), {274: orientation})
    pixels = in_8_bits(values, 12)
    upright = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: np.rot90(pixels, 2).transpose(1, 0, 2),
        8: np.rot90(pixels, 1),
    }[orientation]
    np.testing.assert_array_equal(read_image(encoded), upright)


def test_pictures_read_together_share_their_bits(tmp_path: Path) -> None:
    bright, dim = ramp(12), ramp(12) // 8
    for name, values in (("bright.tif", bright), ("dim.tif", dim)):
        (tmp_path / name).write_bytes(tiff(values))
    (tmp_path / "not.tif").write_bytes(b"no picture")
    Image.new("L", (32, 32)).save(tmp_path / "grey.png")
    paths = sorted(tmp_path.iterdir())
    assert shared_bits(paths) == 12
    np.testing.assert_array_equal(read_image(tmp_path / "dim.tif", bits=12), in_8_bits(dim, 12))
    np.testing.assert_array_equal(read_image(tmp_path / "dim.tif"), in_8_bits(dim, 10))
    assert shared_bits([path for path in paths if path.suffix == ".png"]) is None


def test_what_would_be_nearly_black_beside_the_others_is_refused_by_name() -> None:
    with pytest.raises(CrackdetError, match=r"camera\.tif: .* up to 4095 .* 16 bits"):
        read_image(tiff(ramp(12)), name="camera.tif", bits=16)
    assert read_image(tiff(ramp(14)), bits=16).max() == 64


def test_nearly_black_colours_that_cannot_be_read_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    with pytest.raises(CrackdetError, match=r"a\.png: .*16-bit colours"):
        read_image(opencv_file(ramp(12, 3), ".png"), name="a.png")


def test_features_of_the_first_decoder_are_not_taken_for_these() -> None:
    assert PREPROCESSING_VERSION > 1
