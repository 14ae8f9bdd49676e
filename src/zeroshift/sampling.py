"""The only loop: source and target branches advance in lockstep, so that one step of recordings is held, not all."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from zeroshift.backbones.base import Backbone
from zeroshift.control.base import Control, Here, Recorded, Recording
from zeroshift.embedding import TextRows
from zeroshift.sites import Part, Site, Taps, tapped
from zeroshift.trajectory import Trajectory


class Conditioning(Protocol):
    """The prompts of both branches at every step."""

    def source(self, i: int) -> TextRows: ...

    def target(self, i: int) -> TextRows: ...


@dataclass(frozen=True, eq=False)
class Edit:
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


def guided(backbone: Backbone, rows: tuple[Tensor, ...], timestep: int, text: TextRows) -> Tensor:
    """Return the weighted prediction; ``rows`` holds one latent for all prompts or one per prompt."""
    latents = rows if len(rows) == len(text) else rows * len(text)
    out = backbone.predict(torch.cat(latents), timestep, text.tokens)
    parts = out.chunk(len(text))
    return sum((w * p for w, p in zip(text.weights[1:], parts[1:], strict=True)), text.weights[0] * parts[0])


def record(
    backbone: Backbone, taps: Taps, trajectory: Trajectory, conditioning: Conditioning, control: Control
) -> Iterator[Recorded]:
    """Walk the source branch from its noisiest latent, keeping what ``control`` asks for."""
    x = trajectory.start
    recording = any(control.records(site) for site in taps.sites)
    for i, timestep in enumerate(trajectory.schedule.timesteps):
        seen: Recording = {}

        def keep(site: Site, part: Part, value: Tensor, seen: Recording = seen) -> Tensor:
            seen[site, part] = value
            return value

        with taps.listening(keep, control.records) if recording else nullcontext():
            out = guided(backbone, (x,), timestep, conditioning.source(i))
        following = trajectory.replay(i + 1, x, out)
        yield Recorded(i, x, following, seen)
        x = following


@torch.no_grad()
def sample(backbone: Backbone, trajectory: Trajectory, edits: Sequence[Edit]) -> Iterator[Step]:
    """Translate: walk the source branch once and every edit's target branch beside it.

    The source branch takes source prompts and recordings of the first edit that needs it: the edits of one run share
    them. It is left out when no control needs it.
    """
    schedule = trajectory.schedule
    targets = [trajectory.start] * len(edits)
    with tapped(backbone, lambda site: frozenset().union(*(e.control.wanted(site) for e in edits))) as taps:
        for i, recorded in _source_steps(backbone, taps, trajectory, edits):
            previews = []
            for n, edit in enumerate(edits):
                here = Here(backbone, schedule, taps, i, edit.conditioning.target(i), recorded)
                targets[n], x0 = _step(here, targets[n], edit.control)
                previews.append(x0)
            following = next((r.following for r in recorded if r.i == i), None)
            yield Step(i, tuple(targets), tuple(previews), following)


def _step(here: Here, x: Tensor, control: Control) -> tuple[Tensor, Tensor]:
    rows = control.correct(x, here)
    handler = control.apply(here)
    with here.taps.listening(handler, control.applies) if handler else nullcontext():
        out = guided(here.backbone, rows, here.timestep, here.text)
    out = control.steer(out, rows[0], here)
    x0, eps = here.schedule.split(rows[0], out, here.schedule.level(here.i))
    return control.blend(here.schedule.join_at(x0, eps, here.i + 1), here), x0


def _source_steps(
    backbone: Backbone, taps: Taps, trajectory: Trajectory, edits: Sequence[Edit]
) -> Iterator[tuple[int, tuple[Recorded, ...]]]:
    needing = (e for e in edits if e.control.follows_source or any(e.control.records(site) for site in taps.sites))
    lead = next(needing, None)
    if lead is None:
        yield from ((i, ()) for i in range(trajectory.schedule.steps))
        return
    source = record(backbone, taps, trajectory, lead.conditioning, lead.control)
    yield from sliding(source, *lead.control.window)


def sliding(source: Iterator[Recorded], before: int, after: int) -> Iterator[tuple[int, tuple[Recorded, ...]]]:
    """Yield every step with the recordings from ``before`` steps earlier to ``after`` steps later, where they exist."""
    held: deque[Recorded] = deque()
    i = 0
    for recorded in source:
        held.append(recorded)
        if recorded.i >= i + after:
            yield i, tuple(held)
            i += 1
            while held and held[0].i < i - before:
                held.popleft()
    while held and i <= held[-1].i:
        yield i, tuple(held)
        i += 1
        while held and held[0].i < i - before:
            held.popleft()
