"""Moving averages whose length is chosen after the training (Karras et al. 2024, arXiv 2312.02696, section 3).

An average after step t weighs the weights after step tau by tau**exponent: it reaches back over a share of the
training, however long that was. Two of them are kept every so many steps, and sums of these come close to the average
of any other length. ``python -m zeroshift.miniature.training.average`` makes a model of one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only as once
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor, nn

from zeroshift.files import regular, write_atomically

KEPT = (0.05, 0.10)
"""lengths of the two averages, as in the paper"""
LONGEST = 1 / math.sqrt(12)
"""length of the mean of all weights, whose exponent is 0"""


@dataclass(frozen=True)
class Profile:
    """How an average weighs the past: by the power ``exponent`` of the time, up to ``step``; its integral is 1."""

    exponent: float
    step: int

    def __matmul__(self, other: "Profile") -> float:
        """The integral of the product of both, up to the step that comes first (appendix C)."""
        a, b = self.exponent + 1, other.exponent + 1
        early, late = (self, other) if self.step <= other.step else (other, self)
        return a * b / (a + b - 1) * math.pow(early.step / late.step, late.exponent) / late.step


def exponent_of(length: float) -> float:
    """The exponent of the average of a ``length``: its profile's standard deviation, as a share of the training.

    That is the square root of (exponent + 1) / ((exponent + 2)**2 (exponent + 3)) (section 3.1).

    Raises:
        ValueError: no average that weighs what is late no less than what is early has that length.
    """
    if not 0 < length <= LONGEST:
        raise ValueError(f"The length {length:g} is that of no average; give one above 0 and at most {LONGEST:.4f}.")
    roots: list[float] = np.roots([1, 7, 16 - length**-2, 12 - length**-2]).real.tolist()
    return max(0.0, *roots)


def shares(kept: Sequence[Profile], wanted: Profile) -> tuple[NDArray[np.float64], float]:
    """The multiples of ``kept`` averages that come nearest to ``wanted``, and what is missing, as a share of its norm.

    By least squares between the profiles (section 3.2).
    """
    products = np.array([[a @ b for b in kept] for a in kept])
    towards = np.array([a @ wanted for a in kept])
    found = np.linalg.lstsq(products, towards, rcond=None)[0]
    missing = 1 - (2 * found @ towards - found @ products @ found) / (wanted @ wanted)
    return found, math.sqrt(max(missing, 0.0))


@final
class PowerAverages(Callback):
    """Keeps the two averages of a network's weights while it is trained, and writes them every so many steps."""

    def __init__(self, network: nn.Module, folder: Path, every: int) -> None:
        self.network, self.folder, self.every = network, folder, every
        self.step = 0
        self.averages: list[dict[str, Tensor]] = [{} for _ in KEPT]

    def on_train_start(self, trainer: Any, module: Any) -> None:
        weights = self.network.state_dict()
        began = self.averages if self.step else [weights] * len(KEPT)
        self.averages = [
            {name: one[name].to(value.device, copy=True) for name, value in weights.items()} for one in began
        ]
        for path, profile in written(self.folder):
            if profile.step > self.step:  # of a training that was killed after its last checkpoint
                once(path.unlink)()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            return
        self.step = trainer.global_step
        current = [*self.network.state_dict().values()]
        for average, length in zip(self.averages, KEPT, strict=True):
            kept = (1 - 1 / self.step) ** (exponent_of(length) + 1)  # section 3.1
            torch._foreach_lerp_([*average.values()], current, 1 - kept)
        if not self.step % self.every:
            self.write()

    def on_train_end(self, trainer: Any, module: Any) -> None:
        if self.step % self.every:
            self.write()

    @once
    def write(self) -> None:
        """Write both averages, in half precision as the model is saved."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for average, length in zip(self.averages, KEPT, strict=True):
            data = save({name: value.half().cpu().contiguous() for name, value in average.items()})
            write_atomically(self.folder / f"{self.step}-{length}.safetensors", data)

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "averages": self.averages}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.step, self.averages = state_dict["step"], state_dict["averages"]


def written(folder: Path) -> list[tuple[Path, Profile]]:
    """The files of averages in ``folder``, in the order of their steps, and what each is an average of."""
    named = [(path, path.stem.split("-")) for path in folder.glob("*-*.safetensors")]
    found = [(path, Profile(exponent_of(float(length)), int(step))) for path, (step, length) in named]
    return sorted(found, key=lambda one: (one[1].step, one[1].exponent))


def combined(folder: Path, length: float) -> tuple[dict[str, Tensor], float]:
    """The weights' average of a ``length`` at the end of the training, and what is missing of its profile, as a share.

    Raises:
        ValueError: there are no averages in ``folder``, or none has that length.
    """
    wanted, kept = exponent_of(length), written(folder)
    if not kept:
        raise ValueError(f"{folder} has no averages; train with `snapshots`.")
    multiples, missing = shares([profile for _, profile in kept], Profile(wanted, kept[-1][1].step))
    total: dict[str, Tensor] = {}
    for (path, _), multiple in zip(kept, multiples.tolist(), strict=True):
        for name, value in load_file(regular(path)).items():
            total[name] = total.get(name, torch.zeros(())) + multiple * value.double()
    return {name: value.float() for name, value in total.items()}, missing
