"""Building the data set from the library's side: one call, one sentence when it fails."""

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

from crackdet.locks import NoLocksError, exclusive
from tfds_builder.concrete_cracks import formats, sources
from tfds_builder.concrete_cracks.concrete_cracks_dataset_builder import Builder
from tfds_builder.concrete_cracks.errors import DataSourceError


def prepare(
    config: str = "grouped",
    *,
    data_dir: str | os.PathLike[str] | None = None,
    manual_dir: str | os.PathLike[str] | None = None,
    verbose: int = 1,
) -> tfds.core.DatasetBuilder:
    """Builds the data set if it is not built yet, and returns its builder.

    It is stored twice, as tfrecord, which `tfds.load` reads from the folder alone, and as
    array_record, which is read by index and without TensorFlow; where there is no TensorFlow, as
    array_record alone. What a data set built before lacks of that is added, where it may be.

    Several processes may call this at once: one builds, the others wait for it. What an
    interrupted build has left behind is removed.

    Args:
        config: "grouped", "random", "twins" or "demo".
        data_dir: Where data sets are kept. Defaults to TFDS's own folder, which is `TFDS_DATA_DIR`
            or `~/tensorflow_datasets`.
        manual_dir: A folder with the official archive, a zip of its two class folders, or these
            folders. Defaults to `downloads/manual` in `data_dir`; where nothing is there, the
            archive is downloaded.
        verbose: 0 shows nothing of TFDS's progress.

    Returns:
        The builder: `.info`, `.as_data_source(split)` and `.as_dataset(split)` are ready to use.

    Raises:
        DataSourceError: If the config is unknown, or the images cannot be had, are not the official
            ones, or do not fit on the disk.

    Example:

    >>> builder = prepare("demo")
    >>> len(builder.as_data_source("train"))
    960
    """
    if config not in Builder.builder_configs:
        known = ", ".join(Builder.builder_configs)
        raise DataSourceError(f"There is no config {config!r} of concrete_cracks: use {known}.")
    if manual_dir is not None:
        manual_dir = _checked_manual_dir(Path(manual_dir).expanduser(), config)
    data_dir = Path(data_dir).expanduser() if data_dir is not None else None
    builder = Builder(config=config, data_dir=data_dir)
    versions = Path(builder.data_dir).parent
    if not formats.is_built(builder):
        with _only_one(versions), _shown(verbose):
            _remove_leftovers(versions)
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(
                    manual_dir=manual_dir, try_download_gcs=False
                )
            )
        # Read back from disk: while we waited another process may have built it.
        builder = Builder(config=config, data_dir=data_dir)
    elif not formats.is_complete(builder) and os.access(versions.parent, os.W_OK):
        # Where nothing can be added, what stands there is enough.
        with contextlib.suppress(DataSourceError, NoLocksError), _only_one(versions):
            builder = Builder(config=config, data_dir=data_dir)
            formats.complete(builder)
    return builder


def _checked_manual_dir(folder: Path, config: str) -> Path:
    """Refuses a folder in which the images were said to be and are not."""
    if not folder.is_dir():
        what = (
            "is a file, not a folder: give the folder it stands in"
            if folder.exists()
            else ("does not exist: make it and put the images there")
        )
        raise DataSourceError(f"manual_dir {folder} {what}.")
    if config != "demo" and sources.find_source(folder) is None:
        raise DataSourceError(
            f"{folder} holds neither the folders Negative/ and Positive/ nor an archive of them: "
            f"get {sources.ARCHIVE_NAME!r} from {sources.HOMEPAGE} and put it there."
        )
    return folder


@contextlib.contextmanager
def _shown(verbose: int) -> Iterator[None]:
    """Has TFDS show its progress bars, and say what it downloads and where to, or not."""
    if verbose:
        yield
        return
    before = tqdm_utils._active  # there is a function to set it, and none to ask
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.display_progress_bar(before)


@contextlib.contextmanager
def _only_one(versions: Path) -> Iterator[None]:
    """Waits until no other process builds this config. The lock ends with its process."""
    try:
        versions.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataSourceError(
            f"{versions} cannot be written ({error.strerror}): choose another data_dir."
        ) from error
    with exclusive(versions.parent / f".{versions.name}.lock"):
        yield


def _remove_leftovers(versions: Path) -> None:
    """Removes the temporary folders of builds that were killed."""
    for folder in versions.glob("incomplete.*"):
        shutil.rmtree(folder)
