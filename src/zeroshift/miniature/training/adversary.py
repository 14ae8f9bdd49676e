"""A discriminator for what is drawn: heads on a frozen network's features, told which target they judge.

Projected discriminators: Sauer et al. 2021 (arXiv:2111.01007), section 3. Relativistic pairing with both gradient
penalties: Huang et al. 2025, R3GAN (arXiv:2501.05441), equations 2 and 5; the penalties are taken at the features that
the heads see, since the network below them is fixed.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 64
"""channels of every projection and head"""


class Projected(nn.Module):
    """Fixed random mixtures of features across channels and scales (section 3.2)."""

    def __init__(self, channels: Sequence[int]) -> None:
        """``channels`` of the feature maps, finest first, each half as wide as the one before."""
        super().__init__()
        self.across = nn.ModuleList(nn.Conv2d(count, WIDTH, 1) for count in channels)
        self.down = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in channels[1:])
        for part in (*self.across, *self.down):
            nn.init.kaiming_normal_(part.weight)
        self.requires_grad_(False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Mixed maps, each (B, WIDTH, h, w), in the order of ``maps``, every picture's of mean square 1.

        Penalties of slopes mean the same whatever the network's features measure.
        """
        mixed = [mix(one) for mix, one in zip(self.across, maps, strict=True)]
        for n in reversed(range(len(self.down))):
            coarse = F.interpolate(mixed[n + 1], size=mixed[n].shape[-2:], mode="bilinear")
            mixed[n] = (mixed[n] + self.down[n](coarse)) / 2
        return [one / one.square().mean((1, 2, 3), keepdim=True).sqrt() for one in mixed]


class Head(nn.Module):
    """Says of every part of a feature map how real it is as a picture of one of the targets."""

    def __init__(self, targets: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.Conv2d(WIDTH, WIDTH, 4, 2, 1)
        self.target = nn.Embedding(targets, WIDTH)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Means over places (B,) of how real maps (B, WIDTH, h, w) are for targets (B,)."""
        h = F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x), 0.2)), 0.2)
        found: Tensor = (h.mean((2, 3)) * self.target(target)).sum(1) / WIDTH**0.5
        return found


class Adversary(nn.Module):
    """Heads on projected features of several scales."""

    def __init__(self, channels: Sequence[int], targets: int) -> None:
        super().__init__()
        self.projected = Projected(channels)
        self.heads = nn.ModuleList(Head(targets) for _ in channels)

    def forward(self, mixed: Sequence[Tensor], target: Tensor) -> Tensor:
        """How real (B, scales) pictures are by their projected features, for targets (B,)."""
        return torch.stack([head(one, target) for head, one in zip(self.heads, mixed, strict=True)], 1)


def students_loss(real: Tensor, made: Tensor) -> Tensor:
    """Relativistic loss of what was made (R3GAN, Eq. 2, the generator's side): to seem more real than its real one."""
    return F.softplus(real - made).mean()


def adversarys_loss(real: Tensor, made: Tensor) -> Tensor:
    """The discriminator's side of the same."""
    return F.softplus(made - real).mean()


def penalty(found: Tensor, given: Sequence[Tensor]) -> Tensor:
    """Mean over pictures of the squared gradient of their verdicts (B, ...) in what was ``given`` (R1, R2; Eq. 5)."""
    slopes = torch.autograd.grad(found.sum(), list(given), create_graph=True)
    return torch.stack([slope.square().flatten(1).sum(1) for slope in slopes]).sum(0).mean()
