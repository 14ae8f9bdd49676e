"""Representation alignment: the denoiser's middle is to tell what an ImageNet network sees in the picture.

A denoiser spends much of its training on finding out what its pictures show; another network's features say it (Yu et
al. 2025, REPA). In a UNet the middle block is the place for that, its features made larger after their projection
(Tian et al. 2025, U-REPA, arXiv 2503.18414). What helps is where things are rather than what they are: the projection
is a convolution, and the teacher's features are standardised over each picture's places (Singh et al. 2025, arXiv
2512.10794). Later it holds a denoiser back, so it ends at half of the training (Wang et al. 2025, HASTE, 2505.16792).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from zeroshift.miniature.training.decoder import ImageNetFeatures

BLOCK = 4
"""of EfficientNet-Lite0, after which its features are taken, at an eighth of the side"""


class Alignment(nn.Module):
    """One less the mean cosine of projected middle features and the teacher's, over all places."""

    until = 0.5
    """share of the budget at which it ends"""

    def __init__(self, weight: float, channels: int, pictures: Tensor) -> None:
        """``channels`` are the middle's; ``pictures`` is uint8 (N, 3, S, S)."""
        super().__init__()
        self.weight, self.pictures = weight, pictures
        self.teacher = [ImageNetFeatures((BLOCK,))]  # in a list: neither averaged nor saved with the stage
        width = self.seen(torch.tensor([0]), torch.tensor([0]), torch.device("cpu")).shape[1]
        self.projection = nn.Conv2d(channels, width, 3, padding=1)

    @torch.no_grad()
    def seen(self, indices: Tensor, mirrored: Tensor, device: torch.device) -> Tensor:
        """What the teacher sees in the pictures ``indices`` (B,), mirrored where ``mirrored`` (B,) is 1.

        (B, C, h, w), of mean 0 and variance 1 over each picture's places.
        """
        x = self.pictures[indices.cpu()].to(device).float() / 127.5 - 1
        x = torch.where(mirrored.to(device).bool()[:, None, None, None], x.flip(-1), x)
        (features,) = self.teacher[0].to(device)(x)
        deviation, mean = torch.std_mean(features.float(), (2, 3), keepdim=True, correction=0)
        standardised: Tensor = (features.float() - mean) / (deviation + 1e-6)
        return standardised

    def forward(self, middle: Tensor, indices: Tensor, mirrored: Tensor) -> Tensor:
        """The loss for the middle's features (B, C, h, w) of those pictures."""
        wanted = self.seen(indices, mirrored, middle.device)
        made = F.interpolate(self.projection(middle).float(), wanted.shape[-2:], mode="bilinear")
        return 1 - F.cosine_similarity(made, wanted, dim=1).mean()

    def ended(self) -> Tensor:
        """A zero that its weights have a part in: several processes wait for the gradients of all."""
        return torch.stack([0 * weights.sum() for weights in self.projection.parameters()]).sum()


@contextmanager
def middle_of(unet: UNet2DConditionModel) -> Iterator[list[Tensor]]:
    """Collect what the middle block gives (B, C, h, w), a tensor for every pass within."""
    seen: list[Tensor] = []
    handle = unet.mid_block.register_forward_hook(lambda block, given, made: seen.append(made))
    try:
        yield seen
    finally:
        handle.remove()
