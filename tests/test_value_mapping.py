"""The mapping network of StyleDiffusion, and the terms that it is trained by."""

from math import log, sqrt

import pytest
import torch

from tests.runs import apart
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.sites import Site
from zeroshift.inversion import ValueEmbedding
from zeroshift.inversion.fitting import DISTANCES, entropy
from zeroshift.inversion.mapping import draw_network, network_learner
from zeroshift.inversion.shortened import iterations
from zeroshift.inversion.value_embedding import quarter_layers


def test_counts_and_sizes_are_the_papers():
    assert [iterations(ValueEmbedding(), steps) for steps in (30, 50)] == [1015, 1071]
    assert sum(p.numel() for p in draw_network(197, 154, 154, 1, 0)) == 78_540


def test_weights_begin_as_torchs_do():
    """Uniform within one over the root of the inputs, the same for the same seed."""
    first, again, other = (draw_network(100, 40, 40, 1, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)) and not torch.equal(first[0], other[0])
    assert 0.099 < first[0].abs().max() <= 0.1 and 0.15 < first[2].abs().max() <= 1 / sqrt(40)


def test_pictures_begin_with_the_same_network_and_see_their_own_tokens():
    tokens = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0)).double()
    learner = network_learner(tokens, 3, "affine", 1, [0, 0])
    scale, shift = learner.read(learner.start, torch.arange(2))
    assert scale.shape == shift.shape == (2, 3, 8) and apart(scale[0], scale[1]) > 0.1
    alone = learner.read(tuple(p[1:] for p in learner.start), torch.tensor([1]))
    assert apart(alone[0][0], scale[1]) <= 1e-12


def test_distances_and_entropy_by_hand():
    x = torch.tensor([[[1.0, -2.0], [3.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]).double().requires_grad_()
    values = {name: distance(x) for name, distance in DISTANCES.items()}
    assert {name: v[0].item() for name, v in values.items()} == pytest.approx({"mse": 3.5, "l1": 1.5, "l2": sqrt(3.5)})
    gradient = torch.autograd.grad(values["l2"].sum(), x)[0]
    assert gradient.isfinite().all() and not gradient[1].any()
    maps = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]).double()[:, None, None].requires_grad_()
    assert entropy(maps).tolist() == pytest.approx([log(2), 0.0])
    assert torch.autograd.grad(entropy(maps).sum(), maps)[0].isfinite().all()


def test_maps_are_compared_at_a_quarter_of_the_latents_side_or_the_next_that_there_is():
    def sites(*places: tuple[str, int]) -> tuple[Site, ...]:
        return tuple(Site(f"{k}", "cross", stage, scale, k) for k, (stage, scale) in enumerate(places))

    sd = sites(("down", 1), ("down", 2), ("down", 4), ("down", 4), ("mid", 8), ("up", 4), ("up", 2), ("up", 1))
    assert sorted(site.order for site in quarter_layers(sd)) == [2, 3, 5]
    small = sites(("down", 1), ("down", 2), ("mid", 4), ("up", 4), ("up", 2), ("up", 1))
    assert sorted(site.order for site in quarter_layers(small)) == [1, 4]
    with pytest.raises(Unsupported, match="turn it off: `attention_weight` 0"):
        quarter_layers(sites(("down", 2), ("mid", 4), ("up", 4)))
