"""One edit, from picture to picture: the core behind Python, command line and everything else."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from zeroshift.asked.request import Request, check_shared, describe, tiles
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.noise import check_seeds
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.framed import Encoded, FramedPhoto, stacked
from zeroshift.image.tensors import to_pictures
from zeroshift.inversions import InversionStore
from zeroshift.masks.bounds import bounded, with_stills
from zeroshift.masks.growing import grown
from zeroshift.masks.locating import Segmenter
from zeroshift.masks.masking import masked_by, placed
from zeroshift.recipe import check_rows
from zeroshift.restoring import Restorer, restorer_for
from zeroshift.results import Detail, decode, put_back
from zeroshift.running.inverting import check_given, found
from zeroshift.running.walking import Progress, planned_for, prepared, progress_of, walk


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
    restorer: Restorer | None = None,
) -> Iterator[Progress]:
    """Edit pictures that frame to one size, all requests on the same inversion; yield after every network step.

    The requests share source prompt, inversion and steps: those of the first. ``reconstruct`` also decodes the
    source branch. With the ``trajectory`` of an earlier run of the same ``inversion_facts``, or one that
    ``inversions`` has kept, nothing is inverted; what is inverted is given to ``inversions``.
    ``seeds`` has one seed per picture, so that a picture's result depends on what it is batched with by rounding
    alone, which a guided inversion may enlarge. ``vgg`` is for refinement, ``segmenter`` finds masks that the words
    would, ``restorer`` redraws results that ask for it.

    Raises:
        ValueError: the pictures frame to different sizes, the requests cannot share one inversion (see
            ``batching.grouped``), there are more or fewer seeds than pictures, or the ``trajectory`` is not what this
            run would have made itself.
    """
    check_seeds(seeds, frames)
    check_rows(len(frames))
    check_shared(requests, photograph=True)
    redraw = [restorer_for(restorer, request.task.target_prompt, request.restored) for request in requests]
    lead, photographs = requests[0], Encoded(backbone, stacked(frames))
    prompt = backbone.embed([lead.task.source_prompt]).repeat(len(frames))
    directions = prepared(backbone, requests, vgg)
    if trajectory is None:
        trajectory = yield from found(photographs, frames, lead, prompt, seeds, inversions)
    else:
        check_given(backbone, frames, lead, seeds, trajectory)
    planned = planned_for(backbone, requests, directions, prompt, trajectory, photographs.pictures, vgg)
    places = placed(frames, requests, photographs, seeds, segmenter)
    within = [
        bounded(one, request, frames, where, photographs)
        for one, request, where in zip(planned, requests, places, strict=True)
    ]
    step = yield from walk(backbone, trajectory, within, reconstruct)
    facts = [{**describe(backbone, r, segmenter, restorer), **p.facts} for r, p in zip(requests, planned, strict=True)]
    natives = [
        (edited if by is None else [*map(by.restored, edited)], source)
        for by, (edited, source) in zip(redraw, decode(backbone, step, reconstruct), strict=True)
    ]
    places = grown(places, frames, requests, backbone, step.targets, natives, seeds, segmenter)
    details = _details(requests, photographs, redraw)
    passed = tiles(backbone, frames[0].pixels.size)
    origins = [_origin(frames, row, seeds[row], trajectory) | passed for row in range(len(frames))]
    results = put_back(natives, frames, facts, origins, places, details)
    yield replace(progress_of(step, trajectory), results=with_stills(results, requests, frames))


def _details(
    requests: Sequence[Request], photographs: Encoded, redraw: Sequence[Restorer | None]
) -> list[Detail | None]:
    """What is given back to every request's edits, if it asks for any: what they lack where they changed nothing."""
    if not any(request.detail for request in requests):
        return [None] * len(requests)
    plain = to_pictures(photographs.backbone.decode(photographs.x0))
    return [
        Detail(plain if by is None else [*map(by.restored, plain)], request.detail) if request.detail else None
        for request, by in zip(requests, redraw, strict=True)
    ]


def _named(file: str) -> dict[str, str]:
    """The bare name of a photograph's file, where text can hold it."""
    name = Path(file).name if file else ""
    return {"source_path": name} if name and name.isprintable() else {}


def _origin(frames: Sequence[FramedPhoto], row: int, seed: int, trajectory: Trajectory) -> dict[str, object]:
    """What a recipe says of its picture."""
    frame = frames[row]
    return {
        "fit": frame.fit,
        "seed": seed,
        "rows": len(frames),
        "row": row,
        "source_sha256": frame.photo.sha256,
        **_named(frame.photo.file),
        "inversion_sha256": trajectory.sha256(row),
        **({} if frame.caption is None else {"caption": frame.caption}),
        **({} if frame.region is None else {"region": frame.region}),
        **({} if frame.size is None else {"size": frame.size}),
        **masked_by(frame),
    }
