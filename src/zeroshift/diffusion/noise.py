"""Random numbers: a seed and a generator for every picture, so that none depends on what a picture is batched with."""

from collections.abc import Sequence

import torch
from torch import Tensor


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
    """Refuse a number of seeds that is not the number of rows of a batch.

    Raises:
        ValueError: it is not.
    """
    if len(seeds) != len(rows):
        raise ValueError(f"There are {len(seeds)} seeds for {len(rows)} pictures; give one seed for each.")
