"""MirrorDiffusion's control of the edit: cycle steps, then cross-attention guidance (arXiv:2401.03221).

The formulas of the paper have neither; both are in its code, and this follows the code (60 steps). Left out are its
losses on the keys and values of cross-attention: those depend on the prompt alone, so they have no gradient with
respect to the latent and only fill gradients of weights that nobody updates.
"""

from collections.abc import Hashable
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal, cast, final

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import Run
from zeroshift.conditioning.shift import course
from zeroshift.control.base import Control, ControlOptions, Here, Rows
from zeroshift.control.guidance import gradient_of_rows, in_units
from zeroshift.embedding import TextRows
from zeroshift.sites import Part, Site, select
from zeroshift.source import Conditioning


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class MirrorGuidance(ControlOptions):
    """Cross-attention guidance, at a few steps preceded by a weaker step under a prompt that is one edit less."""

    kind: Literal["mirror-guidance"] = "mirror-guidance"
    """name of this control"""
    lambda_xa: Annotated[float, Field(ge=0, le=10)] = 0.1
    """weight of cross-attention guidance, in units of Stable Diffusion at 512 x 512 whatever the model; 0 is off"""
    cycle_steps: Annotated[int, Field(ge=0, le=10)] = 4
    """how many steps have a cycle step: the first is a sixth into the run, the others each a twelfth later"""
    cycle_twice: bool = False
    """apply a cycle step's gradient again with the main step, as the authors' code does, which never clears it"""

    def bind(self, run: Run) -> Control:
        if not self.lambda_xa:
            return Control()
        conditioning = cast(Conditioning, run.conditioning)  # controls are bound after it
        weights = cycle_weights(self.cycle_steps, run.steps)
        return BoundMirror(self.lambda_xa, weights, self.cycle_twice, conditioning)


def cycle_weights(count: int, steps: int) -> dict[int, float]:
    """Return the weight of every cycle step: 0.9 * 0.8^k at the steps 10, 15, 20, 25 of 60.

    Of those that fall onto one step in a short run the first stays.
    """
    return {round((2 + k) * steps / 12): 0.9 * 0.8**k for k in reversed(range(count))}


@plain_dataclass(frozen=True, eq=False)
class BoundMirror(Control):
    """Cycle steps and guidance in one run."""

    lambda_xa: float
    cycles: dict[int, float]
    cycle_twice: bool
    conditioning: Conditioning

    def phase(self, i: int) -> Hashable:
        return i in self.cycles

    def records(self, site: Site, i: int) -> frozenset[Part]:
        return select("cross", "probs")(site)

    def correct(self, x: Tensor, here: Here) -> Rows:
        """Return x_t - lambda dL/dx_t for each row; a cycle step first moves x_t by -lambda s dL'/dx_t, L' under e'."""
        reference = here.source.seen
        weight = in_units(self.lambda_xa, x, here.backbone.sites)
        if here.i not in self.cycles:
            return Rows(moved((x,), weight * gradient_of_rows((x,), here, reference, here.text)))
        cycle = weight * self.cycles[here.i] * gradient_of_rows((x,), here, reference, self.turned(here))
        latents = moved((x,), cycle)
        main = weight * gradient_of_rows(latents, here, reference, here.text)
        return Rows(moved(latents, main + cycle if self.cycle_twice else main))

    def turned(self, here: Here) -> TextRows:
        """Return the prompts of a cycle step: the target's e + w d becomes e' = e + (w - 1) d, w the mirror schedule.

        Taken as a share of the way from the source's prompt to the target's, so that it means something to every
        conditioning, and to an edit of no strength nothing.
        """
        source = self.conditioning.source(here.i).embeddings[-1]
        share = 1 - 1 / course("mirror", here.i, here.schedule.steps)
        prompt = source.towards(here.text.embeddings[-1], share)
        return TextRows((*here.text.embeddings[:-1], prompt), here.text.weights)


def moved(latents: tuple[Tensor, ...], by: Tensor) -> tuple[Tensor, ...]:
    """Return every row's latent minus its part of ``by`` (rows * B, C, h, w); ``latents`` has one for all or each."""
    parts = by.split(len(latents[0]))
    starts = latents if len(latents) == len(parts) else latents * len(parts)
    return tuple(start - part for start, part in zip(starts, parts, strict=True))
