"""What the head finder learns from: scenes of many portraits, each turned, sized and cut at random.

Every portrait is framed as a right frame is. A scene is a grid of tiles, and a tile shows a part of one portrait,
larger or smaller than the network's frames, wherever it may lie: the borders of tiles tell nothing of where frames lie,
and what a portrait has beside its head (shoulders, fur, background) is what heads are told from.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.miniature.finder_network import STRIDE, WINDOW

SIDE = 128
"""of a scene in pixels"""
LAYOUTS = ((3, 3),) * 6 + ((2, 2),) * 8 + ((1, 2),) * 2 + ((2, 1),) * 2 + ((1, 1),) * 2
"""rows and columns of the scenes that one batch makes"""
TILES = sum(rows * columns for rows, columns in LAYOUTS)
"""portraits that they take"""
SCALES = (0.7, 2.0)
"""sides of frames as shares of a tile's longer side, drawn evenly in their logarithm"""
DETAILS, DETAIL_SCALES = 0.12, (2.0, 5.0)
"""share of the tiles that show details, and their scales"""
BEYOND = 0.2
"""how far a tile reaches beyond a portrait at most, in the portrait's sides; there it is reflected"""
TURN = 12.0
"""degrees by which portraits are turned at most"""
SHIFT_SPREAD, SCALE_SPREAD = 0.13, 0.33
"""how far from a frame's centre, in its sides, and from its size, in the logarithm, a place's quality is exp(-1/2)"""
HEAD = 0.6
"""share of a frame's side that the head takes; a frame whose head is cut off is none"""


@dataclass(frozen=True, eq=False)
class Portraits:
    """Square pictures of heads, and of none."""

    pictures: Tensor
    """uint8 (N, 3, S, S)"""
    frames: Tensor
    """side of the right frame around the picture's middle in sides of the picture; 0 where there is no head, (N,)"""

    def reduced(self) -> list[Tensor]:
        """The pictures at full, half and quarter size, each uint8 (N, 3, s, s)."""
        full = self.pictures
        return [full, *(F.avg_pool2d(full.float(), n).round().to(torch.uint8) for n in (2, 4))]


def scenes(levels: list[Tensor], frames: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Scenes (B, 3, SIDE, SIDE) in [-1, 1] of the ``chosen`` portraits, and what the network shall say of them.

    The second is (B, 4, SIDE/8, SIDE/8): quality from 0 to 1, and where that is not 0 shift and size of the frame, as
    ``FinderNetwork`` has them.

    Args:
        levels: the portraits as ``Portraits.reduced`` gives them.
        frames: sides of their frames.
        chosen: indices of ``TILES`` portraits.
    """
    pictures = torch.zeros(len(LAYOUTS), 3, SIDE, SIDE)
    wanted = torch.zeros(len(LAYOUTS), 4, SIDE // STRIDE, SIDE // STRIDE)
    coming = iter(chosen.tolist())
    for picture, target, (rows, columns) in zip(pictures, wanted, LAYOUTS, strict=True):
        across = list(pairwise(cuts(columns)))
        for top, bottom in pairwise(cuts(rows)):
            for left, right in across:
                n = next(coming)
                tile, frame = shown(levels, n, (bottom - top, right - left))
                picture[:, top:bottom, left:right] = tile
                if frames[n] > 0:
                    place = (frame[0] + left, frame[1] + top, frame[2] * float(frames[n]))
                    mark(target, place, (left, top, right, bottom))
    return pictures, wanted


def cuts(parts: int) -> list[int]:
    """Where a side is cut into ``parts`` of uneven length, from 0 to ``SIDE``."""
    inner = [round(SIDE * (k / parts + uniform(-0.1, 0.1))) for k in range(1, parts)]
    return [0, *inner, SIDE]


def shown(levels: list[Tensor], n: int, extent: tuple[int, int]) -> tuple[Tensor, tuple[float, float, float]]:
    """A tile (3, height, width) in [-1, 1] of portrait ``n``; centre and side of the portrait in the tile's pixels."""
    height, width = extent
    low, high = DETAIL_SCALES if uniform(0, 1) < DETAILS else SCALES
    side = max(extent) * math.exp(uniform(math.log(low), math.log(high)))
    reach = side * (0.5 + BEYOND)
    x, y = (uniform(min(length / 2, length - reach), max(length / 2, reach)) for length in (width, height))
    angle, mirrored = math.radians(uniform(-TURN, TURN)), -1.0 if uniform(0, 1) < 0.5 else 1.0
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5 - y, torch.arange(width) + 0.5 - x, indexing="ij")
    u = (columns * math.cos(angle) + rows * math.sin(angle)) * (2 * mirrored / side)
    v = (rows * math.cos(angle) - columns * math.sin(angle)) * (2 / side)
    level = next((k for k in (2, 1) if levels[k].shape[-1] >= 0.75 * side), 0)
    grid = torch.stack([u, v], -1)[None]
    tile = F.grid_sample(levels[level][n][None].float(), grid, padding_mode="reflection", align_corners=False)[0]
    return coloured(tile / 127.5 - 1), (x, y, side)


def coloured(tile: Tensor) -> Tensor:
    """A tile in [-1, 1] with light, contrast and saturation changed, and perhaps with noise."""
    grey = tile.mean(0, keepdim=True)
    tile = grey + (tile - grey) * uniform(0.3, 1.4)
    tile = tile * uniform(0.6, 1.3) + uniform(-0.25, 0.25) + 0.06 * torch.randn(3, 1, 1)
    noise = uniform(-0.06, 0.06)
    return (tile + max(noise, 0.0) * torch.randn_like(tile)).clamp(-1, 1)


def mark(target: Tensor, frame: tuple[float, float, float], tile: tuple[int, int, int, int]) -> None:
    """Write a frame (centre and side) into ``target`` (4, h, w), as far as its head is to be seen in the tile."""
    x, y, side = frame
    half = HEAD * side / 2
    wide, high = min(x + half, tile[2]) - max(x - half, tile[0]), min(y + half, tile[3]) - max(y - half, tile[1])
    seen = max(wide, 0.0) * max(high, 0.0) / (2 * half) ** 2
    places = (torch.arange(target.shape[-1]) + 0.5) * STRIDE
    right, down = (x - places[None, :]) / WINDOW, (y - places[:, None]) / WINDOW
    growth = math.log(side / WINDOW)
    distance = ((right**2 + down**2) * (WINDOW / side) ** 2) / SHIFT_SPREAD**2 + (growth / SCALE_SPREAD) ** 2
    quality = torch.exp(-distance / 2) * min(max((seen - 0.5) / 0.3, 0.0), 1.0)
    better = quality > target[0]
    values = (quality, right.expand_as(quality), down.expand_as(quality), torch.full_like(quality, growth))
    for k, value in enumerate(values):
        target[k] = torch.where(better, value, target[k])


def uniform(low: float, high: float) -> float:
    """A number drawn evenly."""
    return low + (high - low) * float(torch.rand(()))
