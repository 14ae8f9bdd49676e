"""Where each word of a prompt is attended to in a photograph: maps of cross-attention (Hertz et al. 2022).

The photograph is looked at under noise, at the levels at which the mask ``auto`` looks: structure is decided there.
"""

import torch
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.noise import generators, normal_noise
from zeroshift.diffusion.schedule import join
from zeroshift.framed import FramedPhoto
from zeroshift.image.tensors import to_tensor
from zeroshift.masks.locating import LEVELS
from zeroshift.reports.mirror import word_maps

_GRID = 10  # steps of the schedule that levels are taken from


@torch.no_grad()
def words_in(backbone: Backbone, frame: FramedPhoto, prompt: str, *, seed: int = 0) -> dict[str, Tensor]:
    """The map of every word of ``prompt``, (h, w) in [0, 1], on the grid of the latents; 1 is each word's highest.

    Costs three predictions. A word that the text encoder does not see is left out.

    Args:
        backbone: the model.
        frame: the photograph as the model sees it.
        prompt: what it shows, or anything else.
        seed: of the noise.
    """
    read, text = backbone.tokens(prompt), backbone.embed([prompt])
    named = {word: span for word, span in zip(read.words, read.spans, strict=True) if span}
    x0, schedule = backbone.encode(to_tensor([frame.pixels])), backbone.schedule(_GRID)
    noise = normal_noise(x0.shape[1:], generators([seed])).to(x0)
    total = torch.zeros((), device=x0.device)
    for i in (round(share * _GRID) for share in LEVELS):
        x = join(x0, noise, schedule.level(i))
        total = total + word_maps(backbone, x, schedule.timesteps[i], text, list(named.values())).float()
    lowest, highest = total.amin((1, 2), keepdim=True), total.amax((1, 2), keepdim=True)
    return dict(zip(named, (total - lowest) / (highest - lowest).clamp(min=1e-12), strict=True))
