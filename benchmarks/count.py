"""What a procedure costs at Stable Diffusion 1.5, 512 x 512, from one unit of each kind of its work."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from benchmarks.official.model import Work
from benchmarks.pairs import PAIRS
from benchmarks.pipeline import FAST_NAME, counted_as
from benchmarks.pipeline import NAME as PIPELINE
from benchmarks.setting import Setting
from zeroshift.backbones.outline import outline_of_sd15
from zeroshift.conditioning.direction import Direction
from zeroshift.cost.flops import counted, forward_flops

COUNTED = {**PAIRS, PIPELINE: counted_as, FAST_NAME: counted_as}
FEW: Mapping[str, int] = {"pix2pix-zero": 3, PIPELINE: 3, FAST_NAME: 3, "mirror-diffusion": 3}
"""steps that are enough to meet every kind of work; 2 for the others"""


def outline() -> Setting:
    """Stable Diffusion 1.5 without weights, and a photograph without pixels."""
    backbone = outline_of_sd15()
    pictures = torch.zeros(1, 3, backbone.size, backbone.size, device="meta")
    return Setting(backbone, pictures, Direction(torch.zeros(1, 77, 768), {}))


def official_sf(at: Setting, name: str) -> dict[str, float]:
    """The UNet forwards on one sample that each kind of work takes in all; text encoder and VAE are left out."""
    side = at.pictures.shape[-1] // at.backbone.factor
    x0 = torch.zeros(1, at.backbone.latent_channels, side, side, device=at.pictures.device)
    few = replace(at, steps=FEW.get(name, 2), inversion_steps=2, inner_steps=1)
    pair, unit = COUNTED[name](few), forward_flops(at.backbone, x0)
    each = per_unit(pair.official(x0), pair.units)
    return {label: count * each[label] / unit for label, count in COUNTED[name](at).units.items()}


def per_unit(work: Work, units: Mapping[str, int]) -> dict[str, int]:
    """Run until every kind of work was met; return the operations of the first of each."""
    each: dict[str, int] = {}
    while set(each) < set(units):
        label, flops = counted(lambda: next(work))
        each.setdefault(label, flops)
    work.close()
    return each
