"""Where the head of a cat or dog is in a whole photograph: the part of it that the shipped model was trained on.

A small network looks at the picture in many sizes. Every place of every size that may be in the middle of a head says
where the frame around head and shoulders lies; the frame that most of them mean is the answer, if they are many enough.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zeroshift.backbones.whole import loading, read_object
from zeroshift.frames import square
from zeroshift.image import flatten
from zeroshift.image.framing import Box, Size
from zeroshift.miniature.finder_config import FinderConfig
from zeroshift.miniature.finder_network import STRIDE, WINDOW, FinderNetwork
from zeroshift.miniature.saved import check_saved, save_network, saved_state

SIDES = (1.95, 1.56, 1.25, 1.0, 0.8, 0.64, 0.51, 0.41, 0.33, 0.26, 0.21)
"""sides of the frames that are looked for, as shares of the picture's shorter side"""
MARGIN = 16
"""pixels by which a picture is reflected beyond its borders, at the size at which it is looked at"""
FAINT = 0.1
"""quality from which on a place has a say"""
MOST = 600
"""places that have a say at most, the best ones"""
SPREAD = 0.25
"""how far apart two frames, in their sides and in the logarithm of these, agree by exp(-1/2)"""

BESIDE = 0.75
"""how far the middle of another head is from that of one, in sides of its frame: what is nearer means the same one"""


@final
@dataclass(frozen=True, eq=False)
class Finder:
    """A trained network, and from which agreement on there is a head."""

    network: FinderNetwork
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    threshold: float = 1.0
    """sum of the squared qualities of the places that agree"""
    trained_on: str = ""
    """the pictures, in words"""
    figures: dict[str, float] = field(default_factory=dict)
    """what was measured when it was trained"""

    def best(self, picture: Image.Image) -> tuple[Box, float]:
        """The square that most places mean, in pixels, and how far they agree: the sum of their squared qualities."""
        return self._best(picture, *self.frames(picture))

    def every(self, picture: Image.Image) -> list[Box]:
        """The squares around all heads, the surest first: each is what most places mean that are apart from others."""
        (frames, qualities), found = self.frames(picture), list[Box]()
        while len(frames):
            box, agreement = self._best(picture, frames, qualities)
            if agreement < self.threshold:
                break
            found.append(box)
            left, top, right, bottom = box
            apart = torch.maximum((frames[:, 0] - (left + right) / 2).abs(), (frames[:, 1] - (top + bottom) / 2).abs())
            free = apart > BESIDE * (right - left)
            if free.all():  # places that mean a frame far from their own
                break
            frames, qualities = frames[free], qualities[free]
        return found

    def _best(self, picture: Image.Image, frames: Tensor, qualities: Tensor) -> tuple[Box, float]:
        """The square that most places mean of those whose ``frames`` (N, 3) and ``qualities`` (N,) are given."""
        if not len(frames):
            return square((picture.width / 2, picture.height / 2), min(picture.size), picture.size), 0.0
        apart = frames[:, None] - frames[None, :]  # (N, N, 3)
        side = (frames[:, None, 2] + frames[None, :, 2]).div(2).exp()
        distance = (apart[..., 0].square() + apart[..., 1].square()) / side.square() + apart[..., 2].square()
        agreement = torch.exp(-distance / (2 * SPREAD**2)) * qualities.square()
        said = agreement.sum(1)
        first = int(said.argmax())
        x, y, size = (frames * (agreement[first] / said[first])[:, None]).sum(0).tolist()
        return square((x, y), math.exp(size), picture.size), float(said[first])

    @torch.inference_mode()
    def frames(self, picture: Image.Image) -> tuple[Tensor, Tensor]:
        """What the best places say: centres and logarithms of sides in pixels, (N, 3), and their qualities (N,)."""
        rgb = flatten(picture)
        found = [self._at(rgb, share * min(rgb.size)) for share in SIDES]
        frames, qualities = (torch.cat(parts) for parts in zip(*found, strict=True))
        best = qualities.topk(min(MOST, len(qualities))).indices
        return frames[best], qualities[best]

    def _at(self, picture: Image.Image, side: float) -> tuple[Tensor, Tensor]:
        """What places say of frames of about ``side`` pixels."""
        pixels, scale = reduced(picture, WINDOW / side)
        quality, right, down, growth = self.network(pixels[None])[0]
        quality = quality.sigmoid()
        rows, columns = torch.nonzero(quality >= FAINT, as_tuple=True)
        of = (rows, columns)
        x = (columns + 0.5) * STRIDE + right[of] * WINDOW - MARGIN
        y = (rows + 0.5) * STRIDE + down[of] * WINDOW - MARGIN
        return torch.stack([x / scale[0], y / scale[1], growth[of] + math.log(side)], 1), quality[of]


@final
@dataclass(frozen=True, eq=False)
class HeadFinder:
    """Finds the head of a cat or dog, with its shoulders."""

    open_finder: Callable[[], Finder]
    """reads it, at the first picture"""
    subject: str = "head"

    @cached_property
    def finder(self) -> Finder:
        """The finder, read once."""
        return self.open_finder()

    def find(self, picture: Image.Image) -> Box | None:
        """The square around head and shoulders, in pixels; None where no head is found.

        Raises:
            ValueError: a file of the finder is missing or damaged.
        """
        return next(iter(self.every(picture)), None)

    def every(self, picture: Image.Image) -> list[Box]:
        """The squares around all heads that are found, in pixels, the surest first.

        Raises:
            ValueError: a file of the finder is missing or damaged.
        """
        return self.finder.every(picture)


def reduced(picture: Image.Image, scale: float) -> tuple[Tensor, tuple[float, float]]:
    """An RGB picture at ``scale`` with a reflected margin, (3, H, W) in [-1, 1], and the scale of its two sides.

    It ends in whole places: the margin right and below is at least ``MARGIN``.
    """
    size: Size = (max(WINDOW // 2, round(picture.width * scale)), max(WINDOW // 2, round(picture.height * scale)))
    small = np.asarray(picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=3))
    beyond = [(MARGIN, MARGIN + -(2 * MARGIN + length) % STRIDE) for length in small.shape[:2]]
    pixels = torch.from_numpy(np.pad(small, [*beyond, (0, 0)], mode="reflect")).permute(2, 0, 1)
    return pixels.float() / 127.5 - 1, (size[0] / picture.width, size[1] / picture.height)


def load_finder(folder: str | Path) -> Finder:
    """Read a finder from ``config.json`` and ``model.safetensors`` in ``folder``, in float32.

    Raises:
        ValueError: one of the two files is missing or damaged, or they do not fit each other.
    """
    folder = Path(folder)
    check_saved(folder, "finder")
    with loading(f"the finder in {folder}", "config.json and model.safetensors"):
        known = FinderConfig.model_validate(read_object(folder / "config.json", "the finder"))
        network = FinderNetwork(known.widths, known.blocks)
        network.load_state_dict(saved_state(folder))
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a seventh faster on CPUs
    return Finder(network, known.widths, known.blocks, known.threshold, known.trained_on, known.figures)


def save_finder(finder: Finder, folder: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float16) into ``folder``."""
    config = {
        "widths": finder.widths,
        "blocks": finder.blocks,
        "threshold": finder.threshold,
        "trained_on": finder.trained_on,
        "figures": finder.figures,
    }
    save_network(Path(folder), finder.network, config)


def read_finder(folder: str | Path) -> HeadFinder:
    """The finder of a folder, which is read at the first picture."""
    return HeadFinder(lambda: load_finder(folder))
