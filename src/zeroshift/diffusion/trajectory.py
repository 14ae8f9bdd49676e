"""What an inversion returns: where sampling starts, and whatever it found that sampling shall use again."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.schedule import Schedule, join
from zeroshift.diffusion.sites import Recording
from zeroshift.files import check_readable, regular, write_safetensors

_FORMAT = "zeroshift.diffusion.trajectory"


@dataclass(frozen=True, eq=False)
class Learned:
    """What an inversion learned for every sampling step, noisiest first; empty where it learned nothing."""

    prompts: Sequence[Tensor] = ()
    """the source prompt's embedding, (B, L, D) (MirrorDiffusion)"""
    negatives: Sequence[Tensor] = ()
    """the negative prompt's embedding, (B, L, D) (null-text inversion); its pooled vector is the empty prompt's"""
    prompt_as_negative: bool = False
    """whether the source prompt is the negative one too (negative-prompt inversion)"""
    scales: Sequence[Tensor] = ()
    """what a prompt's tokens are multiplied by before value projections, (B, L, D) (StyleDiffusion)"""
    shifts: Sequence[Tensor] = ()
    """what is added to them after that, (B, L, D)"""

    @property
    def values(self) -> bool:
        """Whether value projections see something learned."""
        return bool(self.scales)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The source's latents on a schedule, noisiest first."""

    schedule: Schedule
    latents: Sequence[Tensor]
    """(B, C, h, w) each; the first is where sampling starts, the others may be absent"""
    replayed: bool = False
    """whether the source branch runs through ``latents`` exactly (direct inversion) instead of being integrated"""
    offset_target: bool = False
    """whether what puts the source branch back onto ``latents`` is added to target branches too"""
    first: int = 0
    """the step that sampling begins with; ``latents[0]`` lies at that level"""
    noise: Sequence[Tensor] = ()
    """noise that every step from ``first`` on adds, (B, C, h, w) each (edit-friendly inversion)"""
    residuals: Sequence[Tensor] = ()
    """what every step of every branch adds, (B, C, h, w) each (direct inversion of both branches)"""
    learned: Learned = field(default_factory=Learned)
    maps: Sequence[Recording] = ()
    """what was recorded while inverting, by sampling step; not saved with the rest"""
    multistep: bool = False
    """whether every branch takes steps of second order (``Multistep``)"""
    facts: Mapping[str, str] = field(default_factory=dict)
    """what its bits depend on (``asked.request.inversion_facts``); an edit of anything else refuses it"""

    @property
    def start(self) -> Tensor:
        """The noisiest latent."""
        # the memory layout changes a convolution's last bits; a saved trajectory shall edit as a fresh one
        return self.latents[0].contiguous()

    @property
    def steps(self) -> range:
        """The steps that sampling takes."""
        return range(self.first, self.schedule.steps)

    def at(self, i: int) -> Tensor:
        """The stored latent at level ``i``."""
        return self.latents[i - self.first].contiguous()

    def advance(self, x0: Tensor, eps: Tensor, i: int) -> Tensor:
        """The latent that step ``i`` reaches from clean part ``x0`` and noise ``eps``.

        With stored noise the step is the ancestral one, eta = 1 (Song et al. 2021, Eq. 12).
        """
        if not self.noise:
            reached = join(x0, eps, self.schedule.reached(i))
        else:
            mean, sigma = self.schedule.ancestral_mean(x0, eps, i), self.schedule.deviation(i)
            reached = mean + sigma * self.noise[i - self.first]
        return reached + self.residuals[i - self.first] if self.residuals else reached

    def tensors(self) -> Iterator[tuple[str, Sequence[Tensor]]]:
        """Yield every list of tensors that a file holds, by name, empty ones left out."""
        lists = {
            "latents": self.latents,
            "noise": self.noise,
            "residuals": self.residuals,
            "learned.prompts": self.learned.prompts,
            "learned.negatives": self.learned.negatives,
            "learned.scales": self.learned.scales,
            "learned.shifts": self.learned.shifts,
        }
        return ((name, tensors) for name, tensors in lists.items() if tensors)

    def sha256(self, row: int) -> str:
        """The hash of all that an edit of picture ``row`` takes from here."""
        digest = hashlib.sha256()
        for name, tensors in self.tensors():
            used = tensors[:1] if name == "latents" and not self.replayed else tensors
            for x in used:
                digest.update(x[row].contiguous().cpu().numpy().tobytes())
        if self.learned.prompt_as_negative:
            digest.update(b"prompt as negative")
        if self.offset_target:
            digest.update(b"offset target")
        if self.multistep:
            digest.update(b"multistep")
        return digest.hexdigest()


def save_trajectory(trajectory: Trajectory, path: Path, facts: Mapping[str, str]) -> None:
    """Write ``path`` (.safetensors) with ``facts``, which say what was inverted, how, and by which "model_sha256".

    Nothing half-written remains.

    Raises:
        ValueError: the name has another extension, or the file cannot be written.
    """
    metadata = {
        "format": _FORMAT,
        "steps": str(trajectory.schedule.steps),
        "first": str(trajectory.first),
        "replayed": json.dumps(trajectory.replayed),
        "offset_target": json.dumps(trajectory.offset_target),
        "prompt_as_negative": json.dumps(trajectory.learned.prompt_as_negative),
        "multistep": json.dumps(trajectory.multistep),
        "facts": json.dumps(dict(facts), sort_keys=True),
    }
    stacked = {name: torch.stack(list(tensors)).cpu().contiguous() for name, tensors in trajectory.tensors()}
    write_safetensors(path, to_bytes(stacked, metadata), "Inversions")


def load_trajectory(path: Path, backbone: Backbone) -> tuple[Trajectory, dict[str, str]]:
    """Read a saved inversion onto the backbone's device; return it with its facts.

    Raises:
        ValueError: the file is missing, is not an inversion, or was made with another model.
    """
    check_readable(path, f"There is no inversion {path}; make one with: zeroshift invert.")
    try:
        with safe_open(regular(path), framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata["format"] != _FORMAT:
                raise KeyError(_FORMAT)
            names = [name for name in file.keys() if name != "latents"]  # noqa: SIM118 - safetensors has no iterator
            latents = file.get_tensor("latents").to(backbone.device).unbind()
            if not latents:
                raise ValueError("no latents")
            found = {name: file.get_tensor(name).to(backbone.device).unbind() for name in names}
        facts = {str(name): str(value) for name, value in dict(json.loads(metadata["facts"])).items()}
        model, first = facts["model_sha256"], int(metadata["first"])
        steps = int(metadata["steps"])
        replayed, offset, as_negative = (
            bool(json.loads(metadata[name])) for name in ("replayed", "offset_target", "prompt_as_negative")
        )
        multistep = bool(json.loads(metadata.get("multistep", "false")))  # files of 0.1 do not say it
        rows = {name.split(".")[1]: tensors for name, tensors in found.items() if name.startswith("learned.")}
        learned = Learned(**rows, prompt_as_negative=as_negative)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} is not an inversion; make one with: zeroshift invert.") from error
    if model != backbone.identity.sha256:
        raise ValueError(f"The inversion {path} was made with another model; load that model, or invert anew.")
    noise, residuals = found.get("noise", ()), found.get("residuals", ())
    schedule = backbone.schedule(steps)
    read = Trajectory(schedule, latents, replayed, offset, first, noise, residuals, learned)
    return replace(read, multistep=multistep, facts=facts), facts
