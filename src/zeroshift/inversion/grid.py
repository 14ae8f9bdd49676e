"""Which levels an inversion visits, and what the network is asked there."""

from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import Field, StrictInt

from zeroshift.diffusion.schedule import Level, Schedule

Grid = Literal["aligned", "diffusers", "official", "source", "multistep"]
GridOption: TypeAlias = Annotated[
    Grid,
    Field(
        description="levels and timesteps: the sampler's, those with v-predictions read as by diffusers, "
        "pix2pix-zero's script's (T - 2 steps), the sampler's asked one earlier, or so with steps of second order, "
        "those of sampling too (DPM-Solver++ 2M)"
    ),
]
Finer: TypeAlias = Annotated[
    Annotated[StrictInt, Field(ge=1, le=999)] | None,
    Field(
        description="steps of the inversion where there are more than sampling steps: 100, 200, 250, 500, 999 for 50"
    ),
]


class Transition(NamedTuple):
    """One step of an inversion."""

    timestep: float
    """asked of the network"""
    left: Level
    """level of the latent that the network sees"""
    reached: Level
    """level of the latent that the step returns"""
    told: Level
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
    """Every inversion step, cleanest first.

    ``aligned`` visits the sampler's own levels and asks the network at the level reached, T calls: each step is the
    sampler's own, solved for its start as if the network answered the same at both ends (Song et al. 2021, section
    4.3). ``diffusers`` is DDIMInverseScheduler: the same where noise is predicted, but a velocity is read as one of
    the level left, so that every step turns by a little too much. ``source`` asks at the level left, as the first
    Plug-and-Play code does; so does ``multistep``, whose steps are DPM-Solver++'s. ``official`` is pix2pix-zero's
    script: the first and last timesteps are dropped, levels are one index off, and the network is asked at the level
    the latent is at: T - 2 calls.

    Raises:
        ValueError: the official grid has fewer than 3 steps, or an aligned step cannot be undone.
    """
    check_grid(grid, schedule.steps)
    at, ascending = schedule.levels, list(zip(schedule.timesteps, schedule.ends, strict=True))[::-1]
    if grid == "official":
        levels = [(t, at(t - 1), at(t - 1 + t - end)) for t, end in ascending[1:-1]]
        return [Transition(t, left, up, left) for t, left, up in levels]
    levels = [(max(end, 0) if grid in ("source", "multistep") else t, at(end), at(t)) for t, end in ascending]
    moves = [Transition(t, left, up, up if grid == "aligned" else left) for t, left, up in levels]
    if schedule.prediction == "v_prediction" and not all(defined(move) for move in moves):
        raise ValueError(
            "One sampling step goes from pure noise to the clean picture, whatever the noise, so that nothing can be "
            "inverted on the aligned grid; take more steps, or the diffusers grid."
        )
    return moves


def defined(move: Transition) -> bool:
    """Whether a velocity told at one level splits a latent of the other."""
    return move.left.alpha * move.told.alpha + move.left.sigma * move.told.sigma > 0


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


def calls(grid: Grid, inversion_steps: int | None, steps: int) -> int:
    """How many network calls ``walk_up`` makes."""
    if grid == "official":
        return steps - 2
    fine, coarse = 1000 // (inversion_steps or steps), 1000 // steps
    return 1 + coarse * (steps - 1) // fine


def moves_to(fine: Schedule, schedule: Schedule, grid: Grid) -> list[Transition]:
    """The steps of an inversion on the grid ``fine`` up to the noisiest level of ``schedule``, cleanest first.

    Raises:
        ValueError: they miss a level of ``schedule``.
    """
    if fine is schedule:
        return transitions(schedule, grid)
    levels = [schedule.level(i) for i in range(schedule.steps)]
    moves = [move for move in transitions(fine, grid) if move.reached.alpha >= levels[0].alpha]
    if not {move.reached for move in moves}.issuperset(levels):
        raise ValueError(
            f"{fine.steps} inversion steps do not pass through the levels of {schedule.steps} sampling steps at this "
            "checkpoint's timesteps; take a multiple of the sampling steps, or as many."
        )
    return moves
