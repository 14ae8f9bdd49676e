"""The kernel distance between two sets of features (Binkowski et al., Demystifying MMD GANs, ICLR 2018).

Published figures called KID are of one Inception network's features; of other features they are other figures.
"""

from collections.abc import Mapping
from statistics import fmean, stdev

import torch
from torch import Tensor

HALVINGS = 20


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased squared MMD of features (M, D) and (N, D) under the kernel (a.b / D + 1)^3 (section 4).

    Being unbiased it may be negative; the sets may differ in size.

    Raises:
        ValueError: a set has fewer than two pictures.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"A kernel distance needs two pictures on each side, not {len(x)} and {len(y)}.")
    x, y = x.double(), y.double()
    return float(_within(_kernel(x, x)) + _within(_kernel(y, y)) - 2 * _kernel(x, y).mean())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _within(kernel: Tensor) -> Tensor:
    """Mean over pairs of different pictures."""
    return (kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1))


def halves(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The positions 0 to ``count`` - 1 shuffled and cut in two; the first half is the smaller if they differ."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[: count // 2], order[count // 2 :]


def over_halvings(
    photographs: Tensor, made: Mapping[str, Tensor], samples: Mapping[str, Tensor], *, count: int = HALVINGS
) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation, over random halvings, of kernel distances to one half of photographs.

    Features are (N, D) of photographs and of each set ``made`` of the same ones, of which the other half is compared,
    and (M, D) of each set of ``samples``, which are all compared. "photographs" is the other half as it is. One halving
    is chance. ``count``: two at least.
    """
    found: dict[str, list[float]] = {}
    for seed in range(count):
        one, other = halves(len(photographs), seed)
        paired = {name: side[other] for name, side in {"photographs": photographs, **made}.items()}
        for name, side in {**paired, **samples}.items():
            found.setdefault(name, []).append(kernel_distance(side, photographs[one]))
    return {name: (fmean(values), stdev(values)) for name, values in found.items()}
