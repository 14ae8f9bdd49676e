"""What a run is asked to do, and how that is written down."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from pydantic import TypeAdapter

from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.machine import machine_of
from zeroshift.framed import FramedPhoto
from zeroshift.image.framing import Within
from zeroshift.installed import LIBRARIES, version, versions_of_pictures
from zeroshift.masks.locating import Segmenter, found_by
from zeroshift.methods import Method
from zeroshift.methods.base import source_key
from zeroshift.restoring import Restorer, restorer_for
from zeroshift.sentences import template_sentences

_ON_THE_SOURCE = (
    "the inversion",
    "the number of steps",
    "the source's prompts (source and negative prompt, guidance; rich prompts have the target's too)",
    "what the control does on the source (chained or blended regenerations are of one edit)",
)
"""what the parts of a source's key stand for"""
PROMPTS = ("negative", "source_text", "source_negative", "inversion_prompt")
"""options of parts that are prompts"""


@dataclass(frozen=True)
class Request:
    """One thing to do to the pictures of a run.

    Raises:
        ValueError: the method speaks of words that the task's prompts do not have.
    """

    task: Task
    method: Method
    auto_mask: bool = False
    """whether only that changes in a photograph where the subject is"""
    grown: bool = False
    """whether the result is looked at, too, which then has all of the part to grow in; only with ``auto_mask``"""
    detail: float = 0.0
    """how much of the photograph's own detail is given back where nothing changes, 0 to 1"""
    restored: bool = False
    """whether results are redrawn by the model's restorer, if it has one that knows what they show"""
    soft: int | None = None
    """pixels of the photograph over which an edit with a mask fades in; by default 1/60 of the shorter side"""
    tries: tuple[Method, ...] = ()
    """what is tried, one after another, where the target is not clear in a result"""
    kinds: tuple[Task, ...] = ()
    """edits into kinds of the target, which are tried where a result does not look good enough"""
    nearer: Within | None = None
    """what of a part that was found is tried from nearer where the target is not clear"""
    words_alone: bool = False
    """whether a strength moves the prompts and nothing else, as in version 0.1"""
    whole: bool = field(default=False, compare=False)
    """whether the target is a matter of the whole picture, such as a style, to those who know the model's words"""
    doubts: tuple[str, ...] = field(default=(), compare=False)
    """what to warn about in its words"""
    unknown: tuple[str, ...] = field(default=(), compare=False)
    """the words that the model does not know: the first of ``doubts`` names them"""

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that the text encoder is given, sentences of an edit direction aside."""
        task, parts = self.task, (self.method.conditioning, self.method.inversion)
        given = [vars(part).get(name) or "" for part in parts for name in PROMPTS]
        return (task.source_prompt, task.target_prompt, *given)

    @property
    def sentences(self) -> list[str]:
        """The template sentences that an edit direction is made of; none where it is made of something else."""
        conditioning, words = self.method.conditioning, self.task.words
        if self.task.direction is not None or words is None or vars(conditioning).get("words") != "sentences":
            return []
        return [text for word in words for text in template_sentences(word, vars(conditioning)["sentences"])]

    def __post_init__(self) -> None:
        for part in self.method.controls:
            part.check_task(self.task)


def check_shared(requests: Sequence[Request], photograph: bool) -> None:
    """Refuse requests of which one run cannot share the source branch.

    Raises:
        ValueError: source prompts differ, or what the methods do to the source.
    """
    first, *others = (source_key(request.method, request.task, photograph) for request in requests)
    apart = [name for n, name in enumerate(_ON_THE_SOURCE) if any(other[n] != first[n] for other in others)]
    if apart:
        raise ValueError(
            f"Edits of one run share the work on the source, and these differ in {' and in '.join(apart)}; run them "
            "one by one."
        )


def inversion_facts(
    backbone: Backbone, frames: Sequence[FramedPhoto], request: Request, *, seeds: Sequence[int]
) -> dict[str, str]:
    """All that an inversion's bits depend on: saved with it, what a file is checked by, a cache's key."""
    inversion = request.method.inversion
    options = TypeAdapter(type(inversion)).dump_python(inversion, mode="json")
    guidance = {"guidance_scale": str(request.method.guidance_scale)} if inversion.guided else {}
    boxes = [frame.region for frame in frames]
    regions = {"regions": json.dumps(boxes)} if any(boxes) else {}
    drawn = {"seed": " ".join(str(seed) for seed in seeds)} if inversion.seeded else {}
    return {
        "model_sha256": backbone.identity.sha256,
        "source_sha256": " ".join(frame.photo.sha256 for frame in frames),
        "prompt": request.task.source_prompt,
        "inversion": json.dumps(options, sort_keys=True),
        **guidance,
        "steps": str(request.method.steps),
        **drawn,
        "fit": frames[0].fit,
        **({} if frames[0].size is None else {"size": str(frames[0].size)}),
        **regions,
        **{name: str(side) for name, side in tiles(backbone, frames[0].pixels.size).items()},
        "device": backbone.device.type,
        "machine": machine_of(backbone.device),
        "precision": backbone.precision,
        **({"compiled": "true"} if backbone.compiled else {}),
        "threads": str(torch.get_num_threads()),
        **{f"{name}_version": version(name) for name in ("zeroshift", *LIBRARIES)},
    }


def describe(
    backbone: Backbone, request: Request, segmenter: Segmenter | None = None, restorer: Restorer | None = None
) -> dict[str, object]:
    """The part of a recipe that says what was asked for and by what it was done."""
    task = request.task
    asked = found_by(segmenter, task, grown=request.grown)
    by = {} if asked is None else {"segmenter_sha256": asked.sha256}
    redrawn = restorer_for(restorer, task.target_prompt, request.restored)
    options = TypeAdapter(type(request.method)).dump_python(request.method, mode="json")
    return {
        "command": "edit",
        "method": request.method.name,
        "options": options,
        "source": task.source,
        "target": task.target,
        "source_prompt": task.source_prompt,
        "target_prompt": task.target_prompt,
        **({"mask": "grown" if request.grown else "auto", **by} if request.auto_mask else {}),
        **({} if request.soft is None else {"soft": request.soft}),
        **({"detail": request.detail} if request.detail else {}),
        **({} if redrawn is None else {"restorer_sha256": redrawn.sha256}),
        **made_by(backbone),
    }


def tiles(backbone: Backbone, size: tuple[int, int]) -> dict[str, int]:
    """The side of the VAE's tiles, where a picture of ``size`` in pixels does not pass it whole."""
    return {} if backbone.tile is None or max(size) <= backbone.tile else {"tile": backbone.tile}


def made_by(backbone: Backbone) -> dict[str, object]:
    """What ran: model, versions, threads, device, precision."""
    identity = backbone.identity
    apart = {name: told for name, told in (("clip", identity.clip), ("loras", identity.loras)) if told}
    return {
        "zeroshift": version("zeroshift"),
        "model": {
            "name": identity.name,
            "sha256": identity.sha256,
            "revision": identity.revision,
            **{name: told for name, told in apart.items() if told},
        },
        "versions": versions_of_pictures(),
        "threads": torch.get_num_threads(),
        "device": backbone.device.type,
        "machine": machine_of(backbone.device),
        "precision": backbone.precision,
        **({"compiled": True} if backbone.compiled else {}),
    }
