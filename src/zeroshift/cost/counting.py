"""Counting what inversion and sampling of a method take, on whatever device, of all that repeats one piece."""

import weakref
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

import torch
from torch import Tensor

from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import make_task
from zeroshift.cost.flops import counted, flops_of, prompt_for, traced
from zeroshift.cost.sketch import Sketch
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.sites import tapped
from zeroshift.diffusion.source_branch import Recorded, SourceBranch, sliding
from zeroshift.diffusion.trajectory import Learned, Trajectory
from zeroshift.inversion.base import finished
from zeroshift.inversion.shortened import iterations, shortened, with_iterations
from zeroshift.masks.locating import where_words_look
from zeroshift.memory.rehearsal import NOTHING_SAID, edit_along_nothing, photograph_of
from zeroshift.methods import Method
from zeroshift.methods.base import inversion_plan
from zeroshift.running.sampling import Branch, sample, touched

T = TypeVar("T")
AT = (3, 4)
"""sampling steps at which an inversion that optimises is run"""
FEW = 8
"""stages of an inversion up to which all are run"""
MOST = 5
"""steps of the source branch after which no control holds more than before"""


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of the parts of a run."""

    inversion: float
    one_target: float
    """sampling with one target, source branch included"""
    two_targets: float


def count(backbone: Backbone, method: Method, x0: Tensor) -> Flops:
    """Count inversion and sampling from the clean latent ``x0`` (B, C, h, w), on whatever device."""
    prompt = prompt_for(backbone, x0)
    inversion = inversion_flops(backbone, method, x0, prompt)
    trajectory = stand_in(backbone, method, x0, prompt)
    kinds = kinds_of_edit(backbone, method)  # a second target does in every step what the first does
    one, two = (
        sampling_flops(
            backbone, trajectory, [edit_along_nothing(backbone, method, prompt, trajectory) for _ in range(n)], kinds
        )
        for n in (1, 2)
    )
    return Flops(inversion, one, two)


def inversion_flops(backbone: Backbone, method: Method, x0: Tensor, prompt: Embedding) -> float:
    """Count the inversion; of a long one only as many steps are run as it takes to know them all.

    Of an inversion that optimises, few sampling steps with one and two optimisation steps each are run, and extended
    to all: none is taken to stop early.
    """
    inversion, steps = method.inversion, method.steps
    if not iterations(inversion, steps):
        stages = inversion.stages(steps)
        if stages <= FEW:
            return sum(stage_flops(backbone, method, x0, prompt, stages))
        begin, each = stage_flops(backbone, method, x0, prompt, 2)
        return begin + (stages - 1) * each
    few, more = (replace(method, inversion=with_iterations(inversion, n)) for n in (1, 2))
    (low, high), extra = (_whole(backbone, few, n, x0, prompt) for n in AT), _whole(backbone, more, AT[0], x0, prompt)
    each = (extra - low) / (iterations(more.inversion, AT[0]) - iterations(few.inversion, AT[0]))
    line = low + (high - low) * (steps - AT[0]) / (AT[1] - AT[0])
    return line + each * (iterations(inversion, steps) - iterations(few.inversion, steps))


def _whole(backbone: Backbone, method: Method, steps: int, x0: Tensor, prompt: Embedding) -> float:
    return sum(stage_flops(backbone, replace(method, steps=steps), x0, prompt, None))


def stage_flops(backbone: Backbone, method: Method, x0: Tensor, prompt: Embedding, stages: int | None) -> list[float]:
    """The operations of each of the first ``stages`` stages of an inversion; None: of all, and what follows."""
    steps = method.inversion.invert(
        backbone, photograph_of(backbone, x0, prompt), inversion_plan(method, backbone, [0])
    )
    counts: list[float] = []
    while stages is None or len(counts) < stages:
        going, flops = counted(lambda: next(steps, None) is not None)
        counts.append(flops)
        if not going:
            break
    return counts


def stand_in(backbone: Backbone, method: Method, x0: Tensor, prompt: Embedding) -> Trajectory:
    """A trajectory of the method's inversion at the method's steps, made from one of few steps."""
    few = replace(method, steps=AT[0], inversion=shortened(method.inversion))
    plan = inversion_plan(few, backbone, [0])
    short = finished(few.inversion.invert(backbone, photograph_of(backbone, x0, prompt), plan))
    schedule = backbone.schedule(method.steps)
    first = method.inversion.first(method.steps)
    left = schedule.steps - first

    def all_of(some: Sequence[T]) -> Sequence[T]:
        return tuple(some[0] for _ in range(left)) if some else ()

    return replace(
        short,
        schedule=schedule,
        first=first,
        latents=(*all_of(short.latents), short.latents[-1]),
        noise=all_of(short.noise),
        residuals=all_of(short.residuals),
        maps=all_of(short.maps),
        learned=Learned(
            prompts=all_of(short.learned.prompts),
            negatives=all_of(short.learned.negatives),
            prompt_as_negative=short.learned.prompt_as_negative,
            scales=all_of(short.learned.scales),
            shifts=all_of(short.learned.shifts),
        ),
    )


def sampling_flops(
    backbone: Backbone, trajectory: Trajectory, edits: Sequence[Branch], kinds: Iterable[Sequence[int]]
) -> float:
    """Count sampling: of all steps of one kind, one is run."""
    return sum(len(steps) * step_flops(backbone, trajectory, edits, steps) for steps in kinds)


def kinds_of_edit(backbone: Backbone, method: Method) -> list[list[int]]:
    """Sort the sampling steps of an edit into those that cost the same."""
    side = 2 * backbone.multiple // backbone.factor
    x0, notes = torch.zeros(1, backbone.latent_channels, side, side), list[Hashable]()
    sketch = Sketch(backbone, notes)
    prompt = prompt_for(sketch, x0)
    trajectory = stand_in(sketch, method, x0, prompt)
    return kinds_of_steps(sketch, notes, trajectory, [edit_along_nothing(sketch, method, prompt, trajectory)])


def kinds_of_steps(
    sketch: Backbone, notes: list[Hashable], trajectory: Trajectory, edits: Sequence[Branch]
) -> list[list[int]]:
    """Sort the steps of ``edits`` by what they ask of ``sketch``, which it writes into ``notes``, and compute."""
    kinds: dict[Hashable, list[int]] = {}
    walk = sample(sketch, trajectory, edits)
    for i in trajectory.steps:
        notes.clear()
        computed = traced(lambda: next(walk))
        kinds.setdefault((*notes, *computed), []).append(i)
    return list(kinds.values())


def step_flops(backbone: Backbone, trajectory: Trajectory, edits: Sequence[Branch], steps: Sequence[int]) -> float:
    """Count one of ``steps``, which cost the same; a run's first step may look ahead, so its second is preferred."""
    wanted = next((i for i in steps if i > trajectory.first), steps[0])
    first = max(wanted - 1, trajectory.first)
    walk = sample(backbone, replace(trajectory, first=first, **_from(trajectory, first)), edits)
    return [counted(lambda: next(walk))[1] for _ in range(first, wanted + 1)][-1]


def _from(trajectory: Trajectory, first: int) -> dict[str, Any]:
    gone = first - trajectory.first
    parts = ("latents", "noise", "residuals")
    return {name: list(getattr(trajectory, name))[gone:] for name in parts if getattr(trajectory, name)}


@torch.no_grad()
def maps_held(backbone: Backbone, method: Method, x0: Tensor) -> tuple[int, int]:
    """Walk the source branch's first steps; return the most steps recorded and held at once, and the fp32 bytes."""
    prompt = prompt_for(backbone, x0)
    trajectory = stand_in(backbone, method, x0, prompt)
    edit = edit_along_nothing(backbone, method, prompt, trajectory)
    recordings: list[list[weakref.ref[Tensor]]] = []
    held = [(0, 0)]

    def watched(source: Iterator[Recorded]) -> Iterator[Recorded]:
        for recorded in islice(source, MOST):
            recordings.append([weakref.ref(value) for value in recorded.seen.values()])
            alive = [sum(_count(value) for value in step) for step in recordings]
            held.append((sum(size > 0 for size in alive), 4 * sum(alive)))
            yield recorded
            del recorded  # this watcher keeps nothing alive itself

    with tapped(backbone, touched(trajectory, [edit])) as taps:
        source = SourceBranch(
            backbone, taps, trajectory, edit.conditioning, edit.control.records, edit.control.prompt_only
        )
        deque(sliding(watched(edit.control.walk(source)), *edit.control.window), maxlen=0)  # keeps none alive
    return max(held)


def _count(value: weakref.ref[Tensor]) -> int:
    tensor = value()
    return 0 if tensor is None else tensor.numel()


def direction_flops(backbone: Backbone, method: Method) -> float:
    """Count the text encoder on all sentences that the method's edit direction between two words is made of."""
    counts: list[int] = []

    def noted(_: tuple[str, str], sentences: int) -> Direction:
        counts.append(sentences)
        return Direction(torch.zeros(1, 1, 1), {})

    method.conditioning.generated(make_task("cat", "dog"), noted)
    each = counted(lambda: backbone.embed(["a photo"]))[1]
    return float(2 * sum(counts) * each)


def auto_mask_flops(backbone: Backbone, x0: Tensor) -> int:
    """Count the looks of the mask ``auto`` at one picture."""
    seen = flops_of(lambda: where_words_look(backbone, x0[:1], NOTHING_SAID, [0]))
    return seen - 2 * flops_of(lambda: backbone.embed(["a photo"]))  # the prompts are the edit's own
