"""The only loop: source and target branches advance in lockstep, so that one step of recordings is held, not all."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from zeroshift.control.base import Control, Rows, Stack, StepContext
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.multistep import Multistep
from zeroshift.diffusion.prediction import guided
from zeroshift.diffusion.sites import Part, Selection, Site, Taps, select, taps_at
from zeroshift.diffusion.source_branch import Conditioning, Recorded, SourceBranch, sliding
from zeroshift.diffusion.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Branch:
    """One target branch: its prompts and what is done to it."""

    conditioning: Conditioning
    control: Control


@dataclass(frozen=True, eq=False)
class Step:
    """What the loop yields after every step."""

    i: int
    targets: tuple[Tensor, ...]
    """the latent of every target branch after the step"""
    previews: tuple[Tensor, ...]
    """each target's estimate of the clean latent"""
    source: Tensor | None
    """the source branch's latent after the step, if that branch was needed"""


@torch.no_grad()
def sample(
    backbone: Backbone, trajectory: Trajectory, edits: Sequence[Branch], *, reconstruct: bool = False
) -> Iterator[Step]:
    """Translate: walk the source branch once and every edit's target branch beside it.

    The source branch takes the source prompts of the first edit that needs it: the edits of one run share them. It is
    left out where no control needs it, unless ``reconstruct`` asks for all of it. The network is held for a step at a
    time: between two, other runs may take theirs.

    Raises:
        Busy: a step is asked for inside a step of another run, by the same thread.
    """
    targets: Sequence[Tensor] = [trajectory.start] * len(edits)
    taps = taps_at(backbone, touched(trajectory, edits))
    source = source_steps(backbone, taps, trajectory, edits, reconstruct)
    solvers = [Multistep() if trajectory.multistep else None for _ in edits]
    for _ in trajectory.steps:
        with backbone.install(taps):
            taken = step_of_all(backbone, trajectory, taps, edits, solvers, targets, next(source))
        yield taken
        targets = taken.targets


def step_of_all(
    backbone: Backbone,
    trajectory: Trajectory,
    taps: Taps,
    edits: Sequence[Branch],
    solvers: Sequence[Multistep | None],
    targets: Sequence[Tensor],
    source: tuple[int, tuple[Recorded, ...]],
) -> Step:
    """Take one step of every edit's target branch; nothing recorded outlives it but what the source branch keeps."""
    i, recorded = source
    taken = [
        step(StepContext(backbone, trajectory, taps, i, edit.conditioning.target(i), recorded), x, edit.control, solver)
        for edit, solver, x in zip(edits, solvers, targets, strict=True)
    ]
    following = next((r.following for r in recorded if r.i == i), None)
    return Step(i, tuple(x for x, _ in taken), tuple(x0 for _, x0 in taken), following)


def touched(trajectory: Trajectory, edits: Sequence[Branch]) -> Selection:
    """Every part that a run reads or writes: where taps are installed."""
    learned = select("cross", "v") if trajectory.learned.values else None

    def parts(site: Site) -> frozenset[Part]:
        own = (e.control.records(site, i) | e.control.applies(site, i) for e in edits for i in trajectory.steps)
        return (learned(site) if learned else frozenset[Part]()).union(*own)

    return parts


def step(here: StepContext, x: Tensor, control: Control, solver: Multistep | None = None) -> tuple[Tensor, Tensor]:
    """Take one step of a target branch from ``x``; return the next latent and the estimate of the clean one."""
    rows = control.correct(x, here)
    with torch.set_grad_enabled(control.differentiates(here.i)):
        rows = followed(rows) if torch.is_grad_enabled() else rows
        out = ask(here, rows.latents, control) if rows.out is None else rows.out
        x0, eps = here.schedule.split(rows.latents[0], out, here.level)
        x0, eps = control.steer(x0, eps, rows.latents[0], here)
    x0, eps = x0.detach(), eps.detach()
    clean = (x0, eps)
    if solver is not None:
        clean = solver(rows.latents[0], x0, eps, here.level, here.schedule.reached(here.i))
    reached = here.trajectory.advance(*clean, here.i)
    offset = here.source.offset if here.trajectory.offset_target else None
    if offset is not None:
        reached = reached + offset
    return control.blend(reached, here), x0


def followed(rows: Rows) -> Rows:
    """The same rows, of which gradients reach the first: the others move with it. All are predicted from."""
    first = rows.latents[0].detach().requires_grad_()
    nothing = first - first.detach()
    return Rows((first, *(row + nothing for row in rows.latents[1:])))


def ask(here: StepContext, latents: tuple[Tensor, ...], control: Control) -> Tensor:
    """The target's guided prediction, with what ``control`` does inside the network."""
    handler = control.apply(here)
    with here.taps.listening(handler, lambda site: control.applies(site, here.i)) if handler else nullcontext():
        return guided(here.backbone, here.taps, latents, here.timestep, here.text)


def source_steps(
    backbone: Backbone, taps: Taps, trajectory: Trajectory, edits: Sequence[Branch], reconstruct: bool
) -> Iterator[tuple[int, tuple[Recorded, ...]]]:
    """Yield every step with what is known of the source branch there, walked as far as anybody needs it."""
    everyone = Stack([edit.control for edit in edits])
    until = trajectory.steps[-1] if reconstruct else source_until(taps.sites, trajectory, everyone)
    if until >= 0:
        lead = next((e for e in edits if source_until(taps.sites, trajectory, e.control) >= 0), edits[0])
        solver = Multistep() if trajectory.multistep else None
        source = SourceBranch(
            backbone, taps, trajectory, lead.conditioning, everyone.records, everyone.prompt_only, solver
        )
        # nothing is recorded after its last step, so nobody looks further ahead
        yield from sliding(islice(everyone.walk(source), until - trajectory.first + 1), *everyone.window)
    yield from ((i, ()) for i in trajectory.steps if i > until)


def source_until(sites: Sequence[Site], trajectory: Trajectory, control: Control) -> int:
    """The last step at which ``control`` needs the source branch; -1 if it never does."""
    if control.follows_source or trajectory.offset_target:
        return trajectory.steps[-1]
    return max((i for i in trajectory.steps if any(control.records(site, i) for site in sites)), default=-1)
