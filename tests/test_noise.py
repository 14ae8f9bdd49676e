"""The noise regularisation against published values and automatic differentiation."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.inversion.noise import (
    autocorrelation_gradient,
    autocorrelation_loss,
    draw_rolls,
    kl_gradient,
    kl_loss,
    pooling_levels,
    regularise,
    rolled,
)

SHAPES = [(64, 64), (32, 32), (16, 24), (24, 16), (17, 23), (9, 40), (33, 12), (8, 8), (5, 7), (10, 10)]


@pytest.fixture
def field() -> Tensor:
    """Return the field of the unit vectors: sin(0.1 (c + 1) i + 0.07 j) + 0.3 cos(0.05 i j), (1, 4, 64, 64)."""
    c, i, j = (torch.arange(n, dtype=torch.float64) for n in (4, 64, 64))
    c, i, j = c[:, None, None], i[None, :, None], j[None, None, :]
    return (torch.sin(0.1 * (c + 1) * i + 0.07 * j) + 0.3 * torch.cos(0.05 * i * j))[None]


def same_for_all(*rolls: int) -> Tensor:
    """Return one offset per pooling level, the same for four channels: (levels, 4)."""
    return torch.tensor(rolls)[:, None].expand(-1, 4)


def close(value: float | Tensor, published: float, digits: int = 12) -> bool:
    """Tell whether ``value`` rounds to the published decimal number of that many significant digits."""
    return float(value) == pytest.approx(published, rel=10.0 ** (1 - digits))


def test_field(field: Tensor):
    assert close(field.mean(), 0.012017020235, 11) and close(field.var(), 0.550552206140)


def test_autocorrelation_of_the_field(field: Tensor):
    rolls = same_for_all(1, 1, 1, 1)
    gradient = autocorrelation_gradient(field, rolls)
    assert close(autocorrelation_loss(field, rolls), 4.909553478993)
    assert close(gradient.norm(), 2.223085315678e-1) and close(gradient[0, 0, 0, 0], 4.197325051918e-4)
    rolls = same_for_all(7, 5, 3, 2)
    gradient = autocorrelation_gradient(field, rolls)
    assert close(autocorrelation_loss(field, rolls), 2.295816292165)
    assert close(gradient.norm(), 1.059138148632e-1) and close(gradient[0, 3, 10, 20], -7.444840031352e-4)


def test_kl_of_the_field(field: Tensor):
    assert close(kl_loss(field), 0.147529926554) and close(kl_gradient(field).norm(), 9.466698525127e-3)


def test_five_rounds_on_the_field(field: Tensor):
    rolls = same_for_all(7, 5, 3, 2).expand(5, 5, 4, 4)
    eps = regularise(field, rolls, 20.0, 20.0)
    assert close(field[0, 1, 2, 3], 0.859468406838) and close(eps[0, 1, 2, 3], 0.825684149294)
    assert close(eps.mean(), 0.011494437659, 11) and close(eps.var(), 0.470766292550)
    assert close(regularise(field, rolls, 0.0, 20.0).var(), 0.561429607030)
    assert torch.equal(regularise(field, rolls, 0.0, 0.0), field)


def oracle(eps: Tensor, offset: Tensor) -> Tensor:
    """Return the autocorrelation loss of one picture (C, H, W), channel by channel and level by level."""
    total = eps.new_zeros(())
    for channel, plane in enumerate(eps):
        n, k = plane[None, None], 0
        while True:
            for axis in (2, 3):
                total = total + (n * n.roll(int(offset[k, channel]), axis)).mean() ** 2
            if n.shape[2] <= 8:
                break
            n, k = F.avg_pool2d(n, 2), k + 1
    return total


@pytest.mark.parametrize("shape", SHAPES)
def test_closed_forms_are_the_gradients(shape: tuple[int, int]):
    """With own offsets per channel and level, also where a side is odd or the picture is not square."""
    generator = torch.Generator().manual_seed(sum(shape))
    eps = torch.randn(2, 3, *shape, dtype=torch.float64, generator=generator).requires_grad_()
    offset = draw_rolls(1, 1, shape[0], 3, [generator])[0, 0, :, 0]
    losses = torch.stack([oracle(picture, offset) for picture in eps])
    assert torch.allclose(autocorrelation_loss(eps, offset), losses, rtol=1e-12, atol=0)
    (expected,) = torch.autograd.grad(losses.sum(), eps)
    assert torch.allclose(autocorrelation_gradient(eps.detach(), offset), expected, rtol=1e-10, atol=1e-15)
    (expected,) = torch.autograd.grad(kl_loss(eps).sum(), eps)
    assert torch.allclose(kl_gradient(eps.detach()), expected, rtol=1e-10, atol=1e-15)


def test_every_channel_is_rolled_by_its_own_offset():
    x = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    for axis in (2, 3):
        ours = rolled(x, torch.tensor([0, 2, -3]), axis)
        expected = [x[:, c].roll(r, axis - 1) for c, r in enumerate((0, 2, -3))]
        assert torch.equal(ours, torch.stack(expected, 1))


def test_pooling_stops_after_eight_rows():
    assert pooling_levels(64) == [64, 32, 16, 8]
    assert pooling_levels(17) == [17, 8] and pooling_levels(8) == [8] and pooling_levels(18) == [18, 9, 4]


@pytest.mark.parametrize("height", [8, 16, 17, 64])
def test_offsets_are_never_zero_and_stay_below_half(height: int):
    rolls = draw_rolls(200, 5, height, 4, [torch.Generator().manual_seed(0)])
    levels = pooling_levels(height)
    assert rolls.shape == (200, 5, len(levels), 1, 4)
    for k, size in enumerate(levels):
        assert set(rolls[:, :, k].flatten().tolist()) == set(range(1, size // 2))


def test_tiny_latents_have_an_offset_too():
    assert draw_rolls(3, 2, 2, 4, [torch.Generator().manual_seed(0)]).eq(1).all()


def test_pictures_do_not_see_each_other():
    generator = torch.Generator().manual_seed(3)
    eps = torch.randn(3, 4, 16, 16, dtype=torch.float64, generator=generator)
    eps = eps * torch.tensor([0.5, 1, 2])[:, None, None, None]
    rolls = draw_rolls(5, 5, 16, 4, [generator])
    single = torch.cat([regularise(one, rolls, 20.0, 20.0) for one in eps.split(1)])
    assert torch.allclose(regularise(eps, rolls, 20.0, 20.0), single, rtol=0, atol=1e-12)


def test_regularisation_whitens():
    """Each part lowers its own loss, at the strength of the paper, on correlated noise of too small variance."""
    generator = torch.Generator().manual_seed(4)
    white = torch.randn(1, 4, 66, 66, dtype=torch.float64, generator=generator)
    eps = F.avg_pool2d(white, 3, stride=1)
    rolls, ones = draw_rolls(5, 5, 64, 4, [generator]), same_for_all(1, 1, 1, 1)
    assert autocorrelation_loss(regularise(eps, rolls, 20.0, 0.0), ones) < autocorrelation_loss(eps, ones)
    assert kl_loss(regularise(eps, rolls, 0.0, 20.0)) < kl_loss(eps)
