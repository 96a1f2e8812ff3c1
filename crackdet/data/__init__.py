"""Pictures in, batches out: TFDS data sets, folders and arrays as one `CrackData`."""

from crackdet.data.dataset import CrackData
from crackdet.data.sources import load_data
from crackdet.data.splits import ImageSplit
from crackdet.images import read_image, resize

__all__ = ["CrackData", "ImageSplit", "load_data", "read_image", "resize"]
