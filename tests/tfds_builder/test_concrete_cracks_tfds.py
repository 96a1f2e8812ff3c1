"""TFDS's own tests of a data set, for each config."""

from unittest import mock

import tensorflow_datasets as tfds

from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder, sources


class _DummyData(tfds.testing.DatasetBuilderTestCase):
    """Builds one config from the dummy data; subclasses say which."""

    DATASET_CLASS = concrete_cracks_dataset_builder.Builder
    SPLITS = {"train": 24, "validation": 4, "test": 4}  # noqa: RUF012

    def setUp(self) -> None:
        count = mock.patch.object(sources, "IMAGES_PER_CLASS", 16)
        count.start()
        self.addCleanup(count.stop)
        super().setUp()


class GroupedTest(_DummyData):
    BUILDER_CONFIG_NAMES_TO_TEST = ["grouped"]  # noqa: RUF012


class RandomTest(_DummyData):
    BUILDER_CONFIG_NAMES_TO_TEST = ["random"]  # noqa: RUF012


class TwinsTest(_DummyData):
    BUILDER_CONFIG_NAMES_TO_TEST = ["twins"]  # noqa: RUF012


class DemoTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = concrete_cracks_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["demo"]  # noqa: RUF012
    SPLITS = {"train": 32, "validation": 4, "test": 4}  # noqa: RUF012

    def setUp(self) -> None:
        count = mock.patch.object(concrete_cracks_dataset_builder, "DEMO_IMAGES", 40)
        count.start()
        self.addCleanup(count.stop)
        super().setUp()


del _DummyData  # Only its subclasses are tests.
