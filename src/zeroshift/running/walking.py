"""The steps of a run: what is planned and checked before them, and how far it is."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zeroshift.asked.request import Request
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.direction import Direction
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.finite import check_finite
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.masks.bounds import bound_as
from zeroshift.methods.base import Planned, plan
from zeroshift.results import Result
from zeroshift.running.sampling import Step, sample

INVERT, EDIT, AGAIN = "invert", "edit", "again"
STAGES = (INVERT, EDIT, AGAIN)
"""of an edit's run, in their order; the last is a second try"""


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a run is."""

    stage: str
    """of an edit one of ``STAGES``; other work names its own"""
    done: int
    total: int
    """network steps of the stage"""
    latents: Tensor | None
    """estimate of the clean latents: requests x pictures along the first axis; None while inverting"""
    results: tuple[tuple[Result, ...], ...] = ()
    """after the last step: one tuple per picture, one result per request"""
    trajectory: Trajectory | None = None
    """after the last step of inverting: what ``translate`` can start from next time"""


def prepared(backbone: Backbone, requests: Sequence[Request], vgg: Vgg | None) -> list[Direction | None]:
    """Every request's edit direction, if it has one; what cannot be done is refused before the long work.

    Raises:
        Unsupported: the network lacks layers that a control works on.
        ValueError: a task's own direction is of another text encoder, or in vain.
    """
    for request in requests:
        for part in request.method.controls:
            part.check_network(backbone.sites)
            part.check_helpers(backbone, vgg)
    return [r.method.conditioning.direction(backbone, r.task) for r in requests]


def planned_for(
    backbone: Backbone,
    requests: Sequence[Request],
    directions: Sequence[Direction | None],
    prompt: Embedding,
    trajectory: Trajectory,
    pictures: Tensor | None,
    vgg: Vgg | None,
) -> list[Planned]:
    photograph = pictures is not None

    def run_of(request: Request, direction: Direction | None) -> EditContext:
        method = request.method
        return EditContext(
            backbone,
            request.task,
            prompt,
            trajectory,
            method.guidance_scale,
            photograph,
            direction,
            pictures=pictures,
            vgg=vgg,
            returns_at=method.inversion.returns_at(method.guidance_scale) if photograph else None,
        )

    return [
        plan(bound_as(r) if photograph else r.method, run_of(r, direction))
        for r, direction in zip(requests, directions, strict=True)
    ]


def walk(
    backbone: Backbone, trajectory: Trajectory, planned: Sequence[Planned], reconstruct: bool
) -> Generator[Progress, None, Step]:
    """Yield every step but the last, which is returned: whoever goes on yields it with its results."""
    for step in sample(backbone, trajectory, [p.branch for p in planned], reconstruct=reconstruct):
        progress = progress_of(step, trajectory)
        check_finite(step.targets, "the UNet", f"at step {progress.done} of {progress.total} of the edit")
        if progress.done < progress.total:
            yield progress
    return step


def progress_of(step: Step, trajectory: Trajectory) -> Progress:
    done, total = step.i + 1 - trajectory.first, len(trajectory.steps)
    return Progress(EDIT, done, total, torch.cat(step.previews))
