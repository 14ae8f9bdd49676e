"""The first stage: an AutoencoderKL with latents of unit variance (Rombach et al. 2022, section 3.1)."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from zeroshift.image.tensors import psnr, to_bytes
from zeroshift.miniature.training.loop import Stage, StageOptions, adamw

CHANNELS = {4: (32, 64, 96), 8: (16, 48, 96, 128)}
"""channels of the levels, by the factor between pixels and latents; few where the sides are long"""
CROP = 64
"""sides of the details that it learns from: the network is convolutional, and varied details teach it most"""


def build(size: int, channels: tuple[int, ...] = CHANNELS[4], latent_channels: int = 4) -> AutoencoderKL:
    """An untrained autoencoder that halves the sides once per channel count after the first."""
    return AutoencoderKL(
        sample_size=size,
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=8,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


class AutoencoderStage(Stage):
    """Squared error plus a small KL term. No adversary: fidelity is what inversion needs, and PSNR what is asked.

    Of each picture's error the logarithm counts, as in its PSNR: else the hardest pictures take all. Colours vary less
    than light does, so latents would go to fine edges first and a green lawn come back brown: errors of an area's mean
    colour count more.
    """

    kl_weight = 1e-5
    colour_weight = 5.0
    """found by how much of the variance of red against green was left over on ``val``"""
    area = 8
    """sides in pixels of the areas whose mean colours are compared"""
    typical = 0.0065
    """mean squared error, in [-1, 1], of a trained network (27.9 dB): there the logarithm is about as steep as it"""
    least = 0.001
    """error below which a picture is good enough (36 dB): better ones hardly count"""

    def __init__(
        self, model: AutoencoderKL, pictures: Tensor, options: StageOptions, equivariance: float = 0.0
    ) -> None:
        """``pictures`` is uint8 (N, 3, S, S); ``equivariance`` weighs ``smaller``."""
        super().__init__()
        self.model, self.pictures, self.options, self.equivariance = model, pictures, options, equivariance

    def training_step(self, indices: Tensor, _: int) -> Tensor:
        x = augment(detail(self.pictures[indices.cpu()], CROP).to(self.device))
        posterior = self.model.encode(x).latent_dist
        decoded = self.model.decode(posterior.sample()).sample
        errors = (decoded.float() - x).square().mean((1, 2, 3))
        found = errors.detach()
        self.log_dict({"mse": found.mean(), "psnr": (10 * torch.log10(4 / found)).mean()}, prog_bar=True)
        error = self.typical * torch.log(errors + self.least).mean()
        divergence: Tensor = posterior.kl().mean() / posterior.mean[0].numel()
        difference = F.avg_pool2d(decoded.float() - x, self.area)
        colour = (difference - difference.mean(1, keepdim=True)).square().mean()
        loss: Tensor = error + self.colour_weight * colour + self.kl_weight * divergence
        if self.equivariance:
            smaller = self.smaller(posterior.mean, x)
            self.log_dict({"smaller": smaller}, prog_bar=True)
            loss = loss + self.equivariance * smaller
        return loss

    def smaller(self, latents: Tensor, x: Tensor) -> Tensor:
        """Squared error of decoding latents at half their size, mirrored half of the time, as the picture at half its.

        Latents that are small pictures of the picture leave less to their highest frequencies, whose phases a
        denoiser must guess (EQ-VAE, Kouzelis et al. 2025, Eq. 3; Skorokhodov et al. 2025).
        """
        if torch.rand(()) < 0.5:
            latents, x = latents.flip(-1), x.flip(-1)
        decoded = self.model.decode(F.avg_pool2d(latents, 2)).sample
        error: Tensor = (decoded.float() - F.avg_pool2d(x, 2)).square().mean()
        return error

    def configure_optimizers(self) -> Any:
        return adamw(self, self.options, decay=1e-4)


def augment(pictures: Tensor) -> Tensor:
    """Turn uint8 pictures into [-1, 1], half of them mirrored."""
    x = pictures.float() / 127.5 - 1
    mirrored = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
    return torch.where(mirrored, x.flip(-1), x)


def detail(pictures: Tensor, side: int) -> Tensor:
    """One random square of ``side`` pixels, the same of every picture (N, 3, S, S); smaller pictures whole."""
    room = max(pictures.shape[-1] - side, 0)
    y, x = torch.randint(room + 1, (2,)).tolist()
    return pictures[..., y : y + side, x : x + side]


@torch.no_grad()
def standardise(model: AutoencoderKL, pictures: Tensor) -> None:
    """Shift and scale each latent channel to mean 0, variance 1, inside the two 1x1 convolutions around the latent.

    Reconstructions are unchanged. ``scaling_factor`` stays 1, so pipelines that know only a factor see unit variance.
    """
    latents = encode(model, pictures)
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    count = len(mean)
    into, out = model.quant_conv, model.post_quant_conv
    out.bias += torch.einsum("oi,i->o", out.weight[:, :, 0, 0], mean)
    out.weight *= std[None, :, None, None]
    into.bias[:count] = (into.bias[:count] - mean) / std
    into.weight[:count] /= std[:, None, None, None]
    into.bias[count:] -= 2 * std.log()  # the second half of the moments is the log-variance


@torch.no_grad()
def encode(model: AutoencoderKL, pictures: Tensor, batch: int = 64) -> Tensor:
    """The posterior means of uint8 pictures, unmirrored."""
    device = next(model.parameters()).device
    parts = [model.encode(p.to(device).float() / 127.5 - 1).latent_dist.mean for p in pictures.split(batch)]
    return torch.cat(parts).cpu()


@torch.no_grad()
def reconstruction_psnr(model: AutoencoderKL, pictures: Tensor, batch: int = 64) -> float:
    """The mean of per-picture PSNRs in dB after rounding to eight bits."""
    device = next(model.parameters()).device
    parts = [model.decode(z.to(device)).sample.cpu() for z in encode(model, pictures, batch).split(batch)]
    return float(psnr(to_bytes((torch.cat(parts) + 1) * 127.5), pictures).mean())
