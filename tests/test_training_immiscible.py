"""Noise that is handed out to the pictures that it lies near."""

from itertools import permutations

import pytest
import torch

pytest.importorskip("scipy")

from zeroshift.miniature.training.immiscible import handed_out


def test_noises_are_the_same_ones_and_nearer_to_their_latents():
    torch.manual_seed(0)
    noise, latents = torch.randn(6, 2, 4, 4), 0.5 * torch.randn(6, 2, 4, 4)
    given = handed_out(noise, latents)
    assert given.flatten(1).sort(0).values.equal(noise.flatten(1).sort(0).values)
    sums = [(noise[list(order)] - latents).square().sum().item() for order in permutations(range(6))]
    assert (given - latents).square().sum().item() == pytest.approx(min(sums))
    assert handed_out(noise, 3 * noise[[4, 1, 0, 2, 5, 3]]).equal(noise[[4, 1, 0, 2, 5, 3]])
