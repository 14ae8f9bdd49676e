"""Layers of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958) in plain torch, without kernels of their own.

Weights are drawn from a unit normal and scaled where they are used, so that all learn at one rate (section 2.1 and
appendix B there; Karras et al. 2018, section 4.1).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GAIN = math.sqrt(2)
"""of a leaky ReLU, so that it keeps the variance"""
FILTER = (1.0, 3.0, 3.0, 1.0)
"""low-pass filter of all changes of size"""


def active(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 that keeps the variance."""
    return F.leaky_relu(x, 0.2) * GAIN


def doubled(x: Tensor) -> Tensor:
    """Maps (B, C, H, W) at twice the size: zeros between places, then the low-pass filter with gain 4."""
    channels, wide = x.shape[1], 4 * kernel(x)
    return F.conv_transpose2d(x, wide.expand(channels, 1, -1, -1), stride=2, padding=1, groups=channels)


def blurred(x: Tensor, before: int, after: int) -> Tensor:
    """Maps (B, C, H, W), with so many zeros around them, through the low-pass filter, which takes three places away."""
    channels, around = x.shape[1], [before, after, before, after]
    return F.conv2d(F.pad(x, around), kernel(x).expand(channels, 1, -1, -1), groups=channels)


def kernel(like: Tensor) -> Tensor:
    """The low-pass filter (4, 4)."""
    line = torch.tensor(FILTER, dtype=like.dtype, device=like.device)
    return torch.outer(line, line) / line.sum() ** 2


class Dense(nn.Module):
    """A linear layer with a scaled weight; ``rate`` scales how fast it learns."""

    def __init__(self, given: int, found: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(found, given) / rate)
        self.bias = nn.Parameter(torch.full((found,), bias / rate))
        self.gain, self.rate = rate / math.sqrt(given), rate

    def forward(self, x: Tensor) -> Tensor:
        """(B, found) of (B, given)."""
        return F.linear(x, self.weight * self.gain, self.bias * self.rate)


class Conv(nn.Module):
    """A convolution with a scaled weight, at the same size or, ``down`` 2, low-passed to half of it."""

    def __init__(self, given: int, found: int, kernel: int = 3, *, down: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(found, given, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(found)) if bias else None
        self.gain, self.down = 1 / math.sqrt(given * kernel**2), down

    def forward(self, x: Tensor) -> Tensor:
        """(B, found, h, w) of (B, given, H, W)."""
        width, weight = self.weight.shape[-1], self.weight * self.gain
        if self.down == 1:
            return F.conv2d(x, weight, self.bias, padding=width // 2)
        room = width + 1  # so that half of the places are left
        return F.conv2d(blurred(x, (room + 1) // 2, room // 2), weight, self.bias, stride=2)


class Modulated(nn.Module):
    """A convolution whose weights are scaled by a style, and demodulated (section 2.2, equations 1 and 3).

    Styles scale the channels that come in, and demodulation those that go out: the same as scaling every picture's
    weights, in one convolution for all pictures.
    """

    def __init__(self, given: int, found: int, styles: int, kernel: int = 3, *, demodulate: bool = True) -> None:
        super().__init__()
        self.style = Dense(styles, given, bias=1.0)
        self.weight = nn.Parameter(torch.randn(found, given, kernel, kernel))
        self.gain, self.demodulate = 1 / math.sqrt(given * kernel**2), demodulate

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, found, H, W) of (B, given, H, W) and styles (B, S)."""
        scale, weight = self.style(style), self.weight * self.gain
        y = F.conv2d(x * scale[:, :, None, None].to(x.dtype), weight, padding=weight.shape[-1] // 2)
        if not self.demodulate:
            return y
        energy = (scale[:, None].to(weight.dtype) ** 2 * weight.square().sum((2, 3))).sum(2)  # (B, found), not in bf16
        demodulated: Tensor = y * (energy + 1e-8).rsqrt()[:, :, None, None].to(y.dtype)
        return demodulated


class Styled(nn.Module):
    """A modulated convolution, twice the size where asked, with noise (while training), bias and activation.

    The size is doubled before the convolution: the same as StyleGAN2's transposed one and the filter after it but for
    the outermost places.
    """

    def __init__(self, given: int, found: int, styles: int, *, up: int = 1) -> None:
        super().__init__()
        self.conv, self.up = Modulated(given, found, styles), up
        self.strength, self.bias = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(found))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, found, H, W) of (B, given, h, w) and styles (B, S)."""
        x = self.conv(doubled(x) if self.up == 2 else x, style)
        if self.training:
            x = x + self.strength * torch.randn_like(x[:, :1])
        return active(x + self.bias[:, None, None])


class Mapping(nn.Module):
    """Latents, normalised, to styles (section 2.1 of Karras et al. 2019, at a hundredth of the learning rate)."""

    average: Tensor

    def __init__(self, latent: int, styles: int, layers: int) -> None:
        super().__init__()
        widths = [latent] + [styles] * layers
        self.layers = nn.ModuleList(Dense(a, b, rate=0.01) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.register_buffer("average", torch.zeros(styles))

    def forward(self, z: Tensor | None, count: int) -> Tensor:
        """Styles (B, S) of latents (B, L); of None the mean of those that training has seen, ``count`` times."""
        if z is None:
            return self.average.expand(count, -1)
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.layers:
            z = active(layer(z))
        if self.training:
            self.average.lerp_(z.detach().float().mean(0), 0.005)
        return z


def spread_within(x: Tensor, group: int = 4) -> Tensor:
    """Maps (B, C, h, w) with one more: the deviation among a group of pictures (Karras et al. 2018, section 3)."""
    count = min(group, len(x))
    while len(x) % count:
        count -= 1
    parts = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(0, (count, -1))  # (G, B/G, C, h, w)
    deviation = (parts.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))  # (B/G,)
    plane = deviation.repeat(count)[:, None, None, None].expand(-1, 1, *x.shape[2:])
    return torch.cat([x, plane.to(x.dtype)], 1)
