"""Cross-attention guidance: the target's attention maps are kept close to the source's (pix2pix-zero, section 3.2)."""

from typing import Annotated, final

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.control.base import Control, Here
from zeroshift.sites import NOTHING, Part, Site, select

SD_512_PIXELS = 26_944
"""grid cells summed over Stable Diffusion 1's 16 cross-attention layers at 512 x 512 pixels"""


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class AttentionGuidance(Control):
    """One gradient step per prompt row on x_t brings all cross-attention maps closer to the source's."""

    lambda_xa: Annotated[float, Field(ge=0, le=10)] = 0.1
    """weight of cross-attention guidance, in units of Stable Diffusion at 512 x 512 whatever the model; 0 is off"""

    def records(self, site: Site) -> frozenset[Part]:
        return select("cross", "probs")(site) if self.lambda_xa else NOTHING

    def correct(self, x: Tensor, here: Here) -> tuple[Tensor, ...]:
        """Return x_t - lambda dL/dx_t for each row on its own (pix2pix-zero, Alg. 1; L is the squared norm)."""
        if not self.lambda_xa:
            return (x,)
        reference = here.source.seen
        pixels = sum(probs.shape[-2] for probs in reference.values())
        gradient = loss_gradient(x, here)
        moved = x.repeat(len(here.text), 1, 1, 1) - self.lambda_xa * SD_512_PIXELS / pixels * gradient
        return moved.chunk(len(here.text))


def loss_gradient(x: Tensor, here: Here) -> Tensor:
    """Return dL/dx for every row of ``here.text`` at ``x`` (B, C, h, w): (rows * B, C, h, w).

    L sums (M - M_ref)^2 over layers, pixels and tokens and averages over two rows and the heads, per picture; two
    rows whatever their number, so that a row's gradient does not depend on which others are computed.
    """
    rows, losses = len(here.text), []

    def measure(site: Site, part: Part, probs: Tensor) -> Tensor:
        # recorded rows: as many as the target's, or one that stands for both
        wanted = here.source.seen[site, part].unflatten(0, (-1, len(x)))
        distance = probs.unflatten(0, (rows, len(x))) - wanted
        losses.append(distance.square().sum() / (2 * probs.shape[1]))
        return probs

    with torch.enable_grad():
        # the gradient is taken at the repeated rows, which do not interact inside the network
        repeated = x.detach().requires_grad_().repeat(rows, 1, 1, 1)
        with here.taps.listening(measure, select("cross", "probs"), stop=True):
            here.backbone.predict(repeated, here.timestep, here.text.tokens)
        (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), repeated)
    return gradient
