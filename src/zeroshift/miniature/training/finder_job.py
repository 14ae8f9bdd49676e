"""One training of the head finder: its options, what it learns from, and what of it is kept."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from PIL import Image
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from zeroshift.files import folder_atomically, sha256_of
from zeroshift.frames import overlap
from zeroshift.image.framing import middle
from zeroshift.miniature.classifier import Classifier, load_classifier
from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture
from zeroshift.miniature.finder import Finder, load_finder, save_finder
from zeroshift.miniature.finder_network import LEVELS, FinderNetwork
from zeroshift.miniature.training.finder_scenes import TILES, Portraits
from zeroshift.miniature.training.finder_stage import FinderStage
from zeroshift.miniature.training.loop import StageOptions, TrainPrecision, fit
from zeroshift.miniature.training.run_folder import captions_hash, check_free, parted, remember

SIDE = 128
"""of the portraits in pixels"""
MISSED = 0.05
"""share of the portraits of ``CHOOSING`` that the threshold lets go"""
CHOOSING = "val"
MEASURED = ("val", "bench-val")
RARE = 0.05
"""share of the draws that pictures without a head have, if there are any"""
MAY_CHANGE = {"minutes", "head_steps", "steps"}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False))
class FinderOptions:
    """How the head finder is trained."""

    head_steps: Annotated[int, Field(ge=1)] = 500
    """steps of the part that reads places, while the classifier's levels stay as they are"""
    steps: Annotated[int, Field(ge=1)] = 2_000
    """steps of all of it, after that"""
    minutes: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """time limit, a third of it for the first part; without it the step counts alone decide"""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """seed of weights, batches and scenes"""
    precision: TrainPrecision = "auto"
    """arithmetic of the training passes; auto is bf16 where the device computes in it, else fp32"""

    def stage(self, *, whole: bool) -> StageOptions:
        """How long and how fast one of the two stages trains."""
        minutes = None if self.minutes is None else self.minutes * (2 / 3 if whole else 1 / 3)
        steps, lr = (self.steps, 4e-4) if whole else (self.head_steps, 3e-3)
        return StageOptions(steps=steps, minutes=minutes, batch=TILES, lr=lr, ema=0.99, warmup=100, cooldown=0.8)


def train_finder(data: CaptionedFolder, out: Path, *, classifier: Path, run: Path, options: FinderOptions) -> Finder:
    """Train on ``train``, choose the threshold on ``val``, write the folder ``out``; checkpoints lie in ``run``.

    A killed training goes on from there when called again. Every picture is a square portrait framed as the finder
    shall frame. A column ``frame`` says otherwise: the side of the right frame around the picture's middle, in sides of
    the picture, such as 1.3 of a face that fills it; 0 where it shows no head.

    Args:
        data: portraits with their splits; species, if there are any, are drawn equally often.
        classifier: folder of the trained classifier whose first levels the finder starts from.

    Raises:
        ValueError: ``train`` is empty, the classifier is none or too shallow, a ``frame`` is no number, ``out`` holds
            something, or ``run`` belongs to another training.
    """
    if reason := hindrance(data):
        raise ValueError(reason)
    rows = data.split("train")
    frames = frames_of(rows)
    torch.manual_seed(options.seed)
    network, shape = started(load_classifier(classifier))
    check_free(out)
    fixed, changeable = parted(options, MAY_CHANGE)
    weights = sha256_of((classifier / name for name in ("config.json", "model.safetensors")), classifier)
    facts = {**fixed, "captions": captions_hash(data.root), "classifier": weights}
    remember(run, facts, changeable, trace=run / "head")
    portraits, drawn = Portraits(data.read(rows, SIDE), frames), shares(rows, frames)
    for name, whole in (("head", False), ("whole", True)):
        stage = FinderStage(network, portraits, options=options.stage(whole=whole), whole=whole)
        fit(stage, drawn, stage.options, run / name, options.seed, options.precision)
    return finished(Finder(network.cpu().eval(), *shape, trained_on=sources(rows)), data, out)


def hindrance(data: CaptionedFolder) -> str | None:
    """Why a folder cannot teach a finder, a sentence; None where it can.

    Raises:
        ValueError: a ``frame`` is no number from 0 to 3.
    """
    rows = data.split("train")
    frames_of(rows)
    return None if rows else f"{data.root} has no pictures in train; mark some in the column split."


def started(classifier: Classifier) -> tuple[FinderNetwork, tuple[tuple[int, ...], tuple[int, ...]]]:
    """An untrained finder on the first levels of a classifier, and its widths and blocks.

    Raises:
        ValueError: the classifier has fewer levels.
    """
    if len(classifier.widths) < LEVELS:
        raise ValueError(f"The classifier has {len(classifier.widths)} levels, and a finder starts from {LEVELS}.")
    shape = classifier.widths[:LEVELS], classifier.blocks[:LEVELS]
    network = FinderNetwork(*shape)
    network.start_from(classifier.network)
    return network.to(memory_format=torch.channels_last), shape  # type: ignore[call-overload]


def frames_of(rows: Sequence[CaptionedPicture]) -> torch.Tensor:
    """Sides of the right frames in sides of the pictures, (N,).

    Raises:
        ValueError: one is no number from 0 to 3.
    """
    frames = []
    for row in rows:
        text = row.labels.get("frame") or "1"
        try:
            frames.append(float(text))
        except ValueError:
            frames.append(-1.0)
        if not 0 <= frames[-1] <= 3:
            raise ValueError(f"The `frame` of {row.file} is {text!r}, expected a number from 0 (no head) to 3.")
    return torch.tensor(frames)


def shares(rows: Sequence[CaptionedPicture], frames: torch.Tensor) -> torch.Tensor:
    """How often each picture is drawn: every species alike, those without a head ``RARE`` in all."""
    species = [row.labels.get("species") or "" for row in rows]
    counts = Counter(name for name, frame in zip(species, frames.tolist(), strict=True) if frame > 0)
    heads = torch.tensor([1 / counts[name] if counts[name] else 0.0 for name in species]) * (frames > 0)
    none = (frames == 0).double()
    return heads / heads.sum().clamp(min=1e-9) + RARE * none / none.sum().clamp(min=1)


def sources(rows: Sequence[CaptionedPicture]) -> str:
    """What was learned from, in words."""
    counts = Counter(row.labels.get("source") or "pictures of no named source" for row in rows)
    return f"{len(rows)} portraits: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}"


def finished(finder: Finder, data: CaptionedFolder, out: Path) -> Finder:
    """Choose the threshold, measure what was held out, and write the folder ``out``, whole."""
    with folder_atomically(out) as folder:
        save_finder(finder, folder)
        trained = load_finder(folder)  # judged as it ships: in half precision
        chosen = agreements(trained, data, CHOOSING)
        if chosen:
            said = torch.tensor([agreement for agreement, _ in chosen])
            trained = replace(trained, threshold=math.floor(100 * float(said.quantile(MISSED))) / 100)
        trained = replace(trained, figures=figures(trained, data))
        save_finder(trained, folder)
    return trained


def figures(finder: Finder, data: CaptionedFolder) -> dict[str, float]:
    """Share of the held-out portraits in which a head is found, and the mean overlap of its frame with all of it."""
    found: dict[str, float] = {}
    for split in MEASURED:
        if seen := agreements(finder, data, split):
            there = [shared for agreement, shared in seen if agreement >= finder.threshold]
            name = split.replace("-", "_")
            found[f"{name}_found"] = round(len(there) / len(seen), 4)
            found[f"{name}_overlap"] = round(sum(there) / max(len(there), 1), 4)
    return found


def agreements(finder: Finder, data: CaptionedFolder, split: str) -> list[tuple[float, float]]:
    """Agreement, and overlap with the whole picture, for every portrait of a split that shows a head."""
    rows = [row for row in data.split(split) if float(row.labels.get("frame") or 1) == 1]
    seen = []
    for pixels in data.read(rows, SIDE) if rows else ():
        picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
        box, agreement = finder.best(picture)
        seen.append((agreement, overlap(box, middle(picture.size))))
    return seen
