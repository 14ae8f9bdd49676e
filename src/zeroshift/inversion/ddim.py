"""DDIM inversion: sampling backwards (Song et al. 2021, section 4.3; Dhariwal and Nichol 2021, appendix F)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass as plain_dataclass
from typing import Literal, final

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.multistep import Multistep
from zeroshift.diffusion.schedule import Schedule, join
from zeroshift.diffusion.sites import Recording, Selection, nowhere, recorder, tapped
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import CleanLatents, Inversion, InversionContext
from zeroshift.inversion.grid import Finer, Grid, GridOption, Transition, calls, check_finer, check_grid, moves_to
from zeroshift.inversion.noise import Regulariser


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class GridInversion(Inversion):
    """An inversion that walks DDIM's steps up and does nothing else that takes time."""

    grid: GridOption = "aligned"

    @property
    def finer(self) -> int | None:
        """The steps of the inversion where they are not the sampling steps."""
        return None

    @property
    def sees_every_step(self) -> bool:
        return self.grid in ("aligned", "diffusers")

    @property
    def multistep(self) -> bool:
        return self.grid == "multistep"

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
        return Trajectory(schedule, levels.latents, maps=levels.kept, multistep=self.multistep)


@plain_dataclass(frozen=True, eq=False)
class Levels:
    """What an inversion passed through."""

    latents: Sequence[Tensor]
    """at every sampling level, noisiest first: T + 1, or T - 1 on the official grid, the clean latent last"""
    maps: Sequence[Recording]
    """what was recorded on the way to each of them but the last, same order"""

    @property
    def kept(self) -> Sequence[Recording]:
        """What was recorded; nothing where nothing was asked for."""
        return self.maps if any(self.maps) else ()


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
    exact: bool = False,
) -> Generator[Tensor, None, Levels]:
    """Invert ``x0`` under the prompt ``source``, guidance scale 1; yield the latent after every network call.

    ``regulariser`` reshapes the predicted noise of every step; what ``keep`` selects is recorded, in half precision
    where memory is saved, unless it shall be ``exact``.
    """
    solver = Multistep() if grid == "multistep" else None
    fine = schedule if inversion_steps is None else backbone.schedule(inversion_steps)
    wanted_levels = {schedule.level(i) for i in range(schedule.steps)}
    x, latents, maps = x0, [x0], list[Recording]()
    for move in moves_to(fine, schedule, grid):
        reached = grid == "official" or move.reached in wanted_levels
        x, seen = _step_up(backbone, x, source, schedule, move, regulariser, solver, keep if reached else nowhere)
        if reached:
            latents.append(x)
            maps.append(halved(seen) if backbone.saves_memory and not exact else seen)
        yield x
    return Levels(tuple(reversed(latents)), tuple(reversed(maps)))


def halved(seen: Recording) -> Recording:
    """A recording in half precision: guidance towards such maps changes a picture by a grey level at most."""
    return {key: x.half() for key, x in seen.items()}


def _step_up(
    backbone: Backbone,
    x: Tensor,
    source: Embedding,
    schedule: Schedule,
    move: Transition,
    regulariser: Regulariser | None,
    solver: Multistep | None,
    keep: Selection,
) -> tuple[Tensor, Recording]:
    seen: Recording = {}
    with tapped(backbone, keep) as taps, taps.listening(recorder(seen), keep):
        out = backbone.predict(x, move.timestep, source)
    clean, eps = schedule.split(x, out, move.left, move.told)
    if regulariser is not None:
        eps = regulariser(eps)
        clean = (x - move.left.sigma * eps) / move.left.alpha
    if solver is not None:
        clean, eps = solver(x, clean, eps, move.left, move.reached)
    return join(clean, eps, move.reached), seen
