"""What an edit costs, counted on the method's own code: shapes flow through a model on the meta device.

The unit is SF, one forward pass of the UNet on one sample. Counted are the products of matrices and the convolutions
of everything that inversion and sampling run, forward and backward, attention as it is written out in formulas (a
fused kernel that recomputes does more in its backward pass). Text encoder and VAE run once per edit and are left out,
but for the sentences that an edit direction is made of.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from zeroshift.backbones.checkpoint import find_configs
from zeroshift.backbones.outline import outline_of, outline_of_sd15
from zeroshift.cost.counting import auto_mask_flops, count, direction_flops, maps_held
from zeroshift.cost.flops import forward_flops
from zeroshift.cost.published import DIFFUSERS, OFFICIAL, published
from zeroshift.cost.remembered import Remembered
from zeroshift.diffusion.backbone import Backbone
from zeroshift.methods import Method
from zeroshift.methods.base import shares_source

SD15 = "sd15"
"""Stable Diffusion 1.5, which needs no file"""


LARGEST = 16384
"""side in pixels up to which costs are counted; far beyond, a table of attention has more bytes than a number holds"""


class WrongSize(ValueError):
    """A network cannot take pictures of a size."""


@dataclass(frozen=True)
class Cost:
    """Cost of editing one picture."""

    method: str
    model: str
    size: int
    """side of the picture in pixels"""
    steps: int
    unet_forward_tflop: float
    """1 SF in 10^12 floating-point operations, two per multiplication and addition"""
    first_edit_sf: float
    """inversion, source branch and edit"""
    direction_sf: float
    """the text encoder on the sentences of an edit direction between two words, where none is kept yet (they are kept
    on disk); 0 where no sentences are encoded"""
    further_edit_sf: float
    """another edit of the same picture later: the inversion was kept"""
    further_target_sf: float | None
    """another target or strength in the same run, which shares inversion and source branch; None if it cannot"""
    auto_mask_sf: float
    """what the mask ``auto`` adds to every edit whose words say where it is: nothing of what a segmenter finds"""
    official_first_edit_sf: float | None
    """the same first edit by the authors' published code, if that is known and can do it; where it differentiates, for
    Stable Diffusion 1.5 at 512 x 512 alone"""
    diffusers_first_edit_sf: float | None
    """the same first edit by diffusers, if that has the method and can do it; likewise"""
    maps_held_steps: int
    """the most source steps whose recordings are held at once"""
    maps_held_mb: float
    """their size in 10^6 bytes in fp32"""

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Everything, flat."""
        return asdict(self)


def measure(
    method: Method,
    *,
    model: str | Path = SD15,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    size: int | None = None,
) -> Cost:
    """Count an edit of one picture by ``method``, without weights.

    Args:
        method: with its own number of steps.
        model: "sd15", or a checkpoint (folder or hub id) of which only the configurations are there or downloaded.
        revision: hub revision.
        cache_dir: where hub downloads are kept.
        size: side of the picture in pixels; default the model's own.

    Raises:
        WrongSize: the model's network cannot take pictures of ``size``.
        ValueError: the model cannot be found.
    """
    backbone = outline_of_sd15() if model == SD15 else outline_of(find_configs(model, revision, cache_dir))
    x0 = _latents(backbone, backbone.size if size is None else size)
    with Remembered():
        return _measured(backbone, method, x0, sd15=model == SD15 and size in (None, backbone.size))


def _measured(backbone: Backbone, method: Method, x0: Tensor, sd15: bool) -> Cost:
    flops, unit = count(backbone, method, x0), forward_flops(backbone, x0)
    held, held_bytes = maps_held(backbone, method, x0)
    return Cost(
        method=method.name,
        model=backbone.identity.name,
        size=x0.shape[-1] * backbone.factor,
        steps=method.steps,
        unet_forward_tflop=unit / 1e12,
        first_edit_sf=(flops.inversion + flops.one_target) / unit,
        direction_sf=direction_flops(backbone, method) / unit,
        further_edit_sf=flops.one_target / unit,
        further_target_sf=(flops.two_targets - flops.one_target) / unit if shares_source(method) else None,
        auto_mask_sf=auto_mask_flops(backbone, x0) / unit,
        official_first_edit_sf=published(OFFICIAL, method, sd15=sd15),
        diffusers_first_edit_sf=published(DIFFUSERS, method, sd15=sd15),
        maps_held_steps=held,
        maps_held_mb=held_bytes / 1e6,
    )


def _latents(backbone: Backbone, size: int) -> Tensor:
    if size < 1 or size % backbone.multiple:
        raise WrongSize(f"The size must be a multiple of {backbone.multiple} for this model, not {size}.")
    if size > LARGEST:
        raise WrongSize(f"The size must be at most {LARGEST} pixels, not {size}.")
    side = size // backbone.factor
    return torch.zeros(1, backbone.latent_channels, side, side, device=backbone.device)
