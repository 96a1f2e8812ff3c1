"""Running out of disk space, told in one sentence."""

import errno
import shutil
from pathlib import Path

from tfds_builder.concrete_cracks.errors import DataSourceError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_space(folder: Path, image_bytes: int) -> None:
    """Refuses to start a build that will not fit.

    Args:
        folder: Where the data set goes; it need not exist yet.
        image_bytes: Size of all images.

    Raises:
        DataSourceError: If the disk has too little room.
    """
    needed = int(1.1 * image_bytes) + 2**20  # Records add names, labels and check sums.
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DataSourceError(
            f"The data set needs {needed / 1e6:,.0f} MB in {folder} and the disk has "
            f"{free / 1e6:,.0f} MB left: free some space, or choose another data_dir."
        )


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that the disk is full."""
    while error is not None:
        # Record writers in C++ keep only the message of the system's error.
        if getattr(error, "errno", None) in _FULL or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def full_error(folder: Path) -> DataSourceError:
    """Returns the error to raise when the disk ran full while `folder` was written."""
    return DataSourceError(
        f"The disk of {folder} is full: free some space, or choose another data_dir."
    )
