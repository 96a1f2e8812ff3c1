"""What a process that trains does with the memory that it frees."""

import contextlib
import ctypes

# Of glibc's malloc.h: M_TRIM_THRESHOLD, never; M_MMAP_MAX, no mapping of its own for any block;
# M_ARENA_MAX, one for all threads.
GLIBC_OPTIONS = {-1: 2**31 - 1, -4: 0, -8: 1}


def keep_freed_memory() -> None:
    """Makes the C library keep what is freed for what is asked for next, in the whole process.

    A step of training frees some hundred megabytes and asks for as many in the next one. By
    default they go back to the system in between, which must clear each page anew: on a virtual
    machine that took half of the time of a fit. Where the library is not glibc, nothing changes.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        for option, value in GLIBC_OPTIONS.items():
            library.mallopt(option, value)
