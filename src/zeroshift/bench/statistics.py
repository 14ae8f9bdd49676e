"""What figures of single edits say about methods: means with intervals, paired differences, tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """A mean over items."""

    value: float
    low: float
    high: float
    """ends of the interval; those of one item, and of none, are NaN"""
    count: int
    """items that have the figure"""


@dataclass(frozen=True)
class Difference:
    """One entry's figure less another's, over the items that both have."""

    mean: Mean
    p: float | None = None
    """of McNemar's exact test, where the figure is success or none"""


def mean_of(values: Sequence[float], seed: int = 0) -> Mean:
    """The mean of what is defined, with the percentile bootstrap's 95 % interval over items (Efron 1979)."""
    known = np.array([value for value in values if not math.isnan(value)], np.float64)
    if not len(known):
        return Mean(math.nan, math.nan, math.nan, 0)
    bounded = len(known) > 1 and bool(np.isfinite(known).all())  # PSNR of equal pictures is infinite
    low, high = interval(known, seed) if bounded else (math.nan, math.nan)
    return Mean(float(known.mean()), low, high, len(known))


def interval(values: Values, seed: int = 0) -> tuple[float, float]:
    """Ends of the percentile bootstrap's interval of the mean of at least two values."""
    rng = np.random.default_rng(seed)
    per = max(1, 2_000_000 // len(values))  # as many draws at a time as memory holds easily
    means = [
        values[rng.integers(0, len(values), (min(per, DRAWS - k), len(values)))].mean(1) for k in range(0, DRAWS, per)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def difference(one: Sequence[float], other: Sequence[float], *, success: bool = False, seed: int = 0) -> Difference:
    """The mean of ``one`` - ``other`` over items, rows corresponding; with ``success`` also McNemar's test."""
    both = [(a, b) for a, b in zip(one, other, strict=True) if math.isfinite(a) and math.isfinite(b)]
    mean = mean_of([a - b for a, b in both], seed)
    return Difference(mean, mcnemar([a > 0 for a, _ in both], [b > 0 for _, b in both]) if success else None)


def mcnemar(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Two-sided p of McNemar's exact test that both succeed equally often (McNemar 1947), 1 where they never differ."""
    wins = sum(a and not b for a, b in zip(one, other, strict=True))
    losses = sum(b and not a for a, b in zip(one, other, strict=True))
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(min(wins, losses) + 1))
    return min(1.0, math.ldexp(2 * tail, -n))
