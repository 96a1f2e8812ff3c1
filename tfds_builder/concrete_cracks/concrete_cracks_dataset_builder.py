"""The TFDS data set `concrete_cracks`: 227 x 227 photographs of concrete, sound or cracked."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from tfds_builder.concrete_cracks import disk, download, formats, procedural, sources, splits

DEMO_IMAGES = 1200
_DEMO_QUALITY = 90  # Of JPEG: the official images' quantization tables lie near it.
_Example = tuple[str, dict[str, Any]]
_Placed = tuple[sources.SourceImage, splits.Placement]


def _leaky_description(config: str, rule: str) -> str:
    """Says what a config for comparison is, with the leak measured on the official images."""
    sentence = f"For comparison only: {rule}, and so test images are known from train"
    leak = splits.shipped_leakage().get(config)
    if leak:
        sentence += (
            f" ({leak['twin']:.1%} of them have a twin there, {leak['twin_or_overlap']:.1%} a twin "
            "or an overlapping crop)"
        )
    return sentence + ". Figures measured on it are too good; use `grouped` for honest ones."


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builds the data set from the official images, or from procedural ones (`demo`)."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Leak-free splits by twins and overlapping crops."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(
            name="grouped",
            description=(
                "No leak that was found: twins (under mirrors and quarter turns too) and "
                "overlapping crops of one piece of wall stand in one split."
            ),
        ),
        tfds.core.BuilderConfig(
            name="random",
            description=_leaky_description(
                "random", "files are dealt out at random within each class, as papers do"
            ),
        ),
        tfds.core.BuilderConfig(
            name="twins",
            description=_leaky_description(
                "twins", "twins stand in one split but overlapping crops are ignored"
            ),
        ),
        tfds.core.BuilderConfig(
            name="demo",
            description=(
                f"{DEMO_IMAGES:,} procedural images made on the spot, for trying things out "
                "without a download. Groups are the photos that the images are cut from."
            ),
        ),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "grouped"
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Put into `manual_dir` the archive `{sources.ARCHIVE_NAME}` from {sources.HOMEPAGE}, or a .zip of
    its two folders `Negative/` and `Positive/`, or the two folders themselves. With nothing there,
    the archive is downloaded. The config `demo` needs neither.
    """

    def __init__(self, *, file_format: Any = None, **kwargs: Any) -> None:
        """Reads what is on disk, in whichever format is asked for; both are written."""
        formats.check(file_format)
        super().__init__(**kwargs)
        if not formats.is_built(self):
            # Written first, since that needs no TensorFlow; the other is copied from it.
            self.info.set_file_format(tfds.core.FileFormat.ARRAY_RECORD, override=True)

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (sources.IMAGE_SIZE, sources.IMAGE_SIZE, 3)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=shape, encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=["negative", "positive"]),
                    "filename": tfds.features.Text(),
                    "group": tfds.features.Scalar(np.int64),
                }
            ),
            supervised_keys=("image", "label"),
            homepage=sources.HOMEPAGE,
            license="CC BY 4.0",
        )

    def download_and_prepare(
        self, *, download_config: tfds.download.DownloadConfig | None = None, **kwargs: Any
    ) -> None:
        """Builds the data set where it is not built yet, in both formats (see `formats`).

        Args:
            download_config: See TFDS. Defaults to one that does not ask Google's storage for a
                ready-made copy: there is none, and offline the question takes minutes.
            **kwargs: See TFDS.

        Raises:
            DataSourceError: If the images cannot be had, are not the official ones, or do not fit
                on the disk. Nothing half-built is left behind.
        """
        formats.check(kwargs.get("file_format"))
        download_config = download_config or tfds.download.DownloadConfig(try_download_gcs=False)
        try:
            super().download_and_prepare(download_config=download_config, **kwargs)
        except Exception as error:
            if not disk.is_full(error):
                raise
            raise disk.full_error(Path(self.data_dir)) from error

    def as_dataset(self, split: Any = None, **kwargs: Any) -> Any:
        """Reads the data set with `tf.data`. See TFDS."""
        formats.read_as(self, tfds.core.FileFormat.TFRECORD)
        return super().as_dataset(split, **kwargs)

    def as_data_source(self, split: Any = None, **kwargs: Any) -> Any:
        """Reads the data set by index and without TensorFlow. See TFDS."""
        formats.read_as(self, tfds.core.FileFormat.ARRAY_RECORD)
        return super().as_data_source(split, **kwargs)

    def _download_and_prepare(self, *arguments: Any, **kwargs: Any) -> None:
        super()._download_and_prepare(*arguments, **kwargs)
        formats.write_others(self)  # still in TFDS's temporary folder

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[_Example]]:
        if self.builder_config.name == "demo":
            return {split: _demo_examples(split) for split in splits.SPLITS}
        source = download.get_source(dl_manager)
        images = _read(source)
        size = sum(len(image.jpeg) for image in images)
        disk.check_space(Path(self.data_dir), size * len(formats.writable()))
        placements = splits.place(images, self.builder_config.name, progress=_progress_bars())
        members: dict[str, list[_Placed]] = {split: [] for split in splits.SPLITS}
        for image, placement in zip(images, placements, strict=True):
            members[placement.split].append((image, placement))
        return {split: self._generate_examples(placed) for split, placed in members.items()}

    def _generate_examples(self, placed: list[_Placed]) -> Iterator[_Example]:
        """Yields the examples of one split, named by their content.

        TFDS stores records in the order of the hashes of these names, so neither the order nor the
        names of the files play a part in it.
        """
        for image, placement in placed:
            yield (
                placement.name,
                {
                    "image": image.jpeg,
                    "label": image.label,
                    "filename": image.filename,
                    "group": placement.group,
                },
            )


def _demo_examples(split: str) -> Iterator[_Example]:
    """Yields the procedural images of one split: of ten photos, eight train and one each."""
    for index in range(DEMO_IMAGES):
        photo = index // procedural.CROPS_PER_PHOTO
        if {8: "validation", 9: "test"}.get(photo % 10, "train") != split:
            continue
        pixels, label = procedural.demo_image(index)
        jpeg = io.BytesIO()
        Image.fromarray(pixels).save(jpeg, "JPEG", quality=_DEMO_QUALITY)
        yield (
            f"{index:05d}",
            {
                "image": jpeg.getvalue(),
                "label": label,
                "filename": f"{sources.CLASS_FOLDERS[label]}/{index:05d}.jpg",
                "group": photo,
            },
        )


def _read(source: Path) -> list[sources.SourceImage]:
    """Reads the whole source, showing TFDS's progress bar."""
    bar = tfds.core.utils.tqdm(
        sources.read_images(source),
        desc=f"Reading {source.name}",
        unit=" images",
        total=2 * sources.IMAGES_PER_CLASS,
        leave=False,
    )
    images = list(bar)
    sources.check_complete(source, images)
    return images


def _progress_bars() -> Callable[[str, int, int], None]:
    """Returns a callback that shows each step of the grouping as a progress bar of TFDS."""
    bars: dict[str, Any] = {}
    shown: Counter[str] = Counter()

    def show(what: str, done: int, total: int) -> None:
        if what not in bars:
            for earlier in bars.values():
                earlier.close()
            bars[what] = tfds.core.utils.tqdm(desc=what.capitalize(), total=total, leave=False)
        bars[what].update(done - shown[what])
        shown[what] = done

    return show
