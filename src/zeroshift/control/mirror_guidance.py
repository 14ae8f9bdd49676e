"""MirrorDiffusion's control of the edit: cycle steps, then cross-attention guidance (arXiv:2401.03221).

The formulas of the paper have neither; both are in its code, and this follows the code (60 steps). Left out are its
losses on the keys and values of cross-attention: those depend on the prompt alone, so they have no gradient with
respect to the latent and only fill gradients of weights that nobody updates.
"""

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal, cast, final

from pydantic import ConfigDict, Field, StrictBool, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.shift import course
from zeroshift.control.base import Control, Rows, StepContext
from zeroshift.control.guidance import (
    PROBS,
    GuidanceOptions,
    gradient_and_output,
    gradient_of_rows,
    in_units,
    moved,
)
from zeroshift.diffusion.embedding import TextRows
from zeroshift.diffusion.prediction import mixed
from zeroshift.diffusion.sites import NOTHING, Part, Site
from zeroshift.diffusion.source_branch import Conditioning


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class MirrorGuidance(GuidanceOptions):
    """Cross-attention guidance, at a few steps preceded by a weaker step under a prompt that is one edit less."""

    kind: Literal["mirror-guidance"] = "mirror-guidance"
    """name of this control"""
    cycle_steps: Annotated[StrictInt, Field(ge=0, le=10)] = 4
    """how many steps have a cycle step: the first is a sixth into the run, the others each a twelfth later"""
    cycle_twice: StrictBool = False
    """apply a cycle step's gradient again with the main step, as the authors' code does, which never clears it"""

    def bind(self, run: EditContext) -> Control:
        if not self.guides:
            return Control()
        conditioning = cast(Conditioning, run.conditioning)  # controls are bound after it
        weights = cycle_weights(self.cycle_steps, run.steps)
        layers = self.compared(run.backbone.sites)
        return BoundMirror(self, layers, self.until(run.steps), weights, conditioning)


def cycle_weights(count: int, steps: int) -> dict[int, float]:
    """The weight of every cycle step: 0.9 * 0.8^k at the steps 10, 15, 20, 25 of 60.

    Of those that fall onto one step in a short run the first stays.
    """
    return {round((2 + k) * steps / 12): 0.9 * 0.8**k for k in reversed(range(count))}


@plain_dataclass(frozen=True, eq=False)
class BoundMirror(Control):
    """Cycle steps and guidance in one run."""

    options: MirrorGuidance
    layers: frozenset[Site]
    until: int
    """how many steps are guided"""
    cycles: dict[int, float]
    conditioning: Conditioning

    def records(self, site: Site, i: int) -> frozenset[Part]:
        return PROBS if site in self.layers and i < self.until else NOTHING

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        """X_t - lambda dL/dx_t for each row; a cycle step first moves x_t by -lambda s dL'/dx_t, L' under e'."""
        if here.i >= self.until:
            return Rows((x,))
        reference = here.source.seen
        weight = in_units(self.options.lambda_xa, x, here.backbone.sites)
        latents: tuple[Tensor, ...] = (x,)
        repeated: Tensor | float = 0.0
        if here.i in self.cycles:
            cycle = weight * self.cycles[here.i] * gradient_of_rows((x,), here, reference, self.turned(here))
            latents, repeated = moved((x,), cycle), cycle if self.options.cycle_twice else 0.0
        gradient, out = gradient_and_output(latents, here, reference, here.text, whole=self.options.reuse_noise)
        return Rows(moved(latents, weight * gradient + repeated), None if out is None else mixed(out, here.text))

    def turned(self, here: StepContext) -> TextRows:
        """The prompts of a cycle step: the target's e + w d becomes e' = e + (w - 1) d, w the mirror schedule.

        Taken as a share of the way from the source's prompt to the target's, so that it means something to every
        conditioning, and to an edit of no strength nothing.
        """
        source = self.conditioning.source(here.i).embeddings[-1]
        share = 1 - 1 / course("mirror", here.i, here.schedule.steps)
        prompt = source.towards(here.text.embeddings[-1], share)
        return TextRows((*here.text.embeddings[:-1], prompt), here.text.weights)
