"""The one exception of the data set."""


class DataSourceError(Exception):
    """A problem with the source of the images, told in one sentence with its remedy."""
