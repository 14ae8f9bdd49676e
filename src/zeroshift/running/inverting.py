"""The inversion of a run: made, taken from a store, or given and checked."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from zeroshift.asked.request import Request, inversion_facts
from zeroshift.diffusion.agreement import check_facts
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.finite import check_finite
from zeroshift.diffusion.noise import check_seeds
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.framed import Encoded, FramedPhoto, stacked
from zeroshift.inversion.base import CleanLatents
from zeroshift.inversions import InversionStore, inversion_key
from zeroshift.methods.base import inversion_plan
from zeroshift.running.walking import INVERT, Progress


def invert(
    backbone: Backbone, frames: Sequence[FramedPhoto], request: Request, *, seeds: Sequence[int]
) -> Iterator[Progress]:
    """Only invert pictures as ``translate`` does; the last step has the trajectory.

    Raises:
        ValueError: the pictures frame to different sizes, or there are more or fewer seeds than pictures.
    """
    check_seeds(seeds, frames)
    prompt = backbone.embed([request.task.source_prompt]).repeat(len(frames))
    yield from inverted(Encoded(backbone, stacked(frames)), frames, request, prompt, seeds)


def found(
    photographs: Encoded,
    frames: Sequence[FramedPhoto],
    request: Request,
    prompt: Embedding,
    seeds: Sequence[int],
    inversions: InversionStore | None,
) -> Generator[Progress, None, Trajectory]:
    """The inversion that is kept, or a new one that is kept from now on."""
    if inversions is None:
        return (yield from inverted(photographs, frames, request, prompt, seeds))
    key = inversion_key(photographs.backbone, frames, request, seeds=seeds)
    trajectory = inversions.get(key)
    if trajectory is None:
        trajectory = yield from inverted(photographs, frames, request, prompt, seeds)
        inversions.put(key, trajectory)
    return trajectory


def inverted(
    photographs: Encoded, frames: Sequence[FramedPhoto], request: Request, prompt: Embedding, seeds: Sequence[int]
) -> Generator[Progress, None, Trajectory]:
    """A new inversion, step by step."""
    backbone, photograph = photographs.backbone, CleanLatents(photographs.pictures, photographs.x0, prompt)
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
            yield Progress(INVERT, stages, stages, None, trajectory=trajectory)
            return trajectory
        done += 1
        check_finite([latents], "the UNet", f"at step {done} of {stages} of the inversion")
        if done < stages:  # the last comes with the trajectory
            yield Progress(INVERT, done, stages, None)


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
