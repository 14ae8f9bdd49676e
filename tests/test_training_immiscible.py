"""Noise that is handed out to the pictures that it lies near."""

from itertools import permutations

import numpy as np
import pytest
import torch

from zeroshift.miniature.training.immiscible import assignment, handed_out


def total(costs, columns):
    return costs[np.arange(len(costs)), columns].sum()


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_no_other_order_costs_less(count):
    """Against all orders, with costs that are alike among them."""
    rng = np.random.default_rng(count)
    for costs in (rng.normal(size=(count, count)), rng.integers(-3, 3, (count, count)).astype(float)):
        least = min(total(costs, list(order)) for order in permutations(range(count)))
        columns = assignment(costs)
        assert sorted(columns) == list(range(count))
        assert total(costs, columns) == pytest.approx(least)


def test_of_many_no_exchange_in_a_ring_costs_less():
    """An assignment is least exactly where no ring of exchanges has a negative sum (Klein 1967), of any length."""
    costs = np.random.default_rng(0).normal(size=(40, 40))
    columns = assignment(costs)
    gains = costs[:, columns] - np.diag(costs[:, columns])[:, None]  # of taking another row's column
    for through in range(40):  # shortest ways (Floyd 1962): the way from a row back to itself is a ring
        gains = np.minimum(gains, gains[:, through, None] + gains[through])
    assert np.diag(gains).min() > -1e-9


def test_noises_are_the_same_ones_and_nearer_to_their_latents():
    torch.manual_seed(0)
    noise, latents = torch.randn(6, 2, 4, 4), 0.5 * torch.randn(6, 2, 4, 4)
    given = handed_out(noise, latents)
    assert given.flatten(1).sort(0).values.equal(noise.flatten(1).sort(0).values)
    sums = [(noise[list(order)] - latents).square().sum().item() for order in permutations(range(6))]
    assert (given - latents).square().sum().item() == pytest.approx(min(sums))
    assert handed_out(noise, 3 * noise[[4, 1, 0, 2, 5, 3]]).equal(noise[[4, 1, 0, 2, 5, 3]])
