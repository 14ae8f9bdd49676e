"""One training of the segmenter: its options, what it learns from, and what of it is kept."""

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from PIL import Image
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.evaluation.imagenet import open_network
from zeroshift.extras import lacking
from zeroshift.files import folder_atomically, read_regular
from zeroshift.image.cutting import INSIDE
from zeroshift.image.framing import middle
from zeroshift.image.tensors import from_bytes
from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture
from zeroshift.miniature.data.captioned import zipped
from zeroshift.miniature.segmenter import TrainedSegmenter, load_segmenter, save_segmenter
from zeroshift.miniature.segmenter_network import SegmenterNetwork
from zeroshift.miniature.training.decoder import PACKAGES
from zeroshift.miniature.training.loop import StageOptions, TrainPrecision, fit
from zeroshift.miniature.training.redrawn import (
    STRENGTHS,
    after_drawing,
    check_model,
    drawing_time,
    redrawn,
    weights_of,
)
from zeroshift.miniature.training.run_folder import captions_hash, check_free, parted, remember
from zeroshift.miniature.training.segmenter_stage import SegmenterStage
from zeroshift.words import words_of

SIDE = 128
"""of the pictures in pixels"""
BACKGROUND, PARTS = 2, {1, 2, 3}
"""of the trimaps of Oxford's pets: 1 is the animal, 3 its outline, which counts as its own"""
HELD_OUT = 6
"""one picture of so many is measured and not learned from"""
DRAWN = 0.5
"""draws of a model's drawings of a picture, for one of the picture"""
NOT_LEARNED = ("test", "bench-test")
"""splits that are read for figures alone"""
MAY_CHANGE = {"minutes", "steps"}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False))
class SegmenterOptions:
    """How the segmenter is trained."""

    steps: Annotated[int, Field(ge=1)] = 600
    """steps at most; some hundred masks are learned by heart in more"""
    minutes: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """time limit, of which a model draws for a third at most; without it the step count alone decides"""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """seed of weights, batches and crops"""
    precision: TrainPrecision = "auto"
    """arithmetic of the training passes; auto is bf16 where the device computes in it, else fp32"""

    @property
    def stage(self) -> StageOptions:
        """How long and how fast it trains."""
        return StageOptions(
            steps=self.steps, minutes=self.minutes, batch=16, lr=2e-3, ema=0.98, warmup=50, cooldown=0.7
        )


def train_segmenter(
    data: CaptionedFolder, out: Path, *, run: Path, options: SegmenterOptions, model: Path | None = None
) -> TrainedSegmenter:
    """Train on the pictures that have a trimap, but for ``test`` and ``bench-test``; write the folder ``out``.

    A trimap is a PNG with the name of its picture, loose or in a zip file, as Oxford's pets have them: 1 is the animal,
    2 the background, 3 the outline. The columns species and breed name what the segmenter will be asked for, coat what
    may stand beside. A killed training goes on from ``run`` when called again.

    With the folder of a ``model`` it also learns from what that makes of the pictures, whose outlines stay: what a
    small model draws is softer than photographs, and the mask ``grown`` is found in such pictures, too. Within a time
    limit it draws of as many of the pictures as it can in a third of that.

    Raises:
        ValueError: too few pictures have trimaps, one cannot be read, nothing is named, EfficientNet-Lite0 is not
            installed, ``model`` is none, ``out`` holds something, or ``run`` belongs to another training.
    """
    if reason := hindrance(data):
        raise ValueError(reason)
    learned, held = parted_by_name(data)
    if model is not None:
        check_model(model)
    torch.manual_seed(options.seed)
    network = SegmenterNetwork()
    network.trunk.learned(open_network(0))
    check_free(out)
    fixed, changeable = parted(options, MAY_CHANGE)
    facts = {"captions": captions_hash(data.root), "model": None if model is None else weights_of(model)}
    remember(run, {**fixed, **facts}, changeable, trace=run / "segmenter")
    pictures, masks, shares = data.read(learned, SIDE), trimaps(data, learned), torch.ones(len(learned))
    stage_options = options.stage
    if model is not None:
        captions, seconds = [row.caption for row in learned], drawing_time(options.minutes)
        drawn = redrawn(model, pictures, captions, options.seed, seconds)
        pictures, masks = torch.cat([pictures, *drawn]), torch.cat([masks, *[masks[: len(drawn[0])]] * len(STRENGTHS)])
        shares = torch.cat([shares, torch.full((len(pictures) - len(learned),), DRAWN / len(STRENGTHS))])
        stage_options = after_drawing(stage_options)
    stage = SegmenterStage(network, pictures, masks, options=stage_options)
    fit(stage, shares, stage.options, run / "segmenter", options.seed, options.precision)
    animals, kinds = named(data.pictures)
    trained = TrainedSegmenter(network.cpu().eval(), animals, kinds, trained_on=sources(learned))
    with folder_atomically(out) as folder:
        save_segmenter(trained, folder)
        shipped = load_segmenter(folder)  # judged as it ships: in half precision
        found = replace(shipped, figures=figures(shipped, data.read(held, SIDE), trimaps(data, held)))
        save_segmenter(found, folder)
    return found


def hindrance(data: CaptionedFolder) -> str | None:
    """Why a folder, or what is installed, cannot teach a segmenter, a sentence; None where it can."""
    learned, held = parted_by_name(data)
    if not learned or not held:
        return (
            f"{data.root} has {len(learned) + len(held)} pictures with trimaps outside of {' and '.join(NOT_LEARNED)}; "
            "put a PNG of a picture's name (1 animal, 2 background, 3 outline) beside each of some dozens that are no "
            "PNGs themselves."
        )
    if not named(data.pictures)[0]:
        return (
            f"{data.root} names nothing that a segmenter could be asked for; name what pictures show in column species."
        )
    if not all(find_spec(name) for name in PACKAGES):
        return f"The segmenter learns by {' and '.join(PACKAGES)}; {lacking('textures')}."
    try:
        trimaps(data, (*learned, *held))
    except ValueError as error:
        return str(error)
    return None


def parted_by_name(data: CaptionedFolder) -> tuple[list[CaptionedPicture], list[CaptionedPicture]]:
    """The pictures with trimaps to learn from, and those held out, by the hash of their names; either may be empty.

    They are in the order of the hashes: the first ones, of which a model draws within a time limit, are of every kind.
    """
    with zipped(data.root) as members:
        names = {path.relative_to(data.root).as_posix() for path in data.root.rglob("*.png")} | set(members)
    able = [row for row in data.pictures if row.split not in NOT_LEARNED and not row.file.endswith(".png")]
    rows = sorted((row for row in able if _trimap_of(row) in names), key=_hash)
    return [row for row in rows if _hash(row) % HELD_OUT], [row for row in rows if _hash(row) % HELD_OUT == 0]


def trimaps(data: CaptionedFolder, rows: Iterable[CaptionedPicture]) -> Tensor:
    """Where the animals and their outlines are, bool (N, 1, SIDE, SIDE), cut and reduced as the pictures are.

    Raises:
        ValueError: a trimap cannot be read.
    """
    with zipped(data.root) as members:
        return torch.stack([_trimap(data.root, _trimap_of(row), members) for row in rows])[:, None]


def _trimap(root: Path, name: str, members: Mapping[str, zipfile.ZipFile]) -> Tensor:
    try:
        file = members[name].read(name) if name in members else read_regular(root / name)
        picture = Image.open(io.BytesIO(file))
        square = picture.resize((SIDE, SIDE), Image.Resampling.NEAREST, middle(picture.size))
        parts = np.asarray(square)
        if parts.ndim != 2 or not {*np.unique(parts)} <= PARTS:
            raise ValueError("it has other values than 1 (animal), 2 (background) and 3 (outline)")
    except (OSError, SyntaxError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"The trimap {name} of {root} cannot be read: {error}.") from error
    return torch.from_numpy(parts != BACKGROUND)


def figures(segmenter: TrainedSegmenter, pictures: Tensor, masks: Tensor) -> dict[str, float]:
    """Of held-out pictures, means: the share of the animal found and of the background left, and the overlap of both.

    Found is what a mask would be before its edges are cut out. Pictures without one of the two count for the other
    alone.
    """
    found = segmenter.where(from_bytes(pictures)) >= INSIDE
    inside, outside = (found & masks).sum((1, 2, 3)), (~found & ~masks).sum((1, 2, 3))
    covered, kept = inside / masks.sum((1, 2, 3)), outside / (~masks).sum((1, 2, 3))
    overlap = inside / (found | masks).sum((1, 2, 3))
    values = {"covered": covered, "kept": kept, "overlap": overlap}
    return {f"held_out_{name}": round(float(value.nanmean()), 4) for name, value in values.items()}


def named(rows: Iterable[CaptionedPicture]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words that name animals, those of species and the last ones of breeds, and those that stand beside them.

    "black" and "water" are no animals, though breeds are called by them.
    """
    rows = [*rows]
    breeds = [words for row in rows if (words := words_of(row.labels.get("breed") or ""))]
    animals = {word for row in rows for word in words_of(row.labels.get("species") or "")}
    kinds = {word for row in rows for word in words_of(row.labels.get("coat") or "")}
    animals |= {words[-1] for words in breeds} - kinds
    kinds |= {word for words in breeds for word in words[:-1]}
    return tuple(sorted(animals)), tuple(sorted(kinds - animals))


def sources(rows: Sequence[CaptionedPicture]) -> str:
    """What was learned from, in words."""
    counts = Counter(row.labels.get("source") or "pictures of no named source" for row in rows)
    return f"{len(rows)} trimaps: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}"


def _hash(row: CaptionedPicture) -> int:
    return int(hashlib.sha256(row.file.encode()).hexdigest(), 16)


def _trimap_of(row: CaptionedPicture) -> str:
    return Path(row.file).with_suffix(".png").as_posix()
