"""Which training pictures are most like a sample: a model that copies would show it."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nearest(features: Tensor, among: Tensor, count: int = 10) -> tuple[Tensor, Tensor]:
    """Return the cosines (N, count) of features (N, D) with the most similar of ``among`` (M, D), and their positions.

    With fewer than ``count`` to choose from all are returned.
    """
    cosines = F.normalize(features) @ F.normalize(among).T
    best = cosines.topk(min(count, len(among)))
    return best.values, best.indices


def beside(samples: Tensor, pictures: Tensor, positions: Tensor) -> Tensor:
    """Return each sample (N, 3, H, W) followed by ``pictures`` at its ``positions`` (N, K): (N * (K + 1), 3, H, W)."""
    return torch.cat([samples[:, None], pictures[positions]], 1).flatten(0, 1)
