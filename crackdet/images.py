"""The one way in which crackdet reads and resizes pictures."""

import io
import os
import stat
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from crackdet.errors import CrackdetError
from crackdet.listing import reads_heif
from crackdet.sample_bits import common_bits, sample_format, to_8_bits

# Part of every cache key: raise it when the same file would decode to other pixels.
PREPROCESSING_VERSION = 2

# Pillow's own limit against decompression bombs: half a gigabyte of RGB.
MAX_PIXELS = 2 * 89_478_485

# No picture of so many pixels takes more on disk: four uncompressed channels of 16 bits.
MAX_BYTES = 8 * MAX_PIXELS

# What a picture must be to be judged as a patch. A model sees a patch resized to a square. With a
# side of fewer pixels it would be enlarged 14 times and more: a crack, thinner than a tenth of a
# patch, is then one blurred pixel. With sides that differ by more, 224 pixels stand for over 7,000
# along the longer one, and a crack across it is squeezed to nothing.
MIN_PATCH_SIDE = 16
MAX_PATCH_RATIO = 32

_JPEG_START = b"\xff\xd8\xff"
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@dataclass(frozen=True)
class DeepPicture:
    """A file of 16-bit samples of which its neighbours tell how many bits are used."""

    path: Path
    bits: int

    def __fspath__(self) -> str:
        return str(self.path)


EncodedImage = bytes | Path | np.ndarray | DeepPicture
ImageSize = int | Sequence[int]


def height_and_width(size: ImageSize) -> tuple[int, int]:
    """Returns `size` as (height, width); one integer stands for a square.

    Raises:
        ValueError: If `size` is not one or two positive integers.
    """
    pair = (size, size) if isinstance(size, int | np.integer) else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) and n > 0 for n in pair):
        raise ValueError(f"Expected a size of one or two positive integers. Received: {size!r}")
    return int(pair[0]), int(pair[1])


def read_image(
    source: str | os.PathLike[str] | bytes,
    *,
    size: ImageSize | None = None,
    name: str | None = None,
    bits: int | None = None,
) -> np.ndarray:
    """Reads a picture in any format that Pillow knows as 8-bit RGB.

    - The rotation that a camera writes into EXIF is applied.
    - Grey, palette, CMYK and other colour modes become RGB; colour profiles are ignored.
    - 16-bit samples are scaled to 0..255 by the bits that they use, 8, 10, 12, 14 or 16 (see
      `crackdet.sample_bits`).
    - Transparent pixels are laid over white.
    - Of an animation or a stack the first frame is read.

    Args:
        source: A path, or the bytes of a file.
        size: Height and width to resize to (see `resize`), or one integer for a square. None
            keeps the picture's own size.
        name: What error messages call the picture. Defaults to the path.
        bits: Bits that 16-bit samples use, for a file that does not say itself: those of
            `shared_bits` where several pictures are read together. Defaults to the fewest that
            hold the picture's own brightest value.

    Returns:
        Array of shape `(height, width, 3)`, dtype uint8, values 0..255.

    Raises:
        CrackdetError: If the file is missing, empty, truncated, no picture, of a pixel type
            without a defined range, or larger than 178 megapixels. The message names the file.

    Example:

    >>> buffer = io.BytesIO()
    >>> Image.new("L", (4, 2), 128).save(buffer, "PNG")
    >>> read_image(buffer.getvalue()).shape
    (2, 4, 3)
    """
    if isinstance(source, bytes):
        encoded, name = source, name or "the picture"
    else:
        name = name or os.fspath(source)
        encoded = read_file(source, name)
    pixels, _ = _decode(encoded, name, bits)
    return pixels if size is None else resize(pixels, size)


def opened_pixels(image: Image.Image, name: str) -> np.ndarray:
    """Returns a picture that Pillow has opened as `read_image` returns one.

    Args:
        image: The picture, which is loaded if it is not yet.
        name: What error messages call it.

    Returns:
        Array of shape `(height, width, 3)`, dtype uint8, values 0..255.

    Raises:
        CrackdetError: If it cannot be loaded, or has more than 8 bits a channel: Pillow does not
            keep how many of them its file says are used.
    """
    if image.mode.startswith("I"):
        raise CrackdetError(
            f"Cannot read {name}: a picture of mode {image.mode} does not say how many bits it "
            "uses. Give the path of its file, or convert it to 8 bits."
        )
    try:
        image.load()
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise CrackdetError(f"Cannot read {name}: the picture is damaged ({error}).") from error
    return np.asarray(_to_rgb(_upright(image), name))


def read_file(path: str | os.PathLike[str], name: str | None = None) -> bytes:
    """Returns the bytes of a picture's file, which need not hold a picture.

    Raises:
        CrackdetError: If the file is missing, no regular file (reading a pipe would wait for who
            writes to it), or larger than any picture.
    """
    name = name or os.fspath(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise CrackdetError(f"Cannot read {name}: it is no regular file. Check the path.")
        if status.st_size > MAX_BYTES:
            raise CrackdetError(
                f"Cannot read {name}: it has {status.st_size / 1e9:.1f} GB, more than any picture "
                f"of up to {MAX_PIXELS / 1e6:.0f} megapixels. Check what it is."
            )
        return Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CrackdetError(f"Cannot read {name}: {reason}. Check the path.") from error


def check_patch(encoded: bytes, name: str) -> int | None:
    """Reads a picture whole, to find out whether it can be judged as a patch.

    Args:
        encoded: The bytes of its file.
        name: What error messages call it.

    Returns:
        The brightest value of 16-bit samples of which the file does not say how many bits they
        use (see `crackdet.sample_bits.common_bits`); None for all other pictures.

    Raises:
        CrackdetError: If it cannot be read, or `require_patch` refuses it.
    """
    pixels, peak = _decode(encoded, name, None)
    require_patch(pixels, name)
    return peak


def require_patch(pixels: np.ndarray, name: str) -> None:
    """Raises a `CrackdetError` for a picture too small or too narrow to show a patch."""
    height, width = pixels.shape[:2]
    shorter, longer = sorted((height, width))
    if shorter < MIN_PATCH_SIDE or longer > MAX_PATCH_RATIO * shorter:
        raise CrackdetError(
            f"Cannot judge {name}: {width}x{height} pixels are no patch. Both sides must have "
            f"{MIN_PATCH_SIDE} pixels or more, and the longer one at most {MAX_PATCH_RATIO} times "
            "the shorter one."
        )


def shared_bits(paths: Sequence[Path]) -> int | None:
    """Returns the bits that 16-bit pictures use which are judged together, for `read_image`.

    Args:
        paths: Files of pictures. Those that cannot be read count for nothing.

    Returns:
        The fewest bits that hold the brightest value of those that do not say it themselves; None
        when there are none.
    """
    return common_bits(thread_pool().map(_peak, paths))


def resize(image: np.ndarray, size: ImageSize) -> np.ndarray:
    """Resizes a picture by antialiased bilinear interpolation; sides scale independently.

    Args:
        image: Array of shape `(H, W, 3)`, dtype uint8.
        size: New height and width, or one integer for a square.

    Returns:
        Array of shape `(height, width, 3)`, dtype uint8; `image` itself when it has that size.

    Example:

    >>> resize(np.zeros((4, 6, 3), "uint8"), 2).shape
    (2, 2, 3)
    """
    height, width = height_and_width(size)
    if image.shape[:2] == (height, width):
        return image
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def read_images(
    sources: Iterable[EncodedImage], size: ImageSize, names: Iterable[str]
) -> np.ndarray:
    """Reads pictures in parallel threads (Pillow decodes outside Python's lock).

    Args:
        sources: Paths, bytes of files, `DeepPicture`s, or uint8 arrays of shape `(H, W, 3)`.
        size: Height and width of the result, or one integer for a square.
        names: What error messages call each picture.

    Returns:
        Array of shape `(count, height, width, 3)`, dtype uint8.
    """
    height, width = height_and_width(size)
    images = list(thread_pool().map(partial(load_pixels, size=size), sources, names))
    return np.stack(images) if images else np.empty((0, height, width, 3), np.uint8)


def load_pixels(source: EncodedImage, name: str, size: ImageSize | None = None) -> np.ndarray:
    """Reads one picture that may also be an array of pixels already."""
    if isinstance(source, np.ndarray):
        return source if size is None else resize(source, size)
    if isinstance(source, DeepPicture):
        return read_image(source.path, size=size, name=name, bits=source.bits)
    return read_image(source, size=size, name=name)


@cache
def thread_pool() -> ThreadPoolExecutor:
    """Returns the threads that decode pictures, one for each core."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="crackdet-decode")


if hasattr(os, "register_at_fork"):
    # A forked child inherits the pool without its threads: it needs a new one.
    os.register_at_fork(after_in_child=thread_pool.cache_clear)


def _peak(path: Path) -> int | None:
    """Returns the brightest value of 16-bit samples that do not say how many bits they use."""
    try:
        if not path.is_file():  # opening a pipe would wait
            return None
        with open(path, "rb") as file:
            if file.read(len(_JPEG_START)) == _JPEG_START:  # has 8 bits
                return None
        encoded = read_file(path)
        with Image.open(io.BytesIO(encoded)) as image:
            if sample_format(image, encoded) is None:
                return None
        return _decode(encoded, str(path), None)[1]
    except Exception:  # who reads it next says what is wrong
        return None


def _decode(encoded: bytes, name: str, bits: int | None) -> tuple[np.ndarray, int | None]:
    """Returns the pixels, and the brightest value of 16-bit samples of unknown range."""
    if not encoded:
        raise CrackdetError(f"Cannot read {name}: the file is empty. Copy it again or remove it.")
    _open_heif()
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError
            stored = sample_format(image, encoded)
            image.load()
            if stored is None:
                return np.asarray(_to_rgb(_upright(image), name)), None
            scaled, peak = to_8_bits(image, encoded, stored, bits, name)
            return np.asarray(_to_rgb(_upright(scaled), name)), peak
    except CrackdetError:
        raise
    except Image.DecompressionBombError as error:
        raise CrackdetError(
            f"Cannot read {name}: it has more than {MAX_PIXELS / 1e6:.0f} megapixels. "
            "Cut it into smaller pictures."
        ) from error
    except Image.UnidentifiedImageError as error:
        if encoded[4:8] == b"ftyp" and encoded[8:12] in _HEIF_BRANDS and not reads_heif():
            remedy = "it is a HEIC picture. To read it: pip install 'crackdet[heic]'."
        else:
            remedy = "it is not a picture in a known format. Convert it to JPEG or PNG."
        raise CrackdetError(f"Cannot read {name}: {remedy}") from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise CrackdetError(
            f"Cannot read {name}: the file is damaged ({error}). Copy it again or remove it."
        ) from error


@cache
def _open_heif() -> None:
    """Has Pillow open HEIC files, where the extra is installed."""
    if reads_heif():
        import pillow_heif

        pillow_heif.register_heif_opener()


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing about the pixels, which did decode
        return image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "F":
        raise CrackdetError(
            f"Cannot read {name}: floating-point pixels have no defined range. "
            "Save it with 8 or 16 bits."
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
