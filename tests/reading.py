"""Passes of a tiny network that are looked into."""

import torch
from torch import Tensor

from tests.tiny import LENGTH, WIDTH
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.sites import Compute, Part, Selection, Site, tapped


def inputs() -> tuple[Tensor, int, Embedding]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64, generator=generator)
    return x, 321, Embedding(torch.randn(2, LENGTH, WIDTH, dtype=torch.float64, generator=generator))


def unchanged(_site: Site, _part: Part, compute: Compute) -> Tensor:
    return compute()


def predict_through(backbone: StableDiffusion, wanted: Selection, handler=unchanged) -> Tensor:
    with tapped(backbone, wanted) as taps, taps.listening(handler, wanted):
        return backbone.predict(*inputs())


def record_all(backbone: StableDiffusion, wanted: Selection) -> list[tuple[Site, Part, Tensor]]:
    seen: list[tuple[Site, Part, Tensor]] = []

    def keep(site: Site, part: Part, compute: Compute) -> Tensor:
        seen.append((site, part, compute()))
        return seen[-1][2]

    predict_through(backbone, wanted, keep)
    return seen
