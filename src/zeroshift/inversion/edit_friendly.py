"""Edit-friendly DDPM inversion (Huberman-Spiegelglas, Kulikov, Michaeli, CVPR 2024, arXiv:2304.06140).

Every noise level gets the photograph under noise of its own, x_t = sqrt(a_t) x0 + sqrt(1 - a_t) n_t with independent
n_t (Eq. 6). The noise z_t that ancestral sampling has to add at each step to pass through all of them is kept;
sampling with it under another prompt edits. With few steps that noise is stronger than sampling expects; photographs
that are noised by less than their step says bring it back (Deutsch et al. 2024, TurboEdit, arXiv:2408.00735).
"""

from collections.abc import Generator, Iterator, Sequence
from math import ceil
from typing import Annotated, ClassVar, Literal, final

import torch
from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import TextRows, guidance_rows
from zeroshift.diffusion.noise import generators, normal_noise
from zeroshift.diffusion.prediction import guided
from zeroshift.diffusion.schedule import Schedule, join
from zeroshift.diffusion.sites import Taps
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import CleanLatents, Inversion, InversionContext
from zeroshift.options.shares import nearest_steps


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class EditFriendlyInversion(Inversion):
    """Noise maps of ancestral sampling through independently noised photographs; the source branch is exact."""

    seeded: ClassVar[bool] = True
    kind: Literal["edit-friendly"] = "edit-friendly"
    """name of this inversion"""
    skip: Annotated[StrictFloat, Field(ge=0, lt=1)] = 0.36
    """share of the sampling steps, from the noisy end, that are left out; the more, the more of the photograph stays"""
    inversion_guidance: Annotated[StrictFloat, Field(ge=1, le=50)] = 3.5
    """classifier-free guidance of the source prompt against the empty one while inverting; 1 is off"""
    keep_last_noise: StrictBool = True
    """keep the last step's noise, without which the photograph does not return exactly (the first code drops it)"""
    noise_shift: Annotated[StrictInt, Field(ge=0, le=999)] = 0
    """training timesteps by which a photograph is noised less than its step says, so that few steps keep noise of the
    usual strength; 150 to 200 for 3 to 8 steps (TurboEdit)"""
    chunk: Annotated[StrictInt, Field(ge=1, le=999)] = 8
    """noise levels predicted at once; more is faster where there is memory for it"""

    def check(self, steps: int) -> None:
        if self.first(steps) == steps:
            raise ValueError(
                f"A skip of {self.skip:g} leaves none of {steps} steps; take a smaller one, or more steps."
            )

    def returns_at(self, guidance_scale: float) -> float:
        return self.inversion_guidance

    def stages(self, steps: int) -> int:
        return ceil((steps - self.first(steps)) / self.chunk)

    def first(self, steps: int) -> int:
        return nearest_steps(self.skip, steps)

    @torch.no_grad()
    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        schedule, first, x0 = backbone.schedule(plan.steps), self.first(plan.steps), photograph.x0
        text = guidance_rows(backbone.embed([""]).repeat(len(x0)), photograph.prompt, self.inversion_guidance)
        latents, noise = [*noised(x0, schedule, first, plan.seeds, self.noise_shift), x0], list[Tensor]()
        for steps in chunks(range(first, schedule.steps), self.chunk):
            # given the noised photographs, no step depends on another (section 3.2)
            outs = predictions(backbone, torch.cat([latents[i - first] for i in steps]), schedule, steps, text)
            for i, out in zip(steps, outs, strict=True):
                z, reached = noise_map(schedule, latents[i - first], latents[i + 1 - first], out, i)
                noise.append(z)
                latents[i + 1 - first] = reached
            yield latents[steps[0] - first]
        if self.keep_last_noise:
            latents[-1] = x0
        else:
            latents[-1] = latents[-1] - schedule.deviation(schedule.steps - 1) * noise[-1]
            noise[-1] = torch.zeros_like(x0)
        return Trajectory(schedule, tuple(latents), replayed=True, first=first, noise=tuple(noise))


def noised(x0: Tensor, schedule: Schedule, first: int, seeds: Sequence[int], shift: int = 0) -> list[Tensor]:
    """The photographs at the levels from ``first`` to the last but one, each under noise of its own (Eq. 6).

    Drawn from the cleanest level on, so that levels left out change no other. ``shift`` timesteps less noise are laid
    on, down to that of the first timestep.
    """
    drawn_by = generators(seeds)
    laid = [schedule.levels(max(t - shift, 0)) for t in schedule.timesteps[first:]]
    cleanest_first = [join(x0, normal_noise(x0.shape[1:], drawn_by).to(x0), level) for level in reversed(laid)]
    return cleanest_first[::-1]


def chunks(steps: range, size: int) -> Iterator[range]:
    """Yield ``steps`` in parts of ``size``, the first of which may be smaller."""
    begin = len(steps) % size or size
    yield steps[:begin]
    yield from (steps[at : at + size] for at in range(begin, len(steps), size))


def predictions(backbone: Backbone, x: Tensor, schedule: Schedule, steps: range, text: TextRows) -> tuple[Tensor, ...]:
    """The guided prediction at every one of ``steps`` in one pass; ``x`` holds their latents, step by step."""
    every = torch.arange(len(x) // len(steps), device=x.device).repeat(len(steps))
    rows = tuple(e.of(e.tokens[every], every) for e in text.embeddings)
    asked = torch.tensor([schedule.timesteps[i] for i in steps], device=x.device)
    timesteps = asked.repeat_interleave(len(x) // len(steps)).repeat(len(text))
    return guided(backbone, Taps(()), (x,), timesteps, TextRows(rows, text.weights)).chunk(len(steps))


def noise_map(schedule: Schedule, x: Tensor, following: Tensor, out: Tensor, i: int) -> tuple[Tensor, Tensor]:
    """The noise z with which step ``i`` goes from ``x`` to ``following``, and where it goes with z as rounded.

    Going on from there keeps rounding from piling up (Alg. 1).
    """
    mean, sigma = schedule.ancestral_mean(*schedule.split(x, out, schedule.level(i)), i), schedule.deviation(i)
    z = (following - mean) / sigma if sigma else torch.zeros_like(mean)  # a wholly clean latent has no noise
    return z, mean + sigma * z
