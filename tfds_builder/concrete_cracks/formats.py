"""Both file formats in one folder: tfrecord for `tf.data`, array_record for reading by index.

TFDS writes a data set in one format and then reads it in one way only: `tfrecord` by `as_dataset`,
`array_record` by `as_data_source`. The records are the same bytes in both, so one is copied from
the other. What dataset_info.json names first is what programs read that have only the folder;
that is tfrecord, which every TFDS reads with `tfds.load`. Only TensorFlow writes and reads it, and
where there is none, array_record stands alone.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.core import dataset_info, file_adapters
from tensorflow_datasets.core.file_adapters import FileFormat

from tfds_builder.concrete_cracks import disk
from tfds_builder.concrete_cracks.errors import DataSourceError

# The first that a data set is stored in is the one that TFDS reads unasked.
FORMATS = (FileFormat.TFRECORD, FileFormat.ARRAY_RECORD)
_CHUNK = 512  # Records that are in memory at once.


def check(file_format: str | FileFormat | None) -> None:
    """Raises ValueError for a format that the data set is not stored in."""
    if file_format is not None and FileFormat.from_value(file_format) not in FORMATS:
        raise ValueError(
            f"Expected file_format to be one of {', '.join(each.value for each in FORMATS)}, or "
            f"None. Received: {FileFormat.from_value(file_format).value}"
        )


def writable() -> tuple[FileFormat, ...]:
    """Returns the formats that can be written here."""
    return FORMATS if _has_tensorflow() else (FileFormat.ARRAY_RECORD,)


def is_built(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether the data set stands on disk; `builder.is_prepared()` warns where it does not."""
    return (Path(builder.data_dir) / "dataset_info.json").is_file()


def is_complete(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether a built data set stands on disk as it would be built here."""
    stored = _stored(builder)
    return stored == _ordered(stored) and set(writable()) <= set(stored)


def write_others(builder: tfds.core.DatasetBuilder) -> None:
    """Completes a data set that is being built and was written in one format."""
    _copy(builder, [builder.info.file_format])


def complete(builder: tfds.core.DatasetBuilder) -> None:
    """Completes a built data set: one from before, or from where TensorFlow was not installed.

    Several processes may do so at once.

    Raises:
        DataSourceError: If the folder cannot be written. What stands there can still be read.
    """
    stored = _stored(builder)
    folder = Path(builder.data_dir)
    try:
        if not set(writable()) <= set(stored):
            disk.check_space(folder, builder.info.dataset_size)
        _copy(builder, stored)
        # Last, and in one step, so that an interrupted copy is made again.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as aside:
            builder.info.write_dataset_info_json(aside)
            os.replace(os.path.join(aside, "dataset_info.json"), folder / "dataset_info.json")
    except Exception as error:
        if disk.is_full(error):
            raise disk.full_error(folder) from error
        # TensorFlow's own errors are no OSErrors.
        if isinstance(error, OSError) or "PermissionDenied" in type(error).__name__:
            raise DataSourceError(
                f"{folder} holds {' and '.join(each.value for each in stored)} alone and cannot be "
                "written: build the data set in another data_dir."
            ) from error
        raise


def read_as(builder: tfds.core.DatasetBuilder, file_format: FileFormat) -> None:
    """Has a built data set read in a format, which is made where it is missing.

    Args:
        builder: Its data set is built; otherwise nothing is done and TFDS says so on reading.
        file_format: One of `FORMATS`.

    Raises:
        DataSourceError: If the format is missing and cannot be made.
    """
    if not is_built(builder):
        return
    if file_format not in _stored(builder):
        if not _has_tensorflow():
            raise DataSourceError(
                f"{builder.data_dir} has no {file_format.value} files, and to make them TensorFlow "
                "is needed: pip install tensorflow, or build the data set in another data_dir."
            )
        complete(builder)
    _set_format(builder, file_format)


def _has_tensorflow() -> bool:
    return "tensorflow" in sys.modules or importlib.util.find_spec("tensorflow") is not None


def _stored(builder: tfds.core.DatasetBuilder) -> list[FileFormat]:
    """Returns the formats on disk, the first of which TFDS reads unasked.

    `builder.info` says what is read now; and TFDS 4.9.10 does not read the others back into it.
    """
    proto = dataset_info.read_proto_from_builder_dir(builder.data_dir)
    return [FileFormat(each) for each in (proto.file_format, *proto.alternative_file_formats)]


def _ordered(formats: Sequence[FileFormat]) -> list[FileFormat]:
    return [each for each in FORMATS if each in formats]


def _set_format(builder: tfds.core.DatasetBuilder, file_format: FileFormat) -> None:
    builder.info.set_file_format(file_format, override=True, override_if_initialized=True)


def _copy(builder: tfds.core.DatasetBuilder, stored: Sequence[FileFormat]) -> None:
    """Copies the records into the formats that are missing, and says in `info` which there are."""
    _set_format(builder, stored[0])
    missing = [each for each in writable() if each not in stored]
    for file_format in missing:
        for split in builder.info.splits.values():
            target = split.filename_template.replace(filetype_suffix=file_format.file_suffix)
            for old, new in zip(
                split.filename_template.sharded_filepaths(split.num_shards),
                target.sharded_filepaths(split.num_shards),
                strict=True,
            ):
                _copy_records(Path(old), stored[0], Path(new), file_format)
    first, *others = _ordered([*stored, *missing])
    _set_format(builder, first)
    builder.info.as_proto.alternative_file_formats[:] = [each.value for each in others]


def _copy_records(
    source: Path, source_format: FileFormat, target: Path, target_format: FileFormat
) -> None:
    """Writes the records of one shard in another format, to a temporary name first."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    records = enumerate(_read_records(source, source_format))
    try:
        file_adapters.ADAPTER_FOR_FORMAT[target_format].write_examples(temporary, records)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _read_records(path: Path, file_format: FileFormat) -> Iterator[bytes]:
    if file_format == FileFormat.TFRECORD:
        for record in file_adapters.TfRecordFileAdapter.make_tf_data(path):
            yield record.numpy()
        return
    reader = array_record_module.ArrayRecordReader(str(path))
    try:
        count = reader.num_records()
        for start in range(0, count, _CHUNK):
            yield from reader.read(start, min(start + _CHUNK, count))
    finally:
        reader.close()
