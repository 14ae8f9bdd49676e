"""How like pictures a model's latents are: where their energy lies, and what they show when they are made smaller."""

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from zeroshift.image.tensors import psnr, to_bytes

BANDS = 4
"""rings of equal width that the frequencies are divided into"""


@torch.no_grad()
def latents_of(model: AutoencoderKL, pictures: Tensor, batch: int = 32) -> Tensor:
    """The means of the latents, (N, C, h, w), of uint8 pictures (N, 3, H, W), scaled as the denoiser sees them."""
    parts = [model.encode(part.float() / 127.5 - 1).latent_dist.mean for part in torch.split(pictures, batch)]
    return torch.cat(parts) * float(model.config.scaling_factor)


def band_energies(latents: Tensor) -> Tensor:
    """Mean energy of a coefficient in each of ``BANDS`` rings of frequency, low to high, for latents (N, C, h, w).

    A coefficient's ring is told by the larger of its two frequencies; the means of a channel over a picture, which have
    no frequency, belong to the lowest. White noise of unit variance has 1 in every ring; a ring without
    coefficients, as of 4 x 4 latents, is NaN.
    """
    energy = torch.fft.fft2(latents.double(), norm="ortho").abs().square().mean((0, 1))
    rings = _rings(latents.shape[-2], latents.shape[-1])
    return torch.stack([energy[rings == k].mean() for k in range(BANDS)])


def upper_share(latents: Tensor) -> float:
    """The share of the energy of latents (N, C, h, w) in the upper half of the frequencies, channels' means left out.

    Photographs reduced to 16 x 16 pixels have about 0.08, white noise 0.75 or less.
    """
    centred = latents.double() - latents.double().mean((0, 2, 3), keepdim=True)
    energy = torch.fft.fft2(centred, norm="ortho").abs().square().mean((0, 1))
    rings = _rings(latents.shape[-2], latents.shape[-1])
    return float(energy[rings >= BANDS // 2].sum() / energy.sum())


@torch.no_grad()
def pooled_psnr(model: AutoencoderKL, pictures: Tensor, batch: int = 32) -> float:
    """Mean PSNR in dB of what latents of half the size show, to the uint8 pictures (N, 3, H, W) of half the size.

    Latents that keep shapes where pictures have them give a small picture when they are averaged two by two (scale
    equivariance: Kouzelis et al. 2025).
    """
    found = []
    for part in torch.split(pictures, batch):
        small = F.avg_pool2d(part.float(), 2)
        pooled = F.avg_pool2d(model.encode(part.float() / 127.5 - 1).latent_dist.mean, 2)
        found.append(psnr(to_bytes((model.decode(pooled).sample + 1) * 127.5), to_bytes(small)))
    return float(torch.cat(found).mean())


def _rings(height: int, width: int) -> Tensor:
    """The ring of every coefficient of a transform, (height, width)."""
    rows, columns = torch.fft.fftfreq(height).abs(), torch.fft.fftfreq(width).abs()
    largest = torch.maximum(rows[:, None], columns[None])
    return (largest * 2 * BANDS).ceil().clamp(1, BANDS).long() - 1
