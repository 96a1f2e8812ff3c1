"""The one way in which crackdet finds, reads and resizes pictures."""

import io
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from crackdet.errors import CrackdetError

# Part of every cache key: raise it when the same file would decode to other pixels.
PREPROCESSING_VERSION = 1

# Pillow's own limit against decompression bombs: half a gigabyte of RGB.
MAX_PIXELS = 2 * 89_478_485

# The grouping decodes these itself, when it needs them; others it gets as pixels.
GROUPING_SUFFIXES = (".jpeg", ".jpg", ".png")
IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

EncodedImage = bytes | Path | np.ndarray
ImageSize = int | Sequence[int]


def list_pictures(folder: Path) -> list[Path]:
    """Returns the pictures below a folder, sorted: the one rule of what counts as one.

    Regular files with a suffix of `IMAGE_SUFFIXES` in any case. What stands in a hidden folder, is
    hidden itself, or belongs to macOS' archives (`__MACOSX`) is passed over.
    """
    return sorted(path for path in folder.rglob("*") if _is_picture(path, folder))


def _is_picture(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


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
) -> np.ndarray:
    """Reads a picture in any format that Pillow knows as 8-bit RGB.

    - The rotation that a camera writes into EXIF is applied.
    - Grey, palette, CMYK and other colour modes become RGB; colour profiles are ignored.
    - 16-bit grey is scaled from 0..65535 to 0..255 with rounding; 16-bit colour keeps its high
      bytes, as Pillow decodes it.
    - Transparent pixels are laid over white.
    - Of an animation or a stack the first frame is read.

    Args:
        source: A path, or the bytes of a file.
        size: Height and width to resize to (see `resize`), or one integer for a square. None
            keeps the picture's own size.
        name: What error messages call the picture. Defaults to the path.

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
        try:
            encoded = Path(source).read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise CrackdetError(f"Cannot read {name}: {reason}. Check the path.") from error
    if not encoded:
        raise CrackdetError(f"Cannot read {name}: the file is empty. Copy it again or remove it.")
    pixels = _decode(encoded, name)
    return pixels if size is None else resize(pixels, size)


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
        sources: Paths, bytes of files, or uint8 arrays of shape `(H, W, 3)`.
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
    return read_image(source, size=size, name=name)


@cache
def thread_pool() -> ThreadPoolExecutor:
    """Returns the threads that decode pictures, one for each core."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="crackdet-decode")


if hasattr(os, "register_at_fork"):
    # A forked child inherits the pool without its threads: it needs a new one.
    os.register_at_fork(after_in_child=thread_pool.cache_clear)


def _decode(encoded: bytes, name: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError
            image.load()
            return np.asarray(_to_rgb(_upright(image), name))
    except CrackdetError:
        raise
    except Image.DecompressionBombError as error:
        raise CrackdetError(
            f"Cannot read {name}: it has more than {MAX_PIXELS / 1e6:.0f} megapixels. "
            "Cut it into smaller pictures."
        ) from error
    except Image.UnidentifiedImageError as error:
        raise CrackdetError(
            f"Cannot read {name}: it is not a picture in a known format. Convert it to JPEG or PNG."
        ) from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise CrackdetError(
            f"Cannot read {name}: the file is damaged ({error}). Copy it again or remove it."
        ) from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing about the pixels, which did decode
        return image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image, name)
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


def _from_16_bit(image: Image.Image, name: str) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise CrackdetError(
            f"Cannot read {name}: 32-bit pixels have no defined range. Save it with 8 or 16 bits."
        )
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
