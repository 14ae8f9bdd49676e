"""Random numbers: a seed and a generator for every picture, so that none depends on what a picture is batched with."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zeroshift.options.errors import given


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One generator per seed, on the CPU, so that the device changes no number."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def normal_noise(shape: Sequence[int], drawn_by: Sequence[torch.Generator]) -> Tensor:
    """Standard normal noise (B, *shape), each picture's from its own generator."""
    return torch.stack([torch.randn(*shape, generator=generator) for generator in drawn_by])


def random_start(shape: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Standard normal latents (B, *shape), one per seed."""
    return normal_noise(shape, generators(seeds))


def check_seeds(seeds: Sequence[int], rows: Sequence[object]) -> None:
    """Refuse seeds that are no whole numbers from 0 to 2^63 - 1, or as many as a batch has rows.

    Raises:
        ValueError: one is none, or there are more or fewer.
    """
    if isinstance(seeds, (str, bytes)) or not isinstance(seeds, Sequence):
        raise ValueError(f"There is one seed for each picture, as in [0, 1, 2], not {given(seeds)}.")
    for seed in seeds:
        if type(seed) is not int or not 0 <= seed < 2**63:
            raise ValueError(f"A seed is a whole number from 0 to {2**63 - 1}, not {given(seed)}.")
    if len(seeds) != len(rows):
        raise ValueError(f"There are {len(seeds)} seeds for {len(rows)} pictures; give one seed for each.")
