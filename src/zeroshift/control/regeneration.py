"""Regeneration: runs under rich prompts beside the source branch (ReDiffuser, arXiv:2305.04651).

The paper's figure can be read in two ways: all prompts along one chain of latents, or a chain for every prompt.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from zeroshift.conditioning.prompts import StepPrompts
from zeroshift.conditioning.rich import RichRows
from zeroshift.control.base import StepContext
from zeroshift.control.guidance import PROBS, gradient_of_rows, in_units, moved
from zeroshift.diffusion.prediction import guided
from zeroshift.diffusion.sites import NOTHING, Recording, recorder
from zeroshift.diffusion.source_branch import Recorded, SourceBranch, step_of

Followed: TypeAlias = Callable[[Tensor, int, SourceBranch], Tensor]
"""what becomes of a regenerated latent before a step"""


def shared(source: SourceBranch, rich: RichRows, followed: Followed) -> Iterator[Recorded]:
    """Walk the source branch; its regenerated rows look at latents of their own."""
    x = source.trajectory.start
    for i in source.trajectory.steps:
        beside = followed(x, i, source)
        rows = (*(beside for _ in rich.shares), *(x for _ in rich.own(i).embeddings))
        recorded = step_of(source, i, x, rows)
        x = recorded.following
        yield recorded
        del recorded  # else it would live while the next is made


def chain(source: SourceBranch, rich: RichRows, lambda_xa: float, followed: Followed) -> Iterator[Recorded]:
    """Walk the source branch and beside it a run for every regenerated prompt, each guided to the one before.

    How they are guided is open in the paper; here as the edit is, with its weight and guidance scale.
    """
    plain = replace(source, conditioning=StepPrompts(rich.own, rich.target, rich.strength))
    x = source.trajectory.start
    latents = [x for _ in rich.shares]
    for i in source.trajectory.steps:
        recorded = step_of(plain, i, x)
        if recorded.seen:  # for maps that nobody looks at nothing runs
            before = [followed(latent, i, source) for latent in latents]
            latents, recorded = links(source, rich, lambda_xa, before, recorded)
        x = recorded.following
        yield recorded
        del recorded  # else it would live while the next is made


def links(
    source: SourceBranch, rich: RichRows, lambda_xa: float, before: list[Tensor], recorded: Recorded
) -> tuple[list[Tensor], Recorded]:
    """Take one step of every regenerated run; return the next latents, and the step with their maps before its own."""
    maps, latents = [recorded.seen], list[Tensor]()
    for latent, share in zip(before, rich.shares, strict=True):
        text = rich.along(recorded.i, share)
        here = StepContext(source.backbone, source.trajectory, source.taps, recorded.i, text, ())
        reached, regenerated = regenerate(here, latent, maps[-1], lambda_xa)
        latents.append(reached)
        maps.append(regenerated)
    count = len(recorded.x)
    joined = {key: torch.cat([*(m[key][-count:] for m in maps[1:]), maps[0][key]]) for key in maps[-1]}
    return latents, replace(recorded, seen={**recorded.seen, **joined})


def regenerate(here: StepContext, x: Tensor, reference: Recording, lambda_xa: float) -> tuple[Tensor, Recording]:
    """Take a step guided to the maps ``reference``; return the next latent and the maps of every row on the way."""
    seen: Recording = {}
    rows: tuple[Tensor, ...] = (x,)
    if lambda_xa:
        weight = in_units(lambda_xa, x, here.backbone.sites)
        rows = moved(rows, weight * gradient_of_rows(rows, here, reference, here.text))
    with here.taps.listening(recorder(seen), lambda site: PROBS if (site, "probs") in reference else NOTHING):
        out = guided(here.backbone, here.taps, rows, here.timestep, here.text)
    x0, eps = here.schedule.split(rows[0], out, here.level)
    return here.trajectory.advance(x0, eps, here.i), seen
