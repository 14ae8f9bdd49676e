"""Kernel distance, return from inversion, and neighbours, against plain loops."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.embedding import Embedding
from zeroshift.evaluation.kernel_distance import halves, kernel_distance, over_halvings
from zeroshift.image.tensors import to_bytes
from zeroshift.miniature.quality.inversion import returned
from zeroshift.miniature.quality.looked_at import coarsened
from zeroshift.miniature.quality.neighbours import beside, nearest


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def looped(x: Tensor, y: Tensor) -> float:
    """Binkowski et al., Eq. 4 with their kernel, one pair of pictures at a time."""
    dims = x.shape[1]

    def kernel(a: Tensor, b: Tensor) -> float:
        return (sum(p * q for p, q in zip(a.tolist(), b.tolist(), strict=True)) / dims + 1) ** 3

    m, n = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a in x for b in y) / (m * n)


def test_kernel_distance_is_the_formula() -> None:
    x, y = random(5, 6), random(8, 6, seed=1) + 0.5
    assert kernel_distance(x, y) == pytest.approx(looped(x, y), rel=1e-12)
    assert kernel_distance(x.float(), y.float()) == pytest.approx(looped(x, y), rel=1e-5)


def test_kernel_distance_is_torchmetrics_one_where_that_is_defined() -> None:
    """Its own takes sets of one size."""
    kid = pytest.importorskip("torchmetrics.image.kid")
    x, y = random(7, 5), random(7, 5, seed=1) * 2
    assert kernel_distance(x, y) == pytest.approx(float(kid.poly_mmd(x, y)), rel=1e-12)


def test_kernel_distance_of_one_distribution_is_zero_on_average() -> None:
    draws = [kernel_distance(random(20, 4, seed=2 * k), random(20, 4, seed=2 * k + 1)) for k in range(200)]
    mean = sum(draws) / len(draws)
    deviation = math.sqrt(sum((d - mean) ** 2 for d in draws) / len(draws) / (len(draws) - 1))
    assert min(draws) < 0 < max(draws)
    assert abs(mean) < 3 * deviation


def test_kernel_distance_needs_two_pictures() -> None:
    with pytest.raises(ValueError, match="two pictures on each side, not 1 and 3"):
        kernel_distance(random(1, 2), random(3, 2))


def test_halves_share_nothing_and_are_the_same_every_time() -> None:
    one, other = halves(11)
    assert sorted([*one.tolist(), *other.tolist()]) == list(range(11))
    assert len(one) == 5
    assert torch.equal(one, halves(11)[0])
    assert one.tolist() != sorted(one.tolist())


def test_kernel_distances_are_averaged_over_halvings() -> None:
    samples, test, coarse = random(5, 4), random(9, 4, seed=1), random(9, 4, seed=2)
    found = over_halvings(test, {"coarsened": coarse}, {"samples": samples}, count=3)
    draws: dict[str, list[float]] = {"samples": [], "coarsened": [], "photographs": []}
    for seed in range(3):
        order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
        one, other = order[:4], order[4:]
        for name, side in (("samples", samples), ("coarsened", coarse[other]), ("photographs", test[other])):
            draws[name].append(looped(side, test[one]))
    for name, values in draws.items():
        mean = sum(values) / 3
        deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 2)
        assert found[name] == pytest.approx((mean, deviation))
        assert len(set(values)) == 3
    assert len(found) == 3


def test_coarsening_keeps_what_is_wide_and_loses_what_is_fine() -> None:
    fine = ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255).to(torch.uint8).expand(1, 3, 64, 64)
    wide = (torch.arange(64) // 32 * 255).to(torch.uint8).expand(1, 3, 64, 64)
    assert (coarsened(fine)[..., 4:-4, 4:-4].int() - 127).abs().max() < 5
    assert (coarsened(wide).float() - wide).abs().mean() < 6
    assert torch.equal(coarsened(wide, side=64), wide)


def noise_in(model: StableDiffusion, x: Tensor, t: int, tokens: Tensor, level: Tensor) -> Tensor:
    """The noise of ``x`` at ``level`` by what the network says at ``t``: noise itself, or a velocity of its own level.

    The latter are two equations in clean part and noise (Salimans and Ho 2022, appendix D).
    """
    out = model.predict(x, t, Embedding(tokens))
    if model.scheduler.config.prediction_type == "epsilon":
        return out
    told = model.scheduler.alphas_cumprod.double()[t]
    rows = torch.stack([level.sqrt(), (1 - level).sqrt(), -(1 - told).sqrt(), told.sqrt()]).view(2, 2)
    _, noise = torch.linalg.solve(rows, torch.stack([x, out]).flatten(1))
    return noise.view_as(x)


def looped_return(model: StableDiffusion, x: Tensor, caption: str, steps: int) -> Tensor:
    """DDIM up and down (Song et al. 2021, section 4.3), asked at the level reached on the way up."""
    alphas, stride = model.scheduler.alphas_cumprod.double(), 1000 // steps
    times, tokens = [1 + stride * k for k in range(steps)], model.embed([caption]).tokens

    def move(x: Tensor, eps: Tensor, left: Tensor, reached: Tensor) -> Tensor:
        return reached.sqrt() * (x - (1 - left).sqrt() * eps) / left.sqrt() + (1 - reached).sqrt() * eps

    level = alphas[0]
    for t in times:
        x, level = move(x, noise_in(model, x, t, tokens, level), level, alphas[t]), alphas[t]
    for t in reversed(times):
        lower = alphas[t - stride] if t > stride else alphas[0]
        x = move(x, noise_in(model, x, t, tokens, alphas[t]), alphas[t], lower)
    return x


@torch.no_grad()
def test_returned_pictures_are_the_loops(backbone: StableDiffusion) -> None:
    draw, size = torch.Generator().manual_seed(0), backbone.size
    pictures = torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8, generator=draw)
    captions = ["a photo of a cat", "a photo of a dog", "a cat"]
    back, alone = (torch.cat(x) for x in zip(*returned(backbone, pictures, captions, steps=4, batch=2), strict=True))
    assert back.dtype == alone.dtype == torch.uint8
    for k, caption in enumerate(captions):
        x0 = backbone.encode(pictures[k : k + 1].float() / 127.5 - 1)
        latents = looped_return(backbone, x0, caption, 4)
        for found, x in ((back, latents), (alone, x0)):
            expected = to_bytes((backbone.decode(x) + 1) * 127.5)
            assert (found[k : k + 1].int() - expected.int()).abs().max() <= 1
    assert not torch.equal(back, alone)


def wide(count: int, seed: int) -> Tensor:
    """Return uint8 pictures (N, 3, 64, 64) of soft blots, each with a little of one blot that all have."""
    draw = torch.Generator().manual_seed(seed)
    blots = torch.rand(count, 3, 8, 8, generator=draw) + torch.rand(8, 8, generator=draw.manual_seed(9))
    return to_bytes(F.interpolate(blots, (64, 64), mode="bicubic").clamp(0, 2) * 127.5)


def test_likeness_is_the_larger_correlation_of_both_orientations() -> None:
    draw = torch.Generator().manual_seed(0)
    x, among = (torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=draw) for n in (4, 9))
    values, positions = nearest(x, among, 3)
    for k, picture in enumerate(x.numpy()):
        likeness = [
            max(np.corrcoef(side.ravel(), other.ravel())[0, 1] for side in (picture, picture[..., ::-1]))
            for other in among.numpy()
        ]
        order = sorted(range(9), key=lambda n: -likeness[n])[:3]
        assert positions[k].tolist() == order
        assert values[k].tolist() == pytest.approx([likeness[n] for n in order], abs=1e-5)
    assert nearest(x, among[:2])[1].shape == (4, 2)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_copy_finds_what_it_copies_also_softened_and_mirrored(mirrored: bool) -> None:
    train, others = wide(20, seed=1), wide(5, seed=2)
    copies = to_bytes(F.avg_pool2d(train[:5].float(), 5, 1, 2, count_include_pad=False) * 0.9 + 10)
    values, positions = nearest(copies.flip(-1) if mirrored else copies, train)
    assert positions[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert values[:, 0].min() > 0.98 > 0.9 > nearest(others, train)[0].max()


def test_a_sample_stands_before_its_neighbours() -> None:
    samples, pictures = torch.tensor([10, 20]), torch.arange(5)
    tiles = [x[:, None, None, None].expand(-1, 3, 1, 1) for x in (samples, pictures)]
    row = beside(tiles[0], tiles[1], torch.tensor([[4, 0], [1, 2]]))
    assert row[:, 0, 0, 0].tolist() == [10, 4, 0, 20, 1, 2]
