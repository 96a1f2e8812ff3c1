"""Pictures as the page holds them: inside itself, and small enough for a mail."""

import base64
import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from crackdet.report.figures.theme import Picture

# Lines and letters are kept to the pixel. Photographs of concrete are full of grain: at two thirds
# of the size and this quality they take a tenth of what their PNGs do, and still show their cracks.
_DRAWINGS: dict[str, Any] = {"lossless": True, "quality": 50, "method": 3}
_PHOTOGRAPHS: dict[str, Any] = {"quality": 60, "method": 4}
_SHRINK = 0.65


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
    """Returns a picture ready for the page, as WebP, which every browser shows.

    Args:
        picture: What it shows.
        png: What `picture.png()` returned, which takes long enough not to be called twice.
    """
    with Image.open(io.BytesIO(png)) as drawn:
        image = drawn.convert("RGB")
    if picture.photographs:
        width, height = (round(_SHRINK * side) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    webp = io.BytesIO()
    image.save(webp, "WEBP", **(_PHOTOGRAPHS if picture.photographs else _DRAWINGS))
    source = "data:image/webp;base64," + base64.b64encode(webp.getvalue()).decode("ascii")
    return EmbeddedPicture(picture.title, picture.alt, picture.caption, source, *image.size)
