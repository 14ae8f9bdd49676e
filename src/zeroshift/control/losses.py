"""Distances between pictures (B, 3, H, W) in [-1, 1], one number per picture, each a mean and not a sum."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zeroshift.diffusion.backbone import Clip


def squared(pictures: Tensor, others: Tensor) -> Tensor:
    """The mean squared difference (B,) of pictures or features."""
    return (pictures - others).square().flatten(1).mean(1)


def perceptual(features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """The mean over layers of the mean squared difference of features (Johnson et al. 2016, Eq. 2), (B,)."""
    return torch.stack([squared(a, b) for a, b in zip(features, others, strict=True)]).mean(0)


def style(features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """The mean over layers of the mean squared difference of Gram matrices (Gatys et al. 2016, Eq. 4), (B,)."""
    return perceptual([gram(a) for a in features], [gram(b) for b in others])


def gram(features: Tensor) -> Tensor:
    """Which channels of (B, C, H, W) occur together, (B, C, C), divided by C * H * W."""
    flat = features.flatten(2)
    return flat @ flat.mT / flat[0].numel()


def clip_distance(clip: Clip, pictures: Tensor, wanted: Tensor) -> Tensor:
    """1 - cos of pictures and a prompt's features ``wanted`` (1, P): (B,), in [0, 2]."""
    features = clip.image_features(pictures)
    return 1 - (features * wanted.to(features)).sum(1)


def crop(pictures: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """One random part, (B, C, height, width), the same of every picture."""
    room = pictures.shape[-2] - height, pictures.shape[-1] - width
    top, left = (int(torch.randint(free + 1, (), generator=generator)) for free in room)
    return pictures[..., top : top + height, left : left + width]
