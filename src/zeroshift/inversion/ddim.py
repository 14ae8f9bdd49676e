"""DDIM inversion: sampling backwards (Song et al. 2021, section 4.3; Dhariwal and Nichol 2021, appendix F)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from math import sqrt
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias, final

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.schedule import Schedule, join
from zeroshift.diffusion.sites import Recording, Selection, nowhere, recorder, tapped
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import CleanLatents, Inversion, InversionContext
from zeroshift.inversion.noise import Regulariser

Grid = Literal["aligned", "diffusers", "official", "source"]
GridOption: TypeAlias = Annotated[
    Grid,
    Field(
        description="levels and timesteps: the sampler's, those with v-predictions read as by diffusers, "
        "pix2pix-zero's script's (T - 2 steps), or the sampler's asked one earlier"
    ),
]
Finer: TypeAlias = Annotated[
    Annotated[int, Field(ge=1, le=999)] | None,
    Field(
        description="steps of the inversion where there are more than sampling steps: 100, 200, 250, 500, 999 for 50"
    ),
]


class Transition(NamedTuple):
    """One step of an inversion; levels are cumulative products."""

    timestep: int
    """asked of the network"""
    left: float
    """level of the latent that the network sees"""
    reached: float
    """level of the latent that the step returns"""
    told: float
    """level at which the network's output is read"""


def check_grid(grid: Grid, steps: int) -> None:
    """Refuse a number of steps that leaves nothing to walk.

    Raises:
        ValueError: there are too few.
    """
    if grid == "official" and steps < 3:
        raise ValueError(
            f"The official grid drops the first and the last step, so it needs at least 3 steps, not {steps}; "
            "take more steps, or the aligned grid."
        )


def transitions(schedule: Schedule, grid: Grid) -> list[Transition]:
    """Return every inversion step, cleanest first.

    ``aligned`` visits the sampler's own levels and asks the network at the level reached, T calls: each step is the
    sampler's own, solved for its start as if the network answered the same at both ends (Song et al. 2021, section
    4.3). ``diffusers`` is DDIMInverseScheduler: the same where noise is predicted, but a velocity is read as one of
    the level left, so that every step turns by a little too much. ``source`` asks at the level left, as the first
    Plug-and-Play code does. ``official`` is pix2pix-zero's script: the first and last timesteps are dropped, levels
    are one index off, and the network is asked at the level the latent is at: T - 2 calls.

    Raises:
        ValueError: the official grid has fewer than 3 steps.
    """
    check_grid(grid, schedule.steps)
    ascending, stride = schedule.timesteps[::-1], schedule.stride
    if grid == "official":
        levels = [(schedule.alpha_bar(t - 1), schedule.alpha_bar(t - 1 + stride)) for t in ascending[1:-1]]
        return [Transition(t, left, up, left) for t, (left, up) in zip(ascending[1:-1], levels, strict=True)]
    asked = [max(t - stride, 0) if grid == "source" else t for t in ascending]
    levels = [(schedule.alpha_bar(t - stride), schedule.alpha_bar(t)) for t in ascending]
    own = grid == "aligned"
    return [Transition(t, left, up, up if own else left) for t, (left, up) in zip(asked, levels, strict=True)]


def check_finer(inversion_steps: int | None, steps: int, grid: Grid) -> None:
    """Refuse inversion steps that do not pass through every sampling level.

    Raises:
        ValueError: they do not.
    """
    if inversion_steps is None:
        return
    if grid == "official":
        raise ValueError("The official grid has its own number of steps; leave `inversion_steps` out.")
    if not _passes(inversion_steps, steps):
        largest = {1000 // n: n for n in range(steps, 1000) if _passes(n, steps)}  # one per stride
        raise ValueError(
            f"{inversion_steps} inversion steps do not pass through the levels of {steps} sampling steps; take one of: "
            f"{', '.join(str(n) for n in largest.values())}."
        )


def _passes(inversion_steps: int, steps: int) -> bool:
    fine, coarse = 1000 // inversion_steps, 1000 // steps
    return coarse % fine == 0 and coarse * (steps - 1) <= fine * (inversion_steps - 1)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class GridInversion(Inversion):
    """An inversion that walks DDIM's steps up and does nothing else that takes time."""

    grid: GridOption = "aligned"

    @property
    def finer(self) -> int | None:
        """Return the steps of the inversion where they are not the sampling steps."""
        return None

    @property
    def sees_every_step(self) -> bool:
        return self.grid in ("aligned", "diffusers")

    def check(self, steps: int) -> None:
        check_grid(self.grid, steps)
        check_finer(self.finer, steps, self.grid)

    def stages(self, steps: int) -> int:
        return calls(self.grid, self.finer, steps)


@dataclass(frozen=True, kw_only=True)
class FinerInversion(GridInversion):
    """One that may walk in more and smaller steps than sampling takes."""

    inversion_steps: Finer = None

    @property
    def finer(self) -> int | None:
        return self.inversion_steps

    def short(self) -> Self:
        return replace(self, inversion_steps=None)


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class DDIMInversion(FinerInversion):
    """Plain DDIM inversion under the source prompt, guidance scale 1."""

    kind: Literal["ddim"] = "ddim"
    """name of this inversion"""

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        schedule = backbone.schedule(plan.steps)
        levels = yield from walk_up(
            backbone,
            photograph.x0,
            photograph.prompt,
            schedule,
            self.grid,
            inversion_steps=self.inversion_steps,
            keep=plan.keep,
        )
        return Trajectory(schedule, levels.latents, maps=levels.kept)


@plain_dataclass(frozen=True, eq=False)
class Levels:
    """What an inversion passed through."""

    latents: Sequence[Tensor]
    """at every sampling level, noisiest first: T + 1, or T - 1 on the official grid, the clean latent last"""
    maps: Sequence[Recording]
    """what was recorded on the way to each of them but the last, same order"""

    @property
    def kept(self) -> Sequence[Recording]:
        """Return what was recorded; nothing where nothing was asked for."""
        return self.maps if any(self.maps) else ()


def calls(grid: Grid, inversion_steps: int | None, steps: int) -> int:
    """Return how many network calls ``walk_up`` makes."""
    if grid == "official":
        return steps - 2
    fine, coarse = 1000 // (inversion_steps or steps), 1000 // steps
    return 1 + coarse * (steps - 1) // fine


@torch.no_grad()
def walk_up(
    backbone: Backbone,
    x0: Tensor,
    source: Embedding,
    schedule: Schedule,
    grid: Grid = "aligned",
    *,
    inversion_steps: int | None = None,
    regulariser: Regulariser | None = None,
    keep: Selection = nowhere,
) -> Generator[Tensor, None, Levels]:
    """Invert ``x0`` under the prompt ``source``, guidance scale 1; yield the latent after every network call.

    ``regulariser`` reshapes the predicted noise of every step; what ``keep`` selects is recorded.
    """
    fine = schedule if inversion_steps is None else backbone.schedule(inversion_steps)
    moves = [move for move in transitions(fine, grid) if move.reached >= schedule.level(0) or grid == "official"]
    wanted_levels = {schedule.level(i) for i in range(schedule.steps)}
    x, latents, maps = x0, [x0], list[Recording]()
    for move in moves:
        reached = grid == "official" or move.reached in wanted_levels
        x, seen = _step_up(backbone, x, source, schedule, move, regulariser, keep if reached else nowhere)
        if reached:
            latents.append(x)
            maps.append(seen)
        yield x
    return Levels(tuple(reversed(latents)), tuple(reversed(maps)))


def _step_up(
    backbone: Backbone,
    x: Tensor,
    source: Embedding,
    schedule: Schedule,
    move: Transition,
    regulariser: Regulariser | None,
    keep: Selection,
) -> tuple[Tensor, Recording]:
    seen: Recording = {}
    with tapped(backbone, keep) as taps, taps.listening(recorder(seen), keep):
        out = backbone.predict(x, move.timestep, source.tokens)
    clean, eps = schedule.split(x, out, move.left, move.told)
    if regulariser is not None:
        eps = regulariser(eps)
        clean = (x - sqrt(1 - move.left) * eps) / sqrt(move.left)
    return join(clean, eps, move.reached), seen
