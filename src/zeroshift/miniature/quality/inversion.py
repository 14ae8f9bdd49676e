"""How well DDIM inversion and sampling return photographs, beside what the autoencoder alone makes of them."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zeroshift.conditioning.prompts import FixedPrompts
from zeroshift.control.base import Control
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import guidance_rows
from zeroshift.image.tensors import to_bytes
from zeroshift.inversion import CleanLatents, DDIMInversion, InversionContext
from zeroshift.inversion.base import finished
from zeroshift.running.sampling import Branch, sample

INVERSION = DDIMInversion()


def returned(
    backbone: Backbone, pictures: Tensor, captions: Sequence[str], *, steps: int = 50, batch: int = 10
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield what comes back of uint8 pictures (N, 3, H, W), and the autoencoder's round trip, (batch, 3, H, W) each.

    Inversion (Song et al. 2021, section 4.3) and sampling both run under the picture's caption, at guidance scale 1.
    """
    for part, texts in zip(torch.split(pictures, batch), _split(captions, batch), strict=True):
        x = part.float() / 127.5 - 1
        x0, prompt = backbone.encode(x), backbone.embed(texts)
        plan = InversionContext(steps, guidance_scale=1.0, seeds=(0,) * len(x))
        trajectory = finished(INVERSION.invert(backbone, CleanLatents(x, x0, prompt), plan))
        rows = guidance_rows(prompt, prompt, 1.0)
        *_, last = sample(backbone, trajectory, [Branch(FixedPrompts(rows, rows), Control())])
        yield _bytes(backbone.decode(last.targets[0])), _bytes(backbone.decode(x0))


def _split(captions: Sequence[str], batch: int) -> list[Sequence[str]]:
    return [captions[k : k + batch] for k in range(0, len(captions), batch)]


def _bytes(pictures: Tensor) -> Tensor:
    return to_bytes((pictures.cpu() + 1) * 127.5)
