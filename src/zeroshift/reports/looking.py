"""Where each word of a prompt is attended to in a photograph: maps of cross-attention (Hertz et al. 2022).

The photograph is looked at under noise, at the levels at which the mask ``auto`` looks: structure is decided there.
"""

import torch
from torch import Tensor

from zeroshift.captioning.lexicon import ARTICLES, CLOSING
from zeroshift.captioning.subject import bare
from zeroshift.diffusion.backbone import Backbone, Tokens
from zeroshift.diffusion.noise import generators, normal_noise
from zeroshift.diffusion.schedule import join
from zeroshift.framed import FramedPhoto
from zeroshift.image.tensors import to_tensor
from zeroshift.masks.locating import LEVELS
from zeroshift.reports.mirror import word_maps

_GRID = 10  # steps of the schedule that levels are taken from

_SMALL = ARTICLES | CLOSING | {"and", "or"}
"""words that name nothing in a picture"""


def words_that_name(read: Tokens) -> dict[str, tuple[int, ...]]:
    """The words of a prompt but articles, prepositions and the like, each with its positions; of one that is cut off
    there are none.

    Punctuation is left aside. A word that comes again is another one: "cat (2)".
    """
    named: dict[str, tuple[int, ...]] = {}
    for word, span in zip(read.words, read.spans, strict=True):
        name = bare(word)
        if name and name not in _SMALL:
            times = sum(one == name or one.startswith(f"{name} (") for one in named)
            named[f"{name} ({times + 1})" if times else name] = span
    return named


@torch.no_grad()
def words_in(backbone: Backbone, frame: FramedPhoto, prompt: str, *, seed: int = 0) -> dict[str, Tensor]:
    """The map of the words of ``prompt``, (h, w) in [0, 1], on the grid of the latents; 1 is each word's highest.

    Costs three predictions. Of ``words_that_name`` those that the text encoder does not see are left out.

    Args:
        backbone: the model.
        frame: the photograph as the model sees it.
        prompt: what it shows, or anything else.
        seed: of the noise.

    Raises:
        ValueError: no word of the prompt names anything.
    """
    named = {word: span for word, span in words_that_name(backbone.tokens(prompt)).items() if span}
    if not named:
        raise ValueError(f'No word of "{prompt}" names anything that could be looked for; give the `source` another.')
    text = backbone.embed([prompt])
    x0, schedule = backbone.encode(to_tensor([frame.pixels])), backbone.schedule(_GRID)
    noise = normal_noise(x0.shape[1:], generators([seed])).to(x0)
    total = torch.zeros((), device=x0.device)
    for i in (round(share * _GRID) for share in LEVELS):
        x = join(x0, noise, schedule.level(i))
        total = total + word_maps(backbone, x, schedule.timesteps[i], text, list(named.values())).float()
    lowest, highest = total.amin((1, 2), keepdim=True), total.amax((1, 2), keepdim=True)
    return dict(zip(named, (total - lowest) / (highest - lowest).clamp(min=1e-12), strict=True))
