"""A patch discriminator (PatchGAN: Isola et al. 2017, appendix 6.1.2) with the hinge loss, one for each picture.

The pictures' networks lie beside each other in one grouped convolution, so that a batch learns what its pictures
would alone.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.control.losses import crop

WIDTHS = (64, 128, 256, 512)
FIELDS = {1: 16, 2: 34, 3: 70}
"""side in pixels of the patch that one score sees, by the number of halving layers"""
CROPS = 4
"""parts of either picture shown at a time"""
RATE, MOMENTS = 2e-4, (0.5, 0.999)


@dataclass(eq=False)
class Discriminators:
    """One patch discriminator per picture, learning."""

    real: Tensor
    """the pictures they shall take for real, (B, 3, H, W)"""
    seed: int
    weights: list[Tensor] = field(init=False)
    adam: torch.optim.Adam = field(init=False)
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)
        self.weights = starting_weights(len(self.real), levels(min(self.real.shape[-2:])), self.real, self.generator)
        self.adam = torch.optim.Adam(self.weights, RATE, MOMENTS)

    def learn(self, fake: Tensor) -> None:
        """Take one step towards telling ``fake`` (B, 3, H, W) from the real pictures."""
        with torch.enable_grad():
            loss = hinge(self.scores(self.real), self.scores(fake.detach())).sum()
            gradients = torch.autograd.grad(loss, self.weights)
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient
        self.adam.step()

    def distance(self, fake: Tensor) -> Tensor:
        """-mean D(fake), (B,): low where it passes for real."""
        return -mean_per_picture(self.scores(fake))

    def scores(self, pictures: Tensor) -> Tensor:
        """Scores (crops, B, h, w) of random crops."""
        least = FIELDS[levels(min(pictures.shape[-2:]))]
        height, width = (max(least, side * 3 // 4) for side in pictures.shape[-2:])
        return judge(self.weights, torch.stack([crop(pictures, height, width, self.generator) for _ in range(CROPS)]))


def levels(side: int) -> int:
    """How many halving layers fit a picture: 3, the 70 x 70 discriminator, from 70 pixels on."""
    return max(n for n, patch in FIELDS.items() if patch <= max(side, FIELDS[1]))


def starting_weights(count: int, depth: int, like: Tensor, generator: torch.Generator) -> list[Tensor]:
    """``count`` equal networks: per layer (count * out, in, 4, 4), drawn from N(0, 0.02)."""
    widths = (3, *WIDTHS[: depth + 1], 1)
    drawn = [torch.randn(b, a, 4, 4, generator=generator) * 0.02 for a, b in zip(widths, widths[1:], strict=False)]
    return [weight.to(like).repeat(count, 1, 1, 1).requires_grad_() for weight in drawn]


def judge(weights: list[Tensor], pictures: Tensor) -> Tensor:
    """The scores (N, B, h, w) of pictures (N, B, 3, H, W): the halving layers, one more, and the last."""
    count, x = pictures.shape[1], pictures.flatten(1, 2)
    for k, weight in enumerate(weights):
        x = F.conv2d(x, weight, stride=2 if k < len(weights) - 2 else 1, padding=1, groups=count)
        if 0 < k < len(weights) - 1:
            x = F.instance_norm(x)
        if k < len(weights) - 1:
            x = F.leaky_relu(x, 0.2)
    return x


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Mean max(0, 1 - D(real)) + mean max(0, 1 + D(fake)) of scores (N, B, h, w), (B,)."""
    return mean_per_picture((1 - real).relu()) + mean_per_picture((1 + fake).relu())


def mean_per_picture(scores: Tensor) -> Tensor:
    """(B,) of (N, B, h, w)."""
    return scores.mean((0, 2, 3))
