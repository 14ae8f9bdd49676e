"""Null-text inversion (Mokady et al., arXiv:2211.09794): a negative prompt for every step.

The photograph is inverted by DDIM without guidance. With guidance the way back leaves that path; at every step the
negative prompt's embedding is optimised until the guided step reaches it again (Alg. 1).
"""

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal, final

import torch
from pydantic import ConfigDict, Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.trajectory import Learned, Trajectory
from zeroshift.inversion.base import CleanLatents, Inversion, InversionContext
from zeroshift.inversion.ddim import walk_up
from zeroshift.inversion.optimising import (
    Adam,
    Aim,
    Params,
    check_length,
    enough,
    learning_rate,
    minimise,
    per_picture,
)


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class NullTextInversion(Inversion):
    """DDIM inversion, then an optimised embedding per step with which guided sampling returns the photograph."""

    guided: ClassVar[bool] = True

    kind: Literal["null-text"] = "null-text"
    """name of this inversion"""
    optimise: Literal["negative", "prompt"] = "negative"
    """what is learned: the negative prompt, or (text inversion) the source prompt against an empty negative one"""
    inner_steps: Annotated[StrictInt, Field(ge=1, le=1000)] = 10
    """most optimisation steps at a sampling step (the first one, where they become fewer)"""
    learning_rate: Annotated[StrictFloat, Field(gt=0, le=1)] = 1e-2
    """learning rate of Adam at the first sampling step; it falls to 0 at step 100"""
    stop_loss: Annotated[StrictFloat, Field(ge=0, le=1e6)] = 1e-5
    """loss at which optimisation ends at the first sampling step; twice as much is added at each later one"""

    def check(self, steps: int) -> None:
        check_length(steps)

    def check_guidance(self, scale: float) -> None:
        if scale == 1 and self.optimise == "negative":
            raise ValueError(
                "Null-text inversion learns the negative prompt, which guidance scale 1 leaves out; take a larger "
                "`guidance_scale`, or `inversion` direct."
            )

    def stages(self, steps: int) -> int:
        return 2 * steps

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        schedule = backbone.schedule(plan.steps)
        levels = yield from walk_up(backbone, photograph.x0, photograph.prompt, schedule)
        prompt, empty = photograph.prompt, backbone.embed([""]).repeat(len(photograph.x0))
        learned, fixed = (empty, prompt) if self.optimise == "negative" else (prompt, empty)
        weight = 1 - plan.guidance_scale if self.optimise == "negative" else plan.guidance_scale
        x, latents, embeddings = levels.latents[0], [levels.latents[0]], list[Tensor]()
        for i, timestep in enumerate(schedule.timesteps):
            with torch.no_grad():
                other = backbone.predict(x, timestep, fixed)
            aim = Aim(schedule, i, x, levels.latents[i + 1], weight, other)
            learned = self._learned(backbone, aim, learned)
            with torch.no_grad():
                x = aim.reached(backbone.predict(x, timestep, learned))[1]
            latents.append(x)
            embeddings.append(learned.tokens)
            yield x
        own = [fixed.tokens] * schedule.steps
        prompts, negatives = ((), embeddings) if self.optimise == "negative" else (embeddings, own)
        return Trajectory(schedule, latents, replayed=True, learned=Learned(prompts, negatives))

    def _learned(self, backbone: Backbone, aim: Aim, start: Embedding) -> Embedding:
        """The embedding with which the step comes close to where it shall, begun at the last one."""

        def losses(params: Params, rows: Tensor) -> Tensor:
            out = backbone.predict(aim.x[rows], aim.timestep, start.of(params[0], rows))
            return per_picture((aim.reached(out, rows)[1] - aim.wanted[rows]).square())

        adam, stop = Adam((start.tokens,), learning_rate(self.learning_rate, aim.i)), enough(self.stop_loss, aim.i)
        passes = backbone.recomputing
        (found,), _ = minimise((start.tokens,), losses, adam, steps=self.inner_steps, stop=stop, passes=passes)
        return start.of(found)
