"""One edit, from picture to picture: the core behind Python, command line and everything else."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from zeroshift.bounds import bound_as, bounded, with_stills
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.prompts import FixedPrompts
from zeroshift.control.base import Control
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.agreement import check_facts
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding, guidance_rows
from zeroshift.diffusion.finite import check_finite
from zeroshift.diffusion.noise import check_seeds, random_start
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.image.tensors import to_pictures
from zeroshift.inversion.base import CleanLatents
from zeroshift.inversions import InversionStore, inversion_key
from zeroshift.locating import Segmenter
from zeroshift.masking import masked_by, placed
from zeroshift.methods.base import Planned, inversion_plan, plan
from zeroshift.recipe import GenerateRecipe, check_rows
from zeroshift.request import Request, check_shared, describe, inversion_facts, made_by, tiles
from zeroshift.results import Detail, FramedPhoto, Natives, Result, decode, put_back, recipe_of, stacked
from zeroshift.sampling import Branch, Step, sample


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a run is."""

    stage: str
    """invert or edit"""
    done: int
    total: int
    """network steps of the stage"""
    latents: Tensor | None
    """estimate of the clean latents: requests x pictures along the first axis; None while inverting"""
    results: tuple[tuple[Result, ...], ...] = ()
    """after the last step: one tuple per picture, one result per request"""
    trajectory: Trajectory | None = None
    """after the last step of inverting: what ``translate`` can start from next time"""


def translate(
    backbone: Backbone,
    frames: Sequence[FramedPhoto],
    requests: Sequence[Request],
    *,
    seeds: Sequence[int],
    reconstruct: bool = False,
    trajectory: Trajectory | None = None,
    inversions: InversionStore | None = None,
    vgg: Vgg | None = None,
    segmenter: Segmenter | None = None,
) -> Iterator[Progress]:
    """Edit pictures that frame to one size, all requests on the same inversion; yield after every network step.

    The requests share source prompt, inversion and steps: those of the first. ``reconstruct`` also decodes the
    source branch. With the ``trajectory`` of an earlier run of the same ``inversion_facts``, or one that
    ``inversions`` has kept, nothing is inverted; what is inverted is given to ``inversions``.
    ``seeds`` has one seed per picture, so that a picture's result does not depend on what it is batched with. ``vgg``
    is for refinement, ``segmenter`` finds masks that the words would.

    Raises:
        ValueError: the pictures frame to different sizes, the requests cannot share one inversion (see
            ``batching.grouped``), there are more or fewer seeds than pictures, or the ``trajectory`` is not what this
            run would have made itself.
    """
    check_seeds(seeds, frames)
    check_rows(len(frames))
    check_shared(requests, photograph=True)
    lead, pictures = requests[0], stacked(frames)
    prompt = backbone.embed([lead.task.source_prompt]).repeat(len(frames))
    directions = _prepared(backbone, requests, vgg)
    if trajectory is None:
        trajectory = yield from _found(backbone, frames, lead, prompt, seeds, inversions)
    else:
        check_given(backbone, frames, lead, seeds, trajectory)
    planned = _planned(backbone, requests, directions, prompt, trajectory, pictures, vgg)
    places = placed(backbone, frames, requests, pictures, seeds, segmenter)
    within = [
        bounded(backbone, one, request.method, frames, where, pictures)
        for one, request, where in zip(planned, requests, places, strict=True)
    ]
    step = yield from _walk(backbone, trajectory, within, reconstruct)
    facts = [{**describe(backbone, r, segmenter), **p.facts} for r, p in zip(requests, planned, strict=True)]
    natives = decode(backbone, step, reconstruct)
    details = _details(backbone, requests, pictures)
    passed = tiles(backbone, frames[0].pixels.size)
    origins = [_origin(frames, row, seeds[row], trajectory) | passed for row in range(len(frames))]
    results = put_back(natives, frames, facts, origins, places, details)
    yield replace(_progress(step, trajectory), results=with_stills(results, requests, frames))


def _details(backbone: Backbone, requests: Sequence[Request], pictures: Tensor) -> list[Detail | None]:
    """What is given back to every request's edits, if it asks for any."""
    if not any(request.detail for request in requests):
        return [None] * len(requests)
    plain = to_pictures(backbone.decode(backbone.encode(pictures)))
    return [Detail(plain, request.detail) if request.detail else None for request in requests]


def check_given(
    backbone: Backbone, frames: Sequence[FramedPhoto], request: Request, seeds: Sequence[int], trajectory: Trajectory
) -> None:
    """Refuse an inversion that this run would not have made itself; what changes rounding alone is let through.

    Raises:
        ValueError: it is of other pictures, steps, prompts or options.
    """
    if trajectory.facts:
        check_facts("that was given", trajectory.facts, inversion_facts(backbone, frames, request, seeds=seeds))
    found, wanted = (len(trajectory.start), trajectory.schedule.steps), (len(frames), request.method.steps)
    if found != wanted:
        raise ValueError(
            f"The inversion that was given is of {found[0]} pictures in {found[1]} steps, and this edit of {wanted[0]} "
            f"in {wanted[1]}; invert anew."
        )


def _origin(frames: Sequence[FramedPhoto], row: int, seed: int, trajectory: Trajectory) -> dict[str, object]:
    """What a recipe says of its picture."""
    frame = frames[row]
    return {
        "fit": frame.fit,
        "seed": seed,
        "rows": len(frames),
        "row": row,
        "source_sha256": frame.photo.sha256,
        "inversion_sha256": trajectory.sha256(row),
        **({} if frame.caption is None else {"caption": frame.caption}),
        **({} if frame.region is None else {"region": frame.region}),
        **({} if frame.size is None else {"size": frame.size}),
        **masked_by(frame),
    }


def invert(
    backbone: Backbone, frames: Sequence[FramedPhoto], request: Request, *, seeds: Sequence[int]
) -> Iterator[Progress]:
    """Only invert pictures as ``translate`` does; the last step has the trajectory.

    Raises:
        ValueError: the pictures frame to different sizes, or there are more or fewer seeds than pictures.
    """
    check_seeds(seeds, frames)
    prompt = backbone.embed([request.task.source_prompt]).repeat(len(frames))
    yield from _inverted(backbone, frames, request, prompt, seeds)


def translate_generated(
    backbone: Backbone, requests: Sequence[Request], *, seeds: Sequence[int], vgg: Vgg | None = None
) -> Iterator[Progress]:
    """Edit pictures that the model generates itself from the source prompt, one per seed (pix2pix-zero, section 4.1).

    The results' ``reconstruction`` is the generated source.

    Raises:
        ValueError: the requests do not share source prompt and steps.
    """
    check_rows(len(seeds))
    check_seeds(seeds, seeds)
    check_shared(requests, photograph=False)
    lead = requests[0]
    prompt = backbone.embed([lead.task.source_prompt]).repeat(len(seeds))
    directions = _prepared(backbone, requests, vgg)
    start = random_start(latent_shape(backbone), seeds).to(prompt.tokens)
    trajectory = Trajectory(backbone.schedule(lead.method.steps), (start,))
    planned = _planned(backbone, requests, directions, prompt, trajectory, None, vgg)
    step = yield from _walk(backbone, trajectory, planned, reconstruct=True)
    natives = decode(backbone, step, reconstruct=True)
    passed = tiles(backbone, (backbone.size, backbone.size))
    facts = [{**describe(backbone, r), **p.facts, **passed} for r, p in zip(requests, planned, strict=True)]
    yield replace(_progress(step, trajectory), results=_generated(natives, requests, facts, seeds))


def _generated(
    natives: Natives, requests: Sequence[Request], facts: Sequence[dict[str, object]], seeds: Sequence[int]
) -> tuple[tuple[Result, ...], ...]:
    """Every picture's results, one per request; of strength 0 they are the generated sources."""

    def result_of(edit: Image.Image, source: Image.Image | None, moves: float, recipe: dict[str, object]) -> Result:
        shown = edit if moves or source is None else source
        return Result(shown, shown, source, recipe, before=source)

    alone = len(seeds) == 1
    places = [{"seed": seed} | ({} if alone else {"rows": len(seeds), "row": row}) for row, seed in enumerate(seeds)]
    return tuple(
        tuple(
            result_of(edits[row], sources[row], request.method.strength, recipe_of(fact, place))
            for (edits, sources), request, fact in zip(natives, requests, facts, strict=True)
        )
        for row, place in enumerate(places)
    )


def _prepared(backbone: Backbone, requests: Sequence[Request], vgg: Vgg | None) -> list[Direction | None]:
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


def generate(
    backbone: Backbone, prompts: Sequence[str], *, seeds: Sequence[int], steps: int, guidance_scale: float
) -> Iterator[Progress]:
    """Sample one picture per prompt and seed; yield after every network step.

    Raises:
        ValueError: a prompt is empty, a number is none or out of range, or there are more or fewer seeds than prompts.
    """
    check_seeds(seeds, prompts)
    if type(steps) is not int:
        raise ValueError(f"The number of steps is a whole number, not {steps!r}.")
    if not 1 <= guidance_scale <= 50:
        raise ValueError(f"The guidance scale is a number from 1, where it is off, to 50, not {guidance_scale!r}.")
    check_rows(len(prompts))
    if any(not prompt.strip() for prompt in prompts):
        raise ValueError("The prompt is empty; describe the picture, as in: a photo of a cat.")
    rows = guidance_rows(backbone.embed([""]).repeat(len(prompts)), backbone.embed(prompts), guidance_scale)
    start = random_start(latent_shape(backbone), seeds).to(rows.tokens)
    trajectory = Trajectory(backbone.schedule(steps), (start,))
    only = Planned(Branch(FixedPrompts(rows, rows), Control()), {})
    step = yield from _walk(backbone, trajectory, [only], reconstruct=False)
    pictures = to_pictures(backbone.decode(step.targets[0]))
    recipe = {
        "command": "generate",
        "steps": steps,
        "guidance_scale": guidance_scale,
        **made_by(backbone),
        **tiles(backbone, (backbone.size, backbone.size)),
    }
    results = []
    for row, (picture, prompt, seed) in enumerate(zip(pictures, prompts, seeds, strict=True)):
        own = {"seed": seed, "prompt": prompt, "rows": len(prompts), "row": row}
        written = GenerateRecipe.model_validate({**recipe, **own}).written()
        results.append((Result(picture, picture, None, written),))
    yield replace(_progress(step, trajectory), results=tuple(results))


def latent_shape(backbone: Backbone) -> tuple[int, int, int]:
    """The shape (C, h, w) of one latent at the model's own size."""
    side = backbone.size // backbone.factor
    return (backbone.latent_channels, side, side)


def _found(
    backbone: Backbone,
    frames: Sequence[FramedPhoto],
    request: Request,
    prompt: Embedding,
    seeds: Sequence[int],
    inversions: InversionStore | None,
) -> Generator[Progress, None, Trajectory]:
    """The inversion that is kept, or a new one that is kept from now on."""
    if inversions is None:
        return (yield from _inverted(backbone, frames, request, prompt, seeds))
    key = inversion_key(backbone, frames, request, seeds=seeds)
    trajectory = inversions.get(key)
    if trajectory is None:
        trajectory = yield from _inverted(backbone, frames, request, prompt, seeds)
        inversions.put(key, trajectory)
    return trajectory


def _inverted(
    backbone: Backbone, frames: Sequence[FramedPhoto], request: Request, prompt: Embedding, seeds: Sequence[int]
) -> Generator[Progress, None, Trajectory]:
    pictures = stacked(frames)
    photograph = CleanLatents(pictures, backbone.encode(pictures), prompt)
    check_finite([photograph.x0], "the VAE's encoder", "before the first step")
    method = request.method
    stages, done = method.inversion.stages(method.steps), 0
    steps = method.inversion.invert(backbone, photograph, inversion_plan(method, backbone, seeds))
    while True:
        try:
            latents = next(steps)
        except StopIteration as finished:
            facts = inversion_facts(backbone, frames, request, seeds=seeds)
            trajectory: Trajectory = replace(finished.value, facts=facts)
            yield Progress("invert", stages, stages, None, trajectory=trajectory)
            return trajectory
        done += 1
        check_finite([latents], "the UNet", f"at step {done} of {stages} of the inversion")
        if done < stages:  # the last comes with the trajectory
            yield Progress("invert", done, stages, None)


def _planned(
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
        plan(bound_as(r.method) if photograph else r.method, run_of(r, direction))
        for r, direction in zip(requests, directions, strict=True)
    ]


def _walk(
    backbone: Backbone, trajectory: Trajectory, planned: Sequence[Planned], reconstruct: bool
) -> Generator[Progress, None, Step]:
    """Yield every step but the last, which is returned: whoever goes on yields it with its results."""
    for step in sample(backbone, trajectory, [p.branch for p in planned], reconstruct=reconstruct):
        progress = _progress(step, trajectory)
        check_finite(step.targets, "the UNet", f"at step {progress.done} of {progress.total} of the edit")
        if progress.done < progress.total:
            yield progress
    return step


def _progress(step: Step, trajectory: Trajectory) -> Progress:
    done, total = step.i + 1 - trajectory.first, len(trajectory.steps)
    return Progress("edit", done, total, torch.cat(step.previews))
