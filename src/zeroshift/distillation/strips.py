"""What is written while a student trains: checkpoints, strips of samples, and the curves of its losses."""

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch import nn

from zeroshift.bench.curves import curve
from zeroshift.distillation.examples import Examples
from zeroshift.files import regular, write_atomically
from zeroshift.image.sheet import sheet
from zeroshift.image.tensors import to_pictures, to_png, to_tensor

INTENSITIES = (0.25, 0.5, 0.75, 1.0)
ROWS = 8
"""examples of a strip, as many of each direction"""
CURVES = "losses.html"


class Strips(Callback):
    """Write every few minutes what the student makes of the same few photographs."""

    def __init__(self, examples: Examples, folder: Path, log: Path, minutes: float) -> None:
        self.examples, self.folder, self.logged = examples, folder, log  # Lightning puts a `log` of its own here
        self.seconds, self.last = 60 * minutes, time.monotonic()

    def on_train_batch_end(self, trainer: Any, module: Any, *_: object) -> None:
        if trainer.global_rank == 0 and time.monotonic() - self.last >= self.seconds:
            self.last = time.monotonic()
            picture = strip(module.student, self.examples)
            write_atomically(self.folder / f"{trainer.global_step:06}.png", to_png(picture))
            draw_losses(self.logged, self.folder / CURVES)


@torch.no_grad()
def strip(student: nn.Module, examples: Examples, device: torch.device | str = "cpu") -> Image.Image:
    """Photographs, the teacher's edits and the student's at rising intensities, one row each."""
    chosen, rows = first_of_each(examples), []
    device = next(student.parameters()).device
    for k in chosen:
        photograph = examples.pairs[k].picture(examples.roots[k], 0)
        x = to_tensor([photograph] * len(INTENSITIES)).to(device)
        direction = torch.full((len(INTENSITIES),), examples.numbers[k], device=device)
        made = student(x, direction, torch.tensor(INTENSITIES, device=device)).float().clamp(-1, 1)
        rows.append([photograph, examples.pairs[k].picture(examples.roots[k], 1), *to_pictures(made.cpu())])
    names = [" to ".join(examples.directions[examples.numbers[k]]) for k in chosen]
    return sheet(rows, names, ["photograph", "teacher", *(f"student, {one:g}" for one in INTENSITIES)])


def first_of_each(examples: Examples) -> list[int]:
    """The first pairs of every direction, ``ROWS`` together."""
    each = max(1, ROWS // len(examples.directions))
    places = [[k for k, n in enumerate(examples.numbers) if n == d] for d in range(len(examples.directions))]
    return [k for own in places for k in own[:each]]


def draw_losses(log: Path, file: Path) -> None:
    """Draw every loss that a training logged, as a share of its own largest value, since each has its own scale."""
    lines = {}
    for name, points in losses(log).items():
        drawn = smoothed(points)
        largest = max(abs(value) for _, value in drawn) or 1.0
        lines[name] = [(step, value / largest, f"{name} {value:.4g} at step {step:g}") for step, value in drawn]
    if lines:  # a short training logs none
        page = (
            f'<!doctype html><meta charset="utf-8"><title>Losses</title>{curve(lines, "step", "share of the largest")}'
        )
        write_atomically(file, page.encode())


def losses(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Every loss that a training logged, as steps and values in their order."""
    found = dict[str, list[tuple[float, float]]]()
    for path in sorted(folder.glob("**/metrics.csv"), key=lambda one: one.stat().st_mtime):
        with regular(path).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if value and name not in ("step", "epoch"):
                        found.setdefault(name, []).append((float(row["step"]), float(value)))
    return found


def smoothed(points: Sequence[tuple[float, float]], parts: int = 60) -> list[tuple[float, float]]:
    """Means of ``parts`` stretches of a curve, each at its last step."""
    length = max(1, -(-len(points) // parts))
    cut = [points[n : n + length] for n in range(0, len(points), length)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in cut]
