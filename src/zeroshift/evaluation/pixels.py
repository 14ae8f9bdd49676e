"""How like two pictures are, pixel by pixel: MSE, PSNR and SSIM, of the whole or of a part."""

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from zeroshift.evaluation.regions import Mode, blackened, mean_over, unless_empty


def mse(source: Tensor, edit: Tensor, part: Tensor | None = None, mode: Mode = "corrected") -> Tensor:
    """Mean squared error (B,) on the scale 0 to 1 of pictures of bytes (B, 3, H, W), in a ``part`` (B, 1, H, W) or all.

    NaN where the part is empty.
    """
    x, y = _scaled(source), _scaled(edit)
    if part is not None and mode == "paper":
        whole = (blackened(x, part) - blackened(y, part)).square().mean((1, 2, 3))
        return unless_empty(whole, part)
    return mean_over((x - y).square(), part)


def psnr(source: Tensor, edit: Tensor, part: Tensor | None = None, mode: Mode = "corrected") -> Tensor:
    """Peak signal-to-noise ratio (B,) in dB; arguments as for ``mse``. Infinite where nothing differs."""
    return -10 * torch.log10(mse(source, edit, part, mode))


def ssim_of_pairs(source: Tensor, edit: Tensor, part: Tensor | None = None, mode: Mode = "corrected") -> Tensor:
    """Structural similarity (B,), 1 for equal pictures (Wang et al. 2004: Gaussian window of 11, deviation 1.5).

    Arguments as for ``mse``. In a part, ``corrected`` takes the similarity of windows around its pixels.
    """
    x, y = _scaled(source), _scaled(edit)
    if part is not None and mode == "paper":
        x, y = blackened(x, part), blackened(y, part)
        return unless_empty(_similarities(x, y).mean((1, 2, 3)), part)
    return mean_over(_similarities(x, y), part)


def ssim(pictures: Tensor, others: Tensor) -> float:
    """Mean structural similarity of pictures of bytes (B, 3, H, W), 1 for equal ones (Wang et al. 2004)."""
    return float(structural_similarity_index_measure(pictures.float(), others.float(), data_range=255.0))


def _similarities(x: Tensor, y: Tensor) -> Tensor:
    """At every pixel, (B, 3, H, W)."""
    _, found = structural_similarity_index_measure(x, y, data_range=1.0, return_full_image=True, reduction="none")
    similarities: Tensor = found
    return similarities


def _scaled(pictures: Tensor) -> Tensor:
    return pictures.float() / 255
