"""Pictures as tensors and back."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def to_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """RGB pictures of one size as (N, 3, H, W) in [-1, 1]."""
    stacked = np.stack([np.asarray(picture, dtype=np.float32) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2) / 127.5 - 1


def psnr(pictures: Tensor, others: Tensor) -> Tensor:
    """Each pair's peak signal-to-noise ratio (N,) in dB; both are 0 to 255, (N, 3, H, W)."""
    error = (pictures.double() - others.double()).square().mean((1, 2, 3))
    return 10 * torch.log10(255**2 / error)


def to_bytes(values: Tensor) -> Tensor:
    """Round values on the scale 0 to 255 to uint8."""
    return values.round().clamp(0, 255).to(torch.uint8)


def to_pictures(x: Tensor) -> list[Image.Image]:
    """(N, 3, H, W) in [-1, 1], rounded and clamped to eight bits, as RGB pictures.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    if not torch.isfinite(x).all():
        raise ValueError(
            "The VAE's decoder returned values that are not numbers; use `precision` bf16 or fp32, or a lower guidance "
            "weight."
        )
    return from_bytes(to_bytes((x.detach().float().cpu() + 1) * 127.5))


def from_bytes(x: Tensor) -> list[Image.Image]:
    """uint8 (N, 3, H, W) as RGB pictures."""
    return [Image.fromarray(picture) for picture in x.permute(0, 2, 3, 1).numpy()]


def to_png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file without metadata."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
