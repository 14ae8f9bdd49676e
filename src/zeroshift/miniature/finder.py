"""Where the head of a cat or dog is in a whole photograph: the frame that the shipped model was trained on.

A small network looks at square windows of many sizes and places. For each it says how well the window frames a head
with its shoulders, as the training pictures do, and how the window would have to move and grow to do so.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from zeroshift.image.framing import Box, Size
from zeroshift.image.regions import Found, square
from zeroshift.miniature.classifier import Residual

WINDOW = 64
"""side in pixels at which the network sees a window"""
SIDES = (1.0, 0.8, 0.64, 0.51, 0.41, 0.33, 0.26, 0.2)
"""sides of the windows as shares of the picture's shorter side"""
STRIDE = 20
"""distance of neighbouring windows in pixels of the size at which they are seen"""
ROUNDS = 2
"""how often the best window is moved to where it points and looked at again"""
SHIFT_SPREAD, SCALE_SPREAD = 0.18, 0.3
"""how far off, in sides and in the logarithm of the side, a window may be: there its quality is exp(-1/2)"""


class FinderNetwork(nn.Module):
    """Residual levels at half the size and less, each read out at 1/16: (N, 3, 64, 64) in [-1, 1] to (N, 4).

    The four numbers are the logit of the window's quality, the shift of the right frame's centre in window sides
    (right, down), and the logarithm of its side over the window's.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96), hidden: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        body: list[nn.Module] = []
        channels = widths[0]
        for level, width in enumerate(widths):
            body += [Residual(channels, width, 2 if level else 1), Residual(width, width, 1)]
            channels = width
        self.body = nn.Sequential(*body)
        cells = (WINDOW // 2 ** len(widths)) ** 2
        self.out = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(channels * cells, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 4),
        )

    def forward(self, windows: Tensor) -> Tensor:
        seen: Tensor = self.out(self.body(F.relu(self.norm(self.stem(windows)))))
        return seen


@final
@dataclass(frozen=True, eq=False)
class HeadFinder:
    """Finds the head of a cat or dog, or nothing."""

    network: FinderNetwork
    threshold: float = 0.5
    """quality from which on a head is taken to be there, 0 to 1"""

    @torch.inference_mode()
    def find(self, picture: Image.Image) -> Found | None:
        """The best frame around a head with its shoulders; None where no window is good enough."""
        rgb = picture.convert("RGB")
        best = max((self._best(rgb, share) for share in SIDES), key=lambda found: float(found[1][0]))
        for _ in range(ROUNDS):
            box = pointed_at(*best, rgb.size)
            window = rgb.resize((WINDOW, WINDOW), Image.Resampling.BILINEAR, box=box)
            best = box, self._look(pixels(window)[None])[0]
        confidence = float(best[1][0].sigmoid())
        return Found(best[0], confidence) if confidence >= self.threshold else None

    def _best(self, picture: Image.Image, share: float) -> tuple[Box, Tensor]:
        """The best window whose side is ``share`` of the shorter side, and what the network says of it, (4,)."""
        scale = WINDOW / (share * min(picture.size))
        width, height = (max(WINDOW, round(side * scale)) for side in picture.size)
        small = pixels(picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2))
        places = [(top, left) for top in starts(height) for left in starts(width)]
        seen = self._look(torch.stack([small[:, top : top + WINDOW, left : left + WINDOW] for top, left in places]))
        best = int(seen[:, 0].argmax())
        top, left = places[best]
        center = ((left + WINDOW / 2) / scale, (top + WINDOW / 2) / scale)
        return square(center, WINDOW / scale, picture.size), seen[best]

    def _look(self, windows: Tensor, batch: int = 64) -> Tensor:
        """What the network says of windows (N, 3, 64, 64): (N, 4)."""
        return torch.cat([self.network(part) for part in windows.split(batch)])


def pixels(picture: Image.Image) -> Tensor:
    """An RGB picture as (3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def starts(length: int) -> list[int]:
    """Where windows begin along a side of ``length`` px, evenly from border to border, at most ``STRIDE`` px apart."""
    count = 1 + -(-(length - WINDOW) // STRIDE)
    return [int(place) for place in np.linspace(0, length - WINDOW, count).round()]


def pointed_at(box: Box, out: Tensor, size: Size) -> Box:
    """The frame that the network, having seen ``box``, takes to be right: ``out`` is its row (4,)."""
    side = box[2] - box[0]
    right, down, growth = (float(value) for value in out[1:])
    center = ((box[0] + box[2]) / 2 + right * side, (box[1] + box[3]) / 2 + down * side)
    return square(center, side * float(np.exp(np.clip(growth, -1, 1))), size)


def read_finder(folder: Path) -> HeadFinder:
    """Read a finder's folder: ``config.json`` with its threshold, and ``model.safetensors``.

    Raises:
        ValueError: a file is missing or is not a finder's.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        network = FinderNetwork(tuple(config["widths"]), config["hidden"])
        weights = load_file(folder / "model.safetensors")
        network.load_state_dict({name: weight.float() for name, weight in weights.items()})
        return HeadFinder(network.eval(), float(config["threshold"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{folder} is not the folder of a head finder; get the model anew.") from error
