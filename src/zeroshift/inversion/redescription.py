"""Prompt redescription: the way back follows the inversion (MirrorDiffusion, Lin et al. 2024, arXiv:2401.03221).

The photograph is inverted by DDIM under its prompt, every predicted noise pushed towards white by KL alone. On the way
back the prompt's embedding is rewritten at every step until the step lands on the latent that the inversion passed
through (L_rewrite), and the rewritten embeddings are kept: whoever edits adds a direction to them.

The paper's formula takes one plain gradient step, its code up to ten of Adam; both are here. Decisions that differ from
the code, which ``official`` restores: the inversion visits the sampler's own levels, so that the last two steps have a
target of their own (the code's index runs out, and they aim at noise); and the early stop is tested before the first
backward pass, so that a step that lands well takes none.
"""

from collections.abc import Generator
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal, final

import torch
from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.schedule import Schedule
from zeroshift.diffusion.trajectory import Learned, Trajectory
from zeroshift.inversion.base import CleanLatents, Inversion, InversionContext
from zeroshift.inversion.ddim import walk_up
from zeroshift.inversion.grid import Grid, calls, check_grid
from zeroshift.inversion.noise import kl_gradient
from zeroshift.inversion.optimising import Adam, Descent, Gradient, Params, minimise, per_picture


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class Redescription(Inversion):
    """DDIM inversion with KL regularisation; on the way back the prompt is rewritten so that it leads home."""

    kind: Literal["redescription"] = "redescription"
    """name of this inversion"""
    lambda_kl: Annotated[StrictFloat, Field(ge=0, le=1000)] = 20.0
    """step size of the KL loss of the inversion's noise; 0 is off"""
    reg_steps: Annotated[StrictInt, Field(ge=0, le=100)] = 5
    """steps of regularisation per inversion step"""
    optimiser: Literal["adam", "gradient", "residual"] = "adam"
    """how the prompt is rewritten: Adam, plain gradient steps, or not: what is missing is added to both branches"""
    inner_steps: Annotated[StrictInt, Field(ge=0, le=1000)] = 10
    """most optimisation steps per sampling step; 0 leaves the prompt as it is"""
    learning_rate: Annotated[StrictFloat, Field(ge=0, le=10)] = 0.01
    """of Adam, at the first sampling step; it falls by 60 % over the run"""
    step_size: Annotated[StrictFloat, Field(ge=0, le=1e6)] = 1e4
    """lambda of a plain gradient step"""
    stop_loss: Annotated[StrictFloat, Field(ge=0, le=1e6)] = 1e-5
    """mean squared error to the inversion's latent that is good enough at the first sampling step"""
    stop_rise: Annotated[StrictFloat, Field(ge=0, le=1e6)] = 1.2e-3
    """by how much that rises over the run"""
    official: StrictBool = False
    """as the authors' code: T - 2 inversion steps, last two steps aimed at noise, stop tested after a step"""

    @property
    def grid(self) -> Grid:
        """The levels that the inversion visits."""
        return "official" if self.official else "aligned"

    @property
    def rewrites(self) -> bool:
        """Whether the prompt is rewritten."""
        return self.optimiser != "residual" and self.inner_steps > 0

    def check(self, steps: int) -> None:
        check_grid(self.grid, steps)
        if self.official and self.optimiser == "residual":
            raise ValueError("The authors' code adds no residuals; leave `official` or `optimiser` residual out.")

    def stages(self, steps: int) -> int:
        return calls(self.grid, None, steps) + steps

    @torch.no_grad()
    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        schedule = backbone.schedule(plan.steps)
        levels = yield from walk_up(
            backbone, photograph.x0, photograph.prompt, schedule, self.grid, regulariser=self.whitened
        )
        x, prompt = levels.latents[0].contiguous(), photograph.prompt
        latents, prompts, residuals = [x], list[Tensor](), list[Tensor]()
        for i in range(schedule.steps):
            # of the official grid's T - 1 latents the index runs round to the noisiest; of T + 1 it never does
            step = StepBack(backbone, schedule, i, x, levels.latents[(i + 1) % len(levels.latents)].contiguous())
            prompt, x = self.rewritten(step, prompt)
            if self.rewrites:
                prompts.append(prompt.tokens)
            elif self.optimiser == "residual":
                residuals.append(step.target - x)
                x = step.target
            latents.append(x)
            yield x
        # L_rewrite has no guidance: the prompt is the negative one too, or the reconstruction would be another
        learned = Learned(prompts=prompts, prompt_as_negative=True)
        return Trajectory(schedule, latents, replayed=True, residuals=residuals, learned=learned)

    def whitened(self, eps: Tensor) -> Tensor:
        """Take plain gradient steps on the KL loss of each picture's predicted noise (B, C, h, w)."""
        for _ in range(self.reg_steps):
            eps = eps - self.lambda_kl * kl_gradient(eps)
        return eps

    def rewritten(self, step: "StepBack", prompt: Embedding) -> tuple[Embedding, Tensor]:
        """Every picture's prompt rewritten for one step, and the latent that it leads to."""
        reached = torch.empty_like(step.target)

        def losses(params: Params, rows: Tensor) -> Tensor:
            found = step.reached(prompt.of(params[0], rows), rows)
            reached[rows] = found.detach()
            return per_picture((found - step.target[rows]).square())

        steps, stop = self.inner_steps if self.rewrites else 0, self.stop_loss + self.stop_rise * step.share
        descent, early = self.descent(prompt.tokens, step.share), not self.official
        passes = step.backbone.recomputing
        (rewritten,), left = minimise(
            (prompt.tokens,), losses, descent, steps=steps, stop=stop, early=early, passes=passes
        )
        # a prompt that was good enough before its last step has been predicted with as it is
        stale = left if early else torch.arange(len(rewritten), device=rewritten.device)
        if len(stale):
            reached[stale] = step.reached(prompt.of(rewritten[stale], stale), stale)
        return prompt.of(rewritten), reached

    def descent(self, tokens: Tensor, share: float) -> Descent:
        """A fresh way down for the prompts (B, L, D), after the share ``share`` of the run."""
        if self.optimiser == "adam":
            return Adam((tokens,), self.learning_rate * (1 - 0.6 * share))
        return Gradient(self.step_size)


@plain_dataclass(frozen=True, eq=False)
class StepBack:
    """One sampling step, without guidance, and where it ought to lead."""

    backbone: Backbone
    schedule: Schedule
    i: int
    x: Tensor
    """where it begins, (B, C, h, w)"""
    target: Tensor
    """the latent that the inversion passed through at the level reached"""

    @property
    def share(self) -> float:
        """How much of the run lies behind; the authors' code counts in steps of 60."""
        return self.i / self.schedule.steps

    def reached(self, text: Embedding, pictures: Tensor) -> Tensor:
        """Where some ``pictures`` come under their prompts: (N, C, h, w)."""
        x = self.x[pictures]
        out = self.backbone.predict(x, self.schedule.timesteps[self.i], text)
        return self.schedule.advance(x, out, self.i)
