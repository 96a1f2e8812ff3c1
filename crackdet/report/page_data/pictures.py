"""Pictures as the page holds them: inside itself."""

import base64
from dataclasses import dataclass

from crackdet.report.figures.theme import Picture


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture with its own data, and its size so that its place is kept while loading."""

    title: str
    alt: str
    caption: str
    source: str  # A data URI.
    width: int
    height: int


def embed(picture: Picture, png: bytes) -> EmbeddedPicture:
    """Returns a picture ready for the page.

    Args:
        picture: What it shows.
        png: What `picture.png()` returned, which takes long enough not to be called twice.
    """
    # A PNG begins with 8 bytes of signature, then length, name and content of its header chunk.
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return EmbeddedPicture(picture.title, picture.alt, picture.caption, source, width, height)
