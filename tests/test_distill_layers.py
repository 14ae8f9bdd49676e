"""Layers of students against their published equations, written out naively."""

import math

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.upsampling import Upsample2D

from zeroshift.distillation.comod import CoModulated, Discriminator, widths_of
from zeroshift.distillation.enlarging import Enlarging
from zeroshift.distillation.parts import Modulated as Film
from zeroshift.distillation.residual import Residual
from zeroshift.distillation.stylegan import FILTER, Conv, Dense, Mapping, Modulated, blurred, doubled, spread_within
from zeroshift.distillation.trunk import Trunk
from zeroshift.evaluation.imagenet import open_network
from zeroshift.miniature.training.adversary import Adversary, adversarys_loss, penalty, students_loss
from zeroshift.miniature.training.decoder import ImageNetFeatures


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_modulated_convolution_is_each_pictures_own():
    """StyleGAN2, equations 1 and 3, picture by picture with weights of its own."""
    layer = Modulated(5, 7, 6).double()
    x, style = torch.randn(3, 5, 8, 8).double(), torch.randn(3, 6).double()
    scales = style @ (layer.style.weight / math.sqrt(6)).T + layer.style.bias
    for one, scale, found in zip(x, scales, layer(x, style), strict=True):
        weight = layer.weight / math.sqrt(5 * 9) * scale[None, :, None, None]
        for n, own in enumerate(weight):
            demodulated = own / torch.sqrt(own.square().sum() + 1e-8)
            close(found[n], F.conv2d(one[None], demodulated[None], padding=1)[0, 0])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_an_enlargement_and_its_convolution_are_one_transposed_convolution(layout):
    """Against diffusers' two layers, also at borders, of which a picture of one row has most."""
    both = Upsample2D(5, use_conv=True, out_channels=7).double()
    one = Enlarging(both.conv).to(memory_format=layout)
    for height, width in ((6, 9), (1, 4)):
        x = torch.randn(2, 5, height, width).double()
        close(one(x), both(x))
    assert not one.weight.requires_grad


def test_without_demodulation_weights_are_only_scaled():
    layer = Modulated(5, 3, 6, 1, demodulate=False).double()
    x, style = torch.randn(2, 5, 4, 4).double(), torch.randn(2, 6).double()
    weight = layer.weight[:, :, 0, 0] / math.sqrt(5)
    close(layer(x, style), torch.einsum("oi,bi,bihw->bohw", weight, layer.style(style), x))


def up_and_filtered(x, up, before, after, down=1):
    """Upfirdn as it is defined: zeros between, zeros around, the filter at every place, every ``down``-th kept."""
    length = len(x) * up
    spread = torch.zeros(length).double()
    spread[::up] = x
    padded = torch.cat([torch.zeros(before).double(), spread, torch.zeros(after).double()])
    line = torch.tensor(FILTER).double()
    line = line / line.sum() * up
    return torch.stack([(padded[k : k + 4] * line.flip(0)).sum() for k in range(0, len(padded) - 3, down)])


def test_sizes_change_as_stylegan2_changes_them():
    line = torch.randn(6).double()
    square = torch.outer(line, line)[None, None]
    one = up_and_filtered(line, 2, 2, 1)  # upsample_2d: pads (p + 1) // 2 + 1 and p // 2 of p = 2
    close(doubled(square)[0, 0], torch.outer(one, one))
    other = up_and_filtered(line, 1, 2, 2)
    close(blurred(square, 2, 2)[0, 0], torch.outer(other, other))


def test_a_shrinking_convolution_strides_over_the_filtered_map():
    for width, before, after in ((3, 2, 2), (1, 1, 1)):  # conv_downsample_2d: p = 4 - 2 + width - 1
        layer, x = Conv(2, 3, width, down=2).double(), torch.randn(1, 2, 8, 8).double()
        weight = layer.weight / math.sqrt(2 * width**2)
        wide = F.conv2d(blurred(x, before, after), weight, layer.bias)
        close(layer(x), wide[..., ::2, ::2])
        assert layer(x).shape == (1, 3, 4, 4)


def test_a_dense_layers_rate_scales_its_steps_and_nothing_else():
    layer = Dense(300, 200, rate=0.01)
    found = layer(torch.randn(500, 300))
    assert float(found.detach().std()) == pytest.approx(1, abs=0.02)
    (slope,) = torch.autograd.grad(found.sum(), layer.bias)
    torch.testing.assert_close(slope, torch.full((200,), 0.01 * 500))


def test_mapping_sees_directions_of_latents_alone_and_remembers_their_mean():
    mapping, z = Mapping(8, 8, 3), torch.randn(64, 8)
    torch.testing.assert_close(mapping(z, 64), mapping(3 * z, 64), rtol=1e-4, atol=1e-6)
    for _ in range(3):
        styles = mapping(z, 64)
    torch.testing.assert_close(mapping(None, 2), (1 - 0.995**5) * styles.mean(0).expand(2, -1))


def test_deviation_within_groups():
    x = torch.randn(6, 3, 2, 2)
    found = spread_within(x, 4)  # six are no groups of four: two groups of three, every second picture
    for n in range(2):
        group = x[n::2]
        deviation = ((group - group.mean(0)).square().mean(0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(found[n::2, 3], deviation.expand(3, 2, 2))
    assert torch.equal(found[:, :3], x)


def test_penalty_is_the_squared_gradient():
    """R1 of the whole discriminator against finite differences in float64."""
    judge = Discriminator(32, 2).double()
    x, y = torch.randn(2, 3, 32, 32).double(), torch.randn(2, 3, 32, 32).double().requires_grad_(True)
    found = penalty(judge(x, y), [y])
    way = torch.autograd.grad(judge(x, y).sum(), y)[0].detach()
    unit, step = way / way.norm(), 1e-5
    with torch.no_grad():
        slope = (judge(x, y + step * unit).sum() - judge(x, y - step * unit).sum()) / (2 * step)
    assert float(found.detach()) == pytest.approx(float(slope) ** 2 / 2, rel=1e-6)  # the mean of two pictures
    assert torch.autograd.grad(found, judge.verdict.weight)[0].abs().sum() > 0  # it can be learned from


def test_relativistic_losses():
    real, made = torch.randn(4, 3), torch.randn(4, 3)
    apart = [float(r - m) for r, m in zip(real.flatten(), made.flatten(), strict=True)]
    sides = [(math.log1p(math.exp(-one)), math.log1p(math.exp(one))) for one in apart]
    assert float(adversarys_loss(real, made)) == pytest.approx(sum(a for a, _ in sides) / 12, rel=1e-5)
    assert float(students_loss(real, made)) == pytest.approx(sum(b for _, b in sides) / 12, rel=1e-5)


def test_adversary_judges_for_a_target_and_projects_with_fixed_weights():
    judge = Adversary((4, 5), 2)
    maps = [torch.randn(3, 4, 8, 8), torch.randn(3, 5, 4, 4)]
    mixed = judge.projected(maps)
    assert [one.shape for one in mixed] == [(3, 64, 8, 8), (3, 64, 4, 4)]
    zeros, ones = judge(mixed, torch.zeros(3).long()), judge(mixed, torch.ones(3).long())
    assert zeros.shape == (3, 2) and not torch.allclose(zeros, ones)
    assert all(name.startswith("heads") for name, p in judge.named_parameters() if p.requires_grad)


def test_a_block_begins_as_the_identity():
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(Film(16, 8)(x, torch.randn(2, 8)), x)


@pytest.mark.parametrize("size", [32, 48])
def test_residual_student_is_the_photograph_at_nothing(size):
    student = Residual([["cat", "dog"], ["dog", "cat"]], widths=(8, 32), blocks=(1, 1), told=8)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x, zero = torch.rand(2, 3, size, size) * 2 - 1, torch.zeros(2)
    first, second = torch.tensor([0, 0]), torch.tensor([1, 1])
    assert torch.equal(student(x, first, zero), x)
    whole, half = student(x, first, zero + 1), student(x, first, zero + 0.5)
    assert not torch.allclose(whole, half) and not torch.allclose(whole, student(x, second, zero + 1))
    g, where = student.parts(x, first, zero + 1)
    m = where.sigmoid()
    torch.testing.assert_close(whole, m * g + (1 - m) * x)


def test_comodulated_student():
    student = CoModulated([["cat", "dog"], ["dog", "cat"]], 32, 8, 8, 2)
    x, direction, whole = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([0, 0]), torch.ones(2)
    z = torch.randn(2, 8)
    made = student(x, direction, whole, z)
    assert made.shape == x.shape
    student.eval()
    assert torch.equal(student(x, direction, whole), student(x, direction, whole))
    told = [student(x, direction, whole), student(x, direction + 1, whole), student(x, direction, whole / 2)]
    told += [student(x.flip(-1), direction, whole), student(x, direction, whole, z)]
    assert all(not torch.allclose(a, b) for n, a in enumerate(told) for b in told[:n])
    with pytest.raises(ValueError, match="32, 64, 128, 256 or 512 pixels, not 48"):
        CoModulated([["cat", "dog"]], 48)


def test_widths_of_comodulated_students():
    assert widths_of(512, 512) == [512, 512, 512, 512, 256, 128, 64, 32]
    assert widths_of(32, 8) == [8, 8, 8, 8]


@pytest.mark.parametrize("side", [64, 96])
def test_a_trunk_sees_what_its_network_sees(side):
    network, trunk = ImageNetFeatures((0, 2, 4, 10, 14)), Trunk(5)
    trunk.learned(open_network(0))
    x = torch.rand(2, 3, side, side) * 2 - 1
    with torch.no_grad():
        for own, other in zip(trunk(x), network(x), strict=True):
            torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
