"""What figures of single edits say about methods: means with intervals, paired differences, tests."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

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
    """ends of the 95 % interval; NaN where there is none: of no item, and of one unless it is a success"""
    count: int
    """items that have the figure"""


@dataclass(frozen=True)
class Difference:
    """One entry's figure less another's, over the items that both have."""

    mean: Mean
    """of success with the interval of Tango's score, of all else with the bootstrap's"""
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


def share_of(hits: Sequence[float]) -> Mean:
    """The share of items that succeed (1, 0, or NaN where one does not count), with Wilson's interval (1927).

    A bootstrap of items that all succeed knows of no other: its interval is a point however few they are.
    """
    known = [hit for hit in hits if not math.isnan(hit)]
    if not known:
        return Mean(math.nan, math.nan, math.nan, 0)
    n, share, square = len(known), sum(known) / len(known), _z(LEVEL) ** 2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = math.sqrt(square * (share * (1 - share) + square / (4 * n)) / n) / (1 + square / n)
    return Mean(share, max(0.0, middle - half), min(1.0, middle + half), n)


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
    if not success or not both:
        return Difference(mean)
    won, lost = [a > 0 for a, _ in both], [b > 0 for _, b in both]
    return Difference(Mean(mean.value, *paired_interval(won, lost), mean.count), mcnemar(won, lost))


def paired_interval(one: Sequence[bool], other: Sequence[bool], level: float = LEVEL) -> tuple[float, float]:
    """Ends of the interval of how much more often ``one`` succeeds than ``other``, rows corresponding.

    By the score test of paired proportions (Tango 1998, Statistics in Medicine 17, 891-908): between the differences
    that it does not reject. Where the two never differ it is as wide as so few items allow, z² / (n + z²) either way.
    The lower bound at 95 % alone is that of ``level`` 0.9.

    Raises:
        ValueError: there are no items.
    """
    if not one:
        raise ValueError("There is no interval without items; give one or more.")
    wins, losses = (sum(a and not b for a, b in zip(x, y, strict=True)) for x, y in ((one, other), (other, one)))
    z, score = _z(level), partial(_score, wins, losses, len(one))
    return _where(score, z), _where(score, -z)


def _score(wins: int, losses: int, n: int, apart: float) -> float:
    """Tango's statistic of the hypothesis that the proportions are ``apart``, -1 < apart < 1; it falls with that."""
    b, c = (2 * n - wins + losses) * apart - wins - losses, -losses * apart * (1 - apart)
    only_other = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)  # its share, likeliest under the hypothesis
    variance = n * (2 * only_other + apart * (1 - apart))
    above = wins - losses - n * apart
    if not above:
        return 0.0
    return above / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, above)


def _where(falling: Callable[[float], float], value: float) -> float:
    """Where a function falls to a value between -1 and 1, by halving; an end where it does nowhere."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return (low + high) / 2


def _z(level: float) -> float:
    """How many standard deviations to either side hold a share of a normal distribution."""
    return NormalDist().inv_cdf((1 + level) / 2)


def mcnemar(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Two-sided p of McNemar's exact test that both succeed equally often (McNemar 1947), 1 where they never differ."""
    wins = sum(a and not b for a, b in zip(one, other, strict=True))
    losses = sum(b and not a for a, b in zip(one, other, strict=True))
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(min(wins, losses) + 1))
    return min(1.0, math.ldexp(2 * tail, -n))
