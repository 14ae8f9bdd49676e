"""The source branch: walked once, beside it every edit's target branch; it yields what controls asked to keep."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import TextRows
from zeroshift.diffusion.multistep import Multistep
from zeroshift.diffusion.prediction import guided, joined, predict
from zeroshift.diffusion.sites import Part, Recording, Site, Taps, recorder
from zeroshift.diffusion.trajectory import Trajectory


class Conditioning(Protocol):
    """The prompts of both branches at every step."""

    def source(self, i: int) -> TextRows: ...

    def target(self, i: int) -> TextRows: ...

    def strength(self, i: int) -> float:
        """How far the target's prompts lie from the source's: 0 is at them, 1 where the edit says."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """One step of the source branch."""

    i: int
    x: Tensor
    """the source latent before the step"""
    following: Tensor
    """the source latent after it"""
    seen: Recording
    """what the control asked to record, rows x pictures along the first axis"""
    offset: Tensor | None = None
    """what puts the source back onto its inverted latent after the step, where the target is to be given that too"""


@dataclass(frozen=True, eq=False)
class SourceBranch:
    """All that a walk along the source branch needs."""

    backbone: Backbone
    taps: Taps
    trajectory: Trajectory
    conditioning: Conditioning
    records: Callable[[Site, int], frozenset[Part]]
    """what is kept at which step"""
    prompt_only: Callable[[int], bool]
    """at which steps only the prompt's row is read, so that others need not be computed on a replayed branch"""
    solver: Multistep | None = None
    """where steps are of second order"""


Walk = Callable[[SourceBranch], Iterator[Recorded]]


def record(source: SourceBranch) -> Iterator[Recorded]:
    """Walk the source branch from its start, keeping what is asked for.

    A replayed branch predicts only where something is recorded, and stops after the last wanted layer.
    """
    x = source.trajectory.start
    for i in source.trajectory.steps:
        recorded = step_of(source, i, x)
        x = recorded.following
        yield recorded
        del recorded  # else it would live while the next is made


def step_of(source: SourceBranch, i: int, x: Tensor, latents: tuple[Tensor, ...] | None = None) -> Recorded:
    """Take step ``i`` from ``x``.

    ``latents`` are what each prompt's row looks at where that is not ``x``.
    """
    trajectory, taps = source.trajectory, source.taps
    seen: Recording = {}
    text, timestep = source.conditioning.source(i), trajectory.schedule.timesteps[i]
    wanted = {site: parts for site in taps.sites if (parts := source.records(site, i))}
    if not wanted:  # rows of no weight are asked for their maps alone
        counted = [n for n, weight in enumerate(text.weights) if weight]
        text = TextRows(tuple(text.embeddings[n] for n in counted), tuple(text.weights[n] for n in counted))
        latents = tuple(latents[n] for n in counted) if latents else None
    if not trajectory.replayed or trajectory.offset_target:
        with taps.listening(recorder(seen), lambda site: source.records(site, i)) if wanted else nullcontext():
            out = guided(source.backbone, taps, latents or (x,), timestep, text)
        left = trajectory.schedule.level(i)
        x0, eps = trajectory.schedule.split(x, out, left)
        if source.solver is not None:
            x0, eps = source.solver(x, x0, eps, left, trajectory.schedule.reached(i))
        reached = trajectory.advance(x0, eps, i)
        if not trajectory.offset_target:
            return Recorded(i, x, reached, seen)
        return Recorded(i, x, trajectory.at(i + 1), seen, trajectory.at(i + 1) - reached)
    if wanted:
        rows = text.prompt if source.prompt_only(i) else text
        asked, blocks = joined((latents or (x,) * len(text))[-len(rows) :])
        with taps.listening(recorder(seen), lambda site: source.records(site, i), stop=True):
            predict(source.backbone, taps, asked, timestep, rows, blocks=blocks)
    return Recorded(i, x, trajectory.at(i + 1), seen)


def sliding(source: Iterator[Recorded], before: int, after: int) -> Iterator[tuple[int, tuple[Recorded, ...]]]:
    """Yield every step with the recordings from ``before`` steps earlier to ``after`` steps later, where they exist."""
    held: deque[Recorded] = deque()
    i: int | None = None
    for recorded in source:
        i, newest = recorded.i if i is None else i, recorded.i
        held.append(recorded)
        del recorded  # else it would live while the next is made
        if newest >= i + after:
            yield i, tuple(held)
            i += 1
            while held and held[0].i < i - before:
                held.popleft()
    while held and i is not None and i <= held[-1].i:
        yield i, tuple(held)
        i += 1
        while held and held[0].i < i - before:
            held.popleft()
