"""The kernel distance between two sets of pictures (KID; Binkowski et al., Demystifying MMD GANs, ICLR 2018)."""

from statistics import fmean, stdev

import torch
from torch import Tensor

from zeroshift.image.tensors import to_bytes
from zeroshift.miniature.classifier import resized

HALVINGS = 20


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Return the unbiased squared MMD of features (M, D) and (N, D) under the kernel (a.b / D + 1)^3 (section 4).

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
    """Return the mean over pairs of different pictures."""
    return (kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1))


def halves(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return the positions 0 to ``count`` - 1 shuffled and cut in two; the first half is the smaller if they differ."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[: count // 2], order[count // 2 :]


def over_halvings(samples: Tensor, test: Tensor, coarse: Tensor, *, count: int = HALVINGS) -> dict[str, float]:
    """Return kernel distances to one half of ``test``: of ``samples``, and of the other half coarsened and as it is.

    Each is the mean over ``count`` random halvings, two at least, beside the standard deviation over them: of a single
    one it is chance which is the larger. Features are (M, D) of samples and (N, D) of photographs and of the same
    coarsened.
    """
    found: dict[str, list[float]] = {"samples": [], "coarsened": [], "half": []}
    for seed in range(count):
        one, other = halves(len(test), seed)
        for name, side in (("samples", samples), ("coarsened", coarse[other]), ("half", test[other])):
            found[name].append(kernel_distance(side, test[one]))
    means = {f"kid_{name}": fmean(values) for name, values in found.items()}
    return means | {f"kid_{name}_deviation": stdev(values) for name, values in found.items()}


def coarsened(pictures: Tensor, side: int = 32) -> Tensor:
    """Return uint8 pictures (N, 3, S, S) reduced to ``side`` pixels and enlarged again, bicubic, rounded both times."""
    return to_bytes(resized(to_bytes(resized(pictures, side)), pictures.shape[-1]))
