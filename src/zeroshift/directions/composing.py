"""Sums of edit directions: "cat to dog" and "photo to sketch" at once, one backwards, one stronger."""

import json
import math
from collections.abc import Sequence

import torch

from zeroshift.conditioning.direction import Direction


def compose(directions: Sequence[Direction], weights: Sequence[float]) -> Direction:
    """The weighted sum of directions; a weight of -1 turns one round.

    Raises:
        ValueError: there are none, or more or fewer weights, one is no finite number, or they are of
            different text encoders.
    """
    if not directions or len(directions) != len(weights):
        raise ValueError(
            f"Give one weight for every direction; these are {len(directions)} and {len(weights)} weights."
        )
    if odd := [weight for weight in weights if not math.isfinite(weight)]:
        raise ValueError(f"A weight is a finite number, and one of these is {odd[0]}; give another.")
    check_alike(directions)
    delta = torch.stack([w * d.delta.float() for d, w in zip(directions, weights, strict=True)]).sum(0)
    pooled = [w * d.pooled.float() for d, w in zip(directions, weights, strict=True) if d.pooled is not None]
    found = Direction(delta, _provenance(directions, weights), torch.stack(pooled).sum(0) if pooled else None)
    if not found.delta.any():
        raise ValueError("These directions cancel out, so that their sum would change nothing; give other weights.")
    return found


def check_alike(directions: Sequence[Direction]) -> None:
    """Refuse directions that cannot be of one text encoder.

    Raises:
        ValueError: shapes or known text encoders differ.
    """
    shapes = {(tuple(d.delta.shape), d.pooled is not None and tuple(d.pooled.shape)) for d in directions}
    encoders = {d.provenance[key] for d in directions for key in ("text_sha256",) if key in d.provenance}
    if len(shapes) > 1 or len(encoders) > 1:
        named = " and ".join(
            f"{d.name or 'one'} {tuple(d.delta.shape[1:])} of {d.provenance.get('model', 'an unknown model')}"
            for d in directions
        )
        raise ValueError(f"Directions can be added if they are of one text encoder, and these are {named}.")


def _provenance(directions: Sequence[Direction], weights: Sequence[float]) -> dict[str, str]:
    """Where a sum leads from and to, and what it is made of."""
    ends = [
        (d.provenance["source"], d.provenance["target"])[:: 1 if w > 0 else -1]
        for d, w in zip(directions, weights, strict=True)
        if d.name and w
    ]
    names = {"source": ", ".join(a for a, _ in ends), "target": ", ".join(b for _, b in ends)} if ends else {}
    parts = [{"sha256": d.sha256, "weight": w, **d.provenance} for d, w in zip(directions, weights, strict=True)]
    model: dict[str, str] = {}
    for key in ("model", "model_sha256", "text_sha256"):
        known = {d.provenance.get(key) for d in directions}
        if len(known) == 1 and (value := known.pop()) is not None:
            model[key] = value
    return {**names, "origin": "composed", "parts": json.dumps(parts, sort_keys=True), **model}
