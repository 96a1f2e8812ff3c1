"""Pictures in, batches out: TFDS data sets, folders and arrays as one `CrackData`."""

from crackdet.data.dataset import CrackData
from crackdet.data.sources import load_data
from crackdet.data.splits import ImageSplit
from crackdet.data.walls import Leakage
from crackdet.images import read_image, resize

__all__ = ["CrackData", "ImageSplit", "Leakage", "load_data", "read_image", "resize"]
