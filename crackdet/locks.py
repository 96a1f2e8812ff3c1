"""Locks between processes that share a folder; the system drops them when a process dies.

They are `flock`'s, which Linux and macOS have: several may share a file, also one that they may
only read, and one may have it alone.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from crackdet.errors import CrackdetError

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class NoLocksError(CrackdetError):
    """The file system has no locks, as some that several machines share."""


def hold_shared(path: Path) -> int | None:
    """Takes a shared lock on a file, which is made when missing.

    Args:
        path: The file. Its time of change becomes now.

    Returns:
        A descriptor, which holds the lock until it is closed; None when the file's folder is
        gone, or was removed by the process that this one waited for.

    Raises:
        NoLocksError: If the file system has no locks.
    """
    descriptor = open_touched(path)
    if descriptor is None:
        return None
    try:
        _flock(descriptor, fcntl.LOCK_SH, path)
    except BaseException:
        os.close(descriptor)
        raise
    if _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def open_touched(path: Path) -> int | None:
    """Opens a file without a lock, makes it when missing, and sets its time of change to now.

    Returns:
        A descriptor; None when the file's folder is gone.
    """
    try:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return descriptor


def is_held(path: Path) -> bool:
    """Returns whether anybody holds a shared lock on a file."""
    try:
        descriptor = _open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Where not even a shared lock can be had, somebody is alone with the file.
        return not _try(descriptor, fcntl.LOCK_EX, path) and _try(descriptor, fcntl.LOCK_SH, path)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def try_exclusive(path: str | Path, place: int | None = None) -> Iterator[bool]:
    """Yields whether nobody else holds a lock on a file; if so, nobody can take one meanwhile.

    No lock can be had of a file that may not be written, or that is gone by the time that the lock
    is there.

    Args:
        path: The file.
        place: Descriptor of the folder that `path` is relative to, if it is.

    Raises:
        NoLocksError: If the file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR, dir_fd=place)
    except FileNotFoundError:
        yield True
        return
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        yield False
        return
    try:
        yield _try(descriptor, fcntl.LOCK_EX, path) and _is_at(descriptor, path, place)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Lets one process after the other into the block.

    Args:
        path: The file that is locked; made when missing.
        on_wait: Called once before waiting for another process; what it raises, such as a refusal
            to wait, leaves the block out.

    Raises:
        NoLocksError: If the file system has no locks.
        CrackdetError: If the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise CrackdetError(
            f"Cannot write to {path.parent}: {error.strerror}. Choose another folder."
        ) from error
    try:
        if not _try(descriptor, fcntl.LOCK_EX, path):
            on_wait()
            _flock(descriptor, fcntl.LOCK_EX, path)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    """Opens a file, for reading alone where a cache may be read and not written."""
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        return os.open(path, os.O_RDONLY)


def _is_at(descriptor: int, path: str | Path, place: int | None = None) -> bool:
    """Whether an open file is the one that stands at a path now."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, dir_fd=place))
    except FileNotFoundError:
        return False


def _try(descriptor: int, kind: int, path: str | Path) -> bool:
    try:
        _flock(descriptor, kind | fcntl.LOCK_NB, path)
    except BlockingIOError:
        return False
    return True


def _flock(descriptor: int, kind: int, path: str | Path) -> None:
    try:
        fcntl.flock(descriptor, kind)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        raise NoLocksError(
            f"The file system of {path} has no locks ({error.strerror}): choose a folder on a "
            "local disk; or, for a cache that one process fills, --cache-locks no "
            "(FeatureCache(locks=False))."
        ) from error
