"""What a run is asked to do, and how that is written down."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import torch
from pydantic import TypeAdapter

from zeroshift.backbones.base import Backbone
from zeroshift.conditioning.task import Task
from zeroshift.image import Fit, Source
from zeroshift.methods import Pix2PixZero


@dataclass(frozen=True)
class Request:
    """One thing to do to the pictures of a run."""

    task: Task
    method: Pix2PixZero


def check_shared(requests: Sequence[Request], photograph: bool) -> None:
    if any(_source_of(other, photograph) != _source_of(requests[0], photograph) for other in requests[1:]):
        raise ValueError(
            "Edits of one run share source prompt, inversion, steps and whatever guides the source (negative prompt, "
            "guidance scale); run the others on their own."
        )


def _source_of(request: Request, photograph: bool) -> tuple[object, ...]:
    """Return what the source branch depends on; a photograph's own prompt as negative leaves it unguided."""
    method = request.method
    unguided = photograph and method.conditioning.negative is None
    guidance = None if unguided else (method.conditioning.negative or "", method.guidance_scale)
    return request.task.source_prompt, method.inversion, method.steps, guidance


def inversion_facts(
    backbone: Backbone, sources: Sequence[Source], request: Request, *, seed: int, fit: Fit
) -> dict[str, str]:
    """Return all that an inversion depends on: what is saved with it, what a file is checked by, a cache's key."""
    options = TypeAdapter(type(request.method.inversion)).dump_python(request.method.inversion, mode="json")
    return {
        "model_sha256": backbone.identity.sha256,
        "source_sha256": " ".join(source.sha256 for source in sources),
        "prompt": request.task.source_prompt,
        "inversion": json.dumps(options, sort_keys=True),
        "steps": str(request.method.steps),
        "seed": str(seed),
        "fit": fit,
    }


def describe(backbone: Backbone, request: Request) -> dict[str, object]:
    """Return the part of a recipe that says what was asked for and by what it was done."""
    task = request.task
    options = TypeAdapter(type(request.method)).dump_python(request.method, mode="json")
    return {
        "command": "edit",
        "method": request.method.name,
        "options": options,
        "source": task.source,
        "target": task.target,
        "source_prompt": task.source_prompt,
        "target_prompt": task.target_prompt,
        **made_by(backbone),
    }


def made_by(backbone: Backbone) -> dict[str, object]:
    """Return what ran: model, versions, threads, device, precision."""
    identity = backbone.identity
    return {
        "zeroshift": version("zeroshift"),
        "model": {"name": identity.name, "sha256": identity.sha256, "revision": identity.revision},
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers", "pillow", "numpy")},
        "threads": torch.get_num_threads(),
        "device": backbone.device.type,
        "precision": backbone.precision,
    }
