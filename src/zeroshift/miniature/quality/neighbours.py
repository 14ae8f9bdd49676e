"""Which training pictures are most like a sample, pixel by pixel: a model that copies would show it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.miniature.classifier import resized

SIDE = 32
"""sides in pixels at which pictures are compared: a copy's outlines and colours count, its sharpness does not"""


def nearest(pictures: Tensor, among: Tensor, count: int = 10) -> tuple[Tensor, Tensor]:
    """How like uint8 pictures (N, 3, S, S) their nearest of ``among`` (M, 3, S, S) are, and where those stand.

    Both results are (N, ``count``), most similar first; with fewer than ``count`` to choose from all are returned. The
    likeness is the cosine of pixels of zero mean, from -1 to 1, the larger of a picture's and its mirror image's:
    training mirrors photographs, so a copy may be mirrored too.
    """
    own, others = softened(pictures), softened(among).flatten(1)
    straight, mirrored = (x.flatten(1) @ others.T for x in (own, own.flip(-1)))
    best = torch.maximum(straight, mirrored).topk(min(count, len(among)))
    return best.values, best.indices


def softened(pictures: Tensor) -> Tensor:
    """Uint8 pictures (N, 3, S, S) at ``SIDE`` pixels, each with zero mean and unit length."""
    small = torch.cat([resized(part, SIDE) for part in pictures.split(256)])  # as floats all at once are gigabytes
    flat = (small - small.mean((1, 2, 3), keepdim=True)).flatten(1)
    return F.normalize(flat).view_as(small)


def beside(samples: Tensor, pictures: Tensor, positions: Tensor) -> Tensor:
    """Each sample (N, 3, H, W) followed by ``pictures`` at its ``positions`` (N, K): (N * (K + 1), 3, H, W)."""
    return torch.cat([samples[:, None], pictures[positions]], 1).flatten(0, 1)
