"""The TFDS data set `concrete_cracks`. Importing this package registers it."""

from tfds_builder.concrete_cracks.concrete_cracks_dataset_builder import Builder
from tfds_builder.concrete_cracks.errors import DataSourceError
from tfds_builder.concrete_cracks.preparation import prepare

__all__ = ["Builder", "DataSourceError", "prepare"]
