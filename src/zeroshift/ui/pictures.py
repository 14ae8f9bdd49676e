"""Pictures for a browser: small copies inside the page, previews where they belong, maps laid over a photograph."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from zeroshift.backbones import Backbone
from zeroshift.framed import FramedPhoto, Sized
from zeroshift.image import Framing, frame

SHOWN = 720
"""longer side in pixels of a photograph inside the page"""
CARD = 320
"""of the pictures on cards"""
_HEAT = np.array([[24, 30, 60], [38, 110, 140], [240, 196, 92], [226, 88, 42]], np.float32)
"""colours of a map from nothing to most"""
_LARGER = 3  # how many times the model's pixels a map is drawn


def small(picture: Image.Image, side: int = SHOWN) -> Image.Image:
    """A copy whose longer side is at most ``side`` pixels."""
    copy = picture.copy()
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    return copy


def inline(picture: Image.Image, side: int = SHOWN) -> str:
    """A small copy as a data URL."""
    file = io.BytesIO()
    small(picture, side).save(file, "WEBP", quality=88)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


@dataclass(frozen=True, eq=False)
class Stage:
    """A small copy of a photograph on which previews are put where the model sees it."""

    picture: Image.Image
    framing: Framing

    @staticmethod
    def of(backbone: Backbone | Sized, seen: FramedPhoto) -> "Stage":
        """That of a framed photograph."""
        picture = small(seen.photo.image)
        across, down = (now / full for now, full in zip(picture.size, seen.photo.image.size, strict=True))
        box = None
        if seen.region is not None:
            left, top, right, bottom = seen.region
            box = (round(left * across), round(top * down), round(right * across), round(bottom * down))
        size = backbone.size if seen.size is None else seen.size
        return Stage(picture, frame(picture, seen.fit, size=size, multiple=backbone.multiple, region=box)[1])

    def with_preview(self, native: Image.Image) -> Image.Image:
        """The photograph with a picture of the model's frame in its place."""
        size = self.framing.frame_size
        return self.framing.restore(native if native.size == size else native.resize(size), self.picture)


def heat(seen: FramedPhoto, values: Tensor) -> Image.Image:
    """What the model sees of a photograph, coloured by a map (h, w) of 0 to 1."""
    width, height = seen.pixels.size
    large = seen.pixels.resize((_LARGER * width, _LARGER * height), Image.Resampling.LANCZOS)
    plane = Image.fromarray((values.numpy() * 255).astype(np.uint8)).resize(large.size, Image.Resampling.BICUBIC)
    level = np.asarray(plane, np.float32)[..., None] / 255  # (H, W, 1)
    places = np.linspace(0, 1, len(_HEAT))
    colour = np.stack([np.interp(level[..., 0], places, _HEAT[:, c]) for c in range(3)], -1)
    grey = np.asarray(large.convert("L").convert("RGB"), np.float32)
    return Image.fromarray(np.clip(0.45 * grey + 0.55 * colour, 0, 255).astype(np.uint8))
