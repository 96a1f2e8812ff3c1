"""Where the real images come from: two folders, a zip or rar archive, or the download.

Archives are read member by member and nothing is unpacked to disk. The 40,000 images take 0.25 GB
of memory, which is what makes their order independent of the source's.
"""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

from tfds_builder.concrete_cracks.errors import DataSourceError
from tfds_builder.grouping import content_key

URL = (
    "https://data.mendeley.com/public-files/datasets/5y9wdsg2zt/files/"
    "8a70d8a5-bce9-4291-bab9-b48cfb3e87c3/file_downloaded"
)
HOMEPAGE = "https://data.mendeley.com/datasets/5y9wdsg2zt/2"
ARCHIVE_NAME = "Concrete Crack Images for Classification.rar"
CLASS_FOLDERS = ("Negative", "Positive")  # In the order of the labels.
IMAGES_PER_CLASS = 20_000
IMAGE_SIZE = 227
# The largest official image has 12 kB; a member of an archive beyond this is not read at all.
_MAX_IMAGE_BYTES = 2**20
# What operating systems leave in folders and archives.
_LITTER = re.compile(r"^(\..*|thumbs\.db|desktop\.ini)$", re.IGNORECASE)


class SourceImage(NamedTuple):
    """One image as it stands in its source.

    Attributes:
        filename: Class folder and name, as in "Positive/00001.jpg".
        label: 0 negative, 1 positive.
        jpeg: The file's bytes.
        key: 16 hexadecimal digits of the bytes' SHA-256: the image's name whatever its file's.
    """

    filename: str
    label: int
    jpeg: bytes
    key: str


def find_source(folder: Path) -> Path | None:
    """Looks for the images in a folder that the user has filled.

    Args:
        folder: Holds the two class folders (or one folder that holds them), or an archive.

    Returns:
        The folder of the class folders, or the archive; None when the folder holds neither.

    Raises:
        DataSourceError: If one class folder is missing, or several archives are there.
    """
    if not folder.is_dir():
        return None
    parents = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    partly = None
    for parent in parents:
        present = [name for name in CLASS_FOLDERS if (parent / name).is_dir()]
        if len(present) == len(CLASS_FOLDERS):
            return parent
        if present:
            partly = parent, present[0]
    if partly:
        parent, name = partly
        missing = next(other for other in CLASS_FOLDERS if other != name)
        raise DataSourceError(
            f"{parent} holds {name}/ but no {missing}/: unpack the whole archive, so that both "
            "class folders stand side by side."
        )
    archives = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".rar", ".zip"))
    official = [path for path in archives if path.stem == Path(ARCHIVE_NAME).stem]
    if len(official or archives) > 1:
        names = ", ".join(path.name for path in official or archives)
        raise DataSourceError(
            f"{folder} holds several archives ({names}): leave there only the one with the images."
        )
    return next(iter(official or archives), None)


def read_images(source: Path) -> Iterator[SourceImage]:
    """Yields the checked images of a source, in the source's order.

    Args:
        source: A folder with the two class folders, or a `.zip` or `.rar` archive of them.

    Raises:
        DataSourceError: If a file is not a whole JPEG of 227 x 227 RGB pixels, lies outside the
            class folders, or the archive is broken. The sentence names the file.
    """
    if source.is_dir():
        members = _folder_members(source)
    elif zipfile.is_zipfile(source):
        members = _zip_members(source)
    else:
        members = _rar_members(source)
    parent = None
    for path, content in members:
        where = f"{source.name}: {path}" if source.is_file() else f"{source / path}"
        *above, folder, name = PurePosixPath(path).parts
        if parent not in (None, above):
            raise DataSourceError(
                f"{source} holds class folders in more than one place ({'/'.join(parent) or '.'} "
                f"and {'/'.join(above) or '.'}): leave one Positive/ and one Negative/."
            )
        parent = above
        _check_jpeg(where, content)
        label = CLASS_FOLDERS.index(folder)
        yield SourceImage(f"{folder}/{name}", label, content, content_key(content))


def check_complete(source: Path, images: Iterable[SourceImage]) -> None:
    """Refuses a source without exactly the official number of images in each class.

    Raises:
        DataSourceError: If a class is missing or has too few or too many images, or one picture
            stands in both classes.
    """
    counts: Counter[int] = Counter()
    label_of: dict[str, SourceImage] = {}
    for image in images:
        counts[image.label] += 1
        other = label_of.setdefault(image.key, image)
        if other.label != image.label:
            raise DataSourceError(
                f"{source}: {other.filename} and {image.filename} are the same picture in both "
                "classes; take the images from the official archive again."
            )
    for label, folder in enumerate(CLASS_FOLDERS):
        if counts[label] != IMAGES_PER_CLASS:
            raise DataSourceError(
                f"{source} holds {counts[label]:,} images in {folder}/ where the data set has "
                f"{IMAGES_PER_CLASS:,}: take the whole archive from {HOMEPAGE}."
            )


def _check_jpeg(where: str, content: bytes) -> None:
    """Decodes an image wholly: a header can be sound above a truncated body."""
    if not content:
        raise DataSourceError(f"{where} is empty: take it from the official archive again.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            found = f"{image.format} of {image.width} x {image.height} pixels, mode {image.mode}"
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataSourceError(
            f"{where} is not a whole JPEG image ({error}): take it from the official archive again."
        ) from error
    expected = f"JPEG of {IMAGE_SIZE} x {IMAGE_SIZE} pixels, mode RGB"
    if found != expected:
        raise DataSourceError(
            f"{where} is a {found}, where the data set has {expected}: put back the original file."
        )


def _wanted(source: Path, path: str, size: int) -> bool:
    """Whether a file belongs to the data set; refuses what must not be in a source."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or re.match(r"^[A-Za-z]:", path):
        raise DataSourceError(
            f"{source} holds the path {path!r}, which points outside the archive: do not use this "
            f"file; take the archive from {HOMEPAGE}."
        )
    if _LITTER.match(parts[-1]) or "__MACOSX" in parts:
        return False
    if len(parts) < 2 or len(parts) > 3 or parts[-2] not in CLASS_FOLDERS:
        return False
    if PurePosixPath(path).suffix.lower() not in (".jpg", ".jpeg"):
        raise DataSourceError(
            f"{source}: {path} is not a .jpg file: move it out of the class folder."
        )
    if size > _MAX_IMAGE_BYTES:
        raise DataSourceError(
            f"{source}: {path} has {size:,} bytes, far more than any image of the data set: "
            "put back the original file."
        )
    return True


def _folder_members(source: Path) -> Iterator[tuple[str, bytes]]:
    for folder in CLASS_FOLDERS:
        for path in sorted((source / folder).iterdir()):
            relative = path.relative_to(source).as_posix()
            if _wanted(source, relative, path.stat().st_size):
                try:
                    yield relative, path.read_bytes()
                except OSError as error:
                    raise DataSourceError(
                        f"{path} cannot be read ({error.strerror}): mend its permissions or copy "
                        "it again."
                    ) from error


def _zip_members(source: Path) -> Iterator[tuple[str, bytes]]:
    nested = None
    try:
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                # The name before zipfile mends it; some archivers of Windows write backslashes.
                path = info.orig_filename.replace("\\", "/")
                if not path.endswith("/") and _wanted(source, path, info.file_size):
                    yield path, archive.read(info)
                elif info.filename.lower().endswith(".rar"):
                    nested = info.filename
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError) as error:
        raise _broken(source, error) from error
    except (RuntimeError, NotImplementedError) as error:  # Encrypted, or an unknown compression.
        raise DataSourceError(
            f"{source} cannot be read ({error}): unpack it and give the folder instead."
        ) from error
    if nested:
        raise DataSourceError(
            f"{source} holds another archive, {nested}: unpack the zip, so that the .rar stands in "
            "the folder itself."
        )


def _rar_members(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        import libarchive
        import libarchive.exception
    except ImportError as error:
        raise DataSourceError(
            f"Reading {source} needs the package libarchive-c: run pip install libarchive-c, or "
            "unpack the archive and give the folder instead."
        ) from error
    except (OSError, AttributeError, TypeError) as error:
        # The package binds the system's C library by ctypes and fails so where there is none.
        raise DataSourceError(
            f"Reading {source} needs the system library libarchive (on Debian and Ubuntu: apt "
            "install libarchive13; on macOS: brew install libarchive), or unpack the archive and "
            "give the folder instead."
        ) from error
    try:
        with libarchive.file_reader(str(source)) as archive:
            for entry in archive:
                path = entry.pathname.replace("\\", "/") if entry.isfile else ""
                if entry.issym or entry.islnk:
                    raise DataSourceError(
                        f"{source} holds the link {entry.pathname!r}: do not use this file; take "
                        f"the archive from {HOMEPAGE}."
                    )
                if path and _wanted(source, path, entry.size or 0):
                    yield path, b"".join(entry.get_blocks())
    except (libarchive.exception.ArchiveError, OSError) as error:
        raise _broken(source, error) from error


def _broken(source: Path, error: Exception) -> DataSourceError:
    reason = getattr(error, "msg", None) or error
    return DataSourceError(
        f"{source} is broken or incomplete ({reason}): download it again from {HOMEPAGE}."
    )
