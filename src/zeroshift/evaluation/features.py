"""Distances of pictures by an ImageNet network's features, where the networks of published distances are not at hand.

They have names of their own: ``feature-distance`` is a relative of LPIPS, and ``feature-structure`` of the structure
distance. Figures are comparable with each other, and with no published ones.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.evaluation.imagenet import ImageNetJudge, prepared
from zeroshift.evaluation.regions import mean_over

STAGES = 4
"""at 56, 28, 14 and 7 places a side"""
STRUCTURE = 2
"""which of them structure is compared by: 14 x 14 places"""


def feature_distance(judge: ImageNetJudge, source: Tensor, edit: Tensor, part: Tensor | None = None) -> Tensor:
    """Mean of 1 - cosine of features at one place (B,), over places and four stages; 0 for equal pictures, 2 at most.

    Pictures are bytes (B, 3, H, W), squeezed to 224 x 224. In a ``part`` (B, 1, H, W): the mean of the map of distances
    there, NaN where it is empty.
    """
    size, found = source.shape[-2:], list[Tensor]()
    for a, b in zip(stages(judge, source), stages(judge, edit), strict=True):
        apart = 1 - F.cosine_similarity(a, b, dim=1)[:, None]
        found.append(mean_over(apart if part is None else F.interpolate(apart, size, mode="bilinear"), part))
    return torch.stack(found).mean(0)


def feature_structure(judge: ImageNetJudge, source: Tensor, edit: Tensor) -> Tensor:
    """Mean squared difference (B,) of cosines between all pairs of 14 x 14 places; pictures as ``feature_distance``."""
    return (_self_similarities(judge, source) - _self_similarities(judge, edit)).square().mean((1, 2))


@torch.no_grad()
def stages(judge: ImageNetJudge, pictures: Tensor) -> list[Tensor]:
    """The last features (B, C, h, w) at each of four sizes."""
    network, found = judge.network, list[Tensor]()
    x = network._swish(network._bn0(network._conv_stem(prepared(pictures))))  # type: ignore[operator]
    for block in network._blocks:  # type: ignore[union-attr]
        before, x = x, block(x)
        if x.shape[-1] < before.shape[-1]:
            found.append(before)
    return [*found, x][-STAGES:]


def _self_similarities(judge: ImageNetJudge, pictures: Tensor) -> Tensor:
    unit = F.normalize(stages(judge, pictures)[STRUCTURE].flatten(2), dim=1)
    return unit.mT @ unit
