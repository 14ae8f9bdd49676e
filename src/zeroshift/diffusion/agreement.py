"""Whether a saved inversion is what an edit would have made itself."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.trajectory import Trajectory

_LAST_BITS = ("device", "machine", "precision", "threads", "compiled", "tile")
"""facts that change no more than rounding, besides versions"""
_NAMES = {"source_sha256": "photograph", "model_sha256": "model", "regions": "region", "size": "size of its frame"}


def check_facts(name: str | Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Refuse an inversion that an edit with the facts ``wanted`` would not have made itself.

    Args:
        name: what sentences call the inversion, after "The inversion".

    Returns:
        What to warn about: facts that differ and change rounding alone.

    Raises:
        ValueError: another fact differs.
    """
    facts = dict.fromkeys(
        [*wanted, *(fact for fact in found if fact in ("regions", "size"))]
    )  # there only if not usual
    apart = {fact: wanted.get(fact) for fact in facts if found.get(fact) != wanted.get(fact)}
    if "machine" not in found:
        apart.pop("machine", None)  # older versions did not say it
    rounding = {fact for fact in apart if fact in _LAST_BITS or fact.endswith("_version")}
    for fact in (fact for fact in apart if fact not in rounding):
        raise ValueError(
            f"The inversion {name} has another {_NAMES.get(fact, fact.replace('_', ' '))} than this edit"
            f"{difference(fact, found.get(fact), apart[fact])}; give the edit the same, or invert anew."
        )
    there = [f"{fact.replace('_', ' ')} {found.get(fact)} instead of {apart[fact]}" for fact in apart]
    return [f"The inversion {name} was made with {', '.join(there)}; last bits may differ."] if there else []


def difference(name: str, found: str | None, wanted: str | None) -> str:
    """What two values of a fact are, in brackets; nothing of hashes."""
    if name == "inversion" and found is not None and wanted is not None:
        pairs = list(_options_apart(json.loads(found), json.loads(wanted)))
        return f" ({', '.join(f'`{key}` {there} instead of {here}' for key, there, here in pairs)})"
    return "" if name in _NAMES or found is None else f' ("{found}" instead of "{wanted}")'


def _options_apart(found: Mapping[str, object], wanted: Mapping[str, object]) -> Iterator[tuple[str, object, object]]:
    if found.get("kind") != wanted.get("kind"):
        yield "inversion", found.get("kind"), wanted.get("kind")
        return
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            yield key, found.get(key), wanted.get(key)


def check_tensors(
    name: str | Path, trajectory: Trajectory, backbone: Backbone, size: tuple[int, int], rows: int
) -> None:
    """Refuse a saved inversion that cannot be one of ``rows`` pictures of ``size`` (width, height) in pixels.

    Raises:
        ValueError: tensors are missing, of another type or shape, no numbers, or latents zero throughout.
    """
    width, height = size
    latent = (rows, backbone.latent_channels, height // backbone.factor, width // backbone.factor)
    for part, tensors in trajectory.tensors():
        steps = len(trajectory.steps)
        counts = {1, steps + 1} if part == "latents" else {steps, trajectory.schedule.steps}
        if len(tensors) not in counts:
            raise ValueError(f"The inversion {name} has {len(tensors)} {part} for {steps} steps; invert anew.")
        fault = next((said for x in tensors if (said := _fault(part, x, latent))), None)
        if fault is not None:
            raise ValueError(f"The inversion {name} has {part} {fault}; invert anew.")


def _fault(name: str, x: Tensor, latent: tuple[int, ...]) -> str | None:
    kind = str(x.dtype).removeprefix("torch.")
    if not x.is_floating_point() and not x.is_complex():
        return f"of whole numbers ({kind})"
    if x.dtype not in (torch.float32, torch.float64):
        return f"of the type {kind}, and inversions are kept in float32"
    if not x.isfinite().all():
        return "that are not numbers"
    if name.startswith("learned."):
        return None if x.ndim == 3 and len(x) == latent[0] else f"of the shape {tuple(x.shape)}"
    if tuple(x.shape) != latent:
        return f"of the shape {tuple(x.shape)}, and this edit takes {latent}"
    return "that are zero throughout" if name == "latents" and not x.any() else None
