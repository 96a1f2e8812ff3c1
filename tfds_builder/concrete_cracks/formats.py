"""Both file formats in one folder.

TFDS writes a data set in one format and then reads it in one way only: `tfrecord` by `as_dataset`,
`array_record` by `as_data_source`. The records are the same bytes in both, so the format that is
missing is copied from the one that is there.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.core import file_adapters
from tensorflow_datasets.core.file_adapters import FileFormat

_CHUNK = 512  # Records that are in memory at once.


def is_built(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether the data set stands on disk; `builder.is_prepared()` warns where it does not."""
    return (Path(builder.data_dir) / "dataset_info.json").is_file()


def add_missing(builder: tfds.core.DatasetBuilder, file_format: FileFormat) -> None:
    """Makes a built data set readable in a format, and that format the one it is read in.

    Args:
        builder: Its data set is built; otherwise nothing is done and TFDS says so on reading.
        file_format: `TFRECORD` or `ARRAY_RECORD`.
    """
    info = builder.info
    if not is_built(builder) or info.file_format == file_format:
        return
    # The list on disk: TFDS 4.9.10 does not read it back into `info.available_file_formats()`.
    if file_format.value not in info.as_proto.alternative_file_formats:
        for split in info.splits.values():
            target = split.filename_template.replace(filetype_suffix=file_format.file_suffix)
            shards = split.num_shards
            for old, new in zip(
                split.filename_template.sharded_filepaths(shards),
                target.sharded_filepaths(shards),
                strict=True,
            ):
                _copy_records(Path(old), info.file_format, Path(new), file_format)
        # Last, and in one step, so that an interrupted copy is made again.
        info.add_alternative_file_format(file_format)
        with tempfile.TemporaryDirectory(dir=builder.data_dir, prefix=".") as folder:
            info.write_dataset_info_json(folder)
            os.replace(
                os.path.join(folder, "dataset_info.json"),
                os.path.join(builder.data_dir, "dataset_info.json"),
            )
    info.set_file_format(file_format, override=True, override_if_initialized=True)


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
