"""What an inversion returns: where sampling starts, and the exact latents to replay where a method wants them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from zeroshift.backbones.base import Backbone
from zeroshift.files import write_safetensors
from zeroshift.schedule import Schedule

_FORMAT = "zeroshift.trajectory"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The source's latents on a schedule, noisiest first."""

    schedule: Schedule
    latents: tuple[Tensor, ...]
    """(B, C, h, w) each; the first is where sampling starts, the others may be absent"""
    replayed: bool = False
    """whether the source branch runs through ``latents`` exactly (direct inversion) instead of being integrated"""

    @property
    def start(self) -> Tensor:
        """Return the noisiest latent."""
        # the memory layout changes a convolution's last bits; a saved trajectory shall edit as a fresh one
        return self.latents[0].contiguous()

    def sha256(self, row: int) -> str:
        """Return the hash of all that an edit of picture ``row`` takes from here."""
        used = self.latents if self.replayed else self.latents[:1]
        return hashlib.sha256(b"".join(x[row].contiguous().cpu().numpy().tobytes() for x in used)).hexdigest()

    def replay(self, i: int, x: Tensor, out: Tensor) -> Tensor:
        """Return the source at level ``i``: the stored latent, or the step from ``x`` by the prediction ``out``."""
        return self.latents[i].contiguous() if self.replayed else self.schedule.advance(x, out, i - 1)


def save_trajectory(trajectory: Trajectory, path: Path, facts: Mapping[str, str]) -> None:
    """Write ``path`` (.safetensors) with ``facts``, which say what was inverted, how, and by which "model_sha256".

    Nothing half-written remains.

    Raises:
        ValueError: the name has another extension, or the file cannot be written.
    """
    metadata = {
        "format": _FORMAT,
        "steps": str(trajectory.schedule.steps),
        "replayed": json.dumps(trajectory.replayed),
        "facts": json.dumps(dict(facts), sort_keys=True),
    }
    data = to_bytes({"latents": torch.stack(trajectory.latents).cpu().contiguous()}, metadata)  # (levels, B, C, h, w)
    write_safetensors(path, data, "Inversions")


def load_trajectory(path: Path, backbone: Backbone) -> tuple[Trajectory, dict[str, str]]:
    """Read a saved inversion onto the backbone's device; return it with its facts.

    Raises:
        ValueError: the file is missing, is not an inversion, or was made with another model.
    """
    if not path.is_file():
        raise ValueError(f"There is no inversion {path}; make one with: zeroshift invert.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata["format"] != _FORMAT:
                raise KeyError(_FORMAT)
            latents = file.get_tensor("latents").to(backbone.device)
        steps, replayed = int(metadata["steps"]), bool(json.loads(metadata["replayed"]))
        facts: dict[str, str] = json.loads(metadata["facts"])
        model = facts["model_sha256"]
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not an inversion; make one with: zeroshift invert.") from error
    if model != backbone.identity.sha256:
        raise ValueError(f"The inversion {path} was made with another model; load that model, or invert anew.")
    return Trajectory(backbone.schedule(steps), latents.unbind(), replayed), facts


def check_facts(path: Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse a saved inversion that an edit with the facts ``wanted`` would not have made itself.

    Raises:
        ValueError: a fact differs.
    """
    for name, value in wanted.items():
        if found.get(name) != value:
            raise ValueError(
                f"The inversion {path} has another {name.replace('_', ' ')} ({found.get(name)}) than this edit "
                f"({value}); give the edit the same, or invert anew."
            )
