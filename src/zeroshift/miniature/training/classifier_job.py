"""One training of the judge: its options, what it learns from, and what of it is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeAlias

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.files import folder_atomically, sha256_of
from zeroshift.miniature.classifier import Classifier, build_classifier, load_classifier, start_from
from zeroshift.miniature.classifier import save_classifier as save
from zeroshift.miniature.data import CaptionedFolder, frequent, labelled, rows_of
from zeroshift.miniature.quality.accuracy import choose_threshold
from zeroshift.miniature.training.classifier_figures import coat_figures, figures, present, style_figures
from zeroshift.miniature.training.classifier_stage import COAT_WEIGHT, ClassifierStage, JudgeMaterial, soft_coats
from zeroshift.miniature.training.loop import StageOptions, TrainPrecision, fit
from zeroshift.miniature.training.run_folder import captions_hash, check_free, parted, remember
from zeroshift.miniature.vocabulary import STYLES

WIDTHS, BLOCKS = (32, 64, 128, 192), (2, 2, 2, 1)
SIZE = 96
"""sides at which pictures are judged"""
SOURCE_SIZE = 128
"""sides of the pictures that crops are taken from"""
MINIMUM = 25
"""pictures of ``train`` that a coat needs to be learned"""
CHOOSING = "val"
"""the split that chooses the threshold; what others are judged by, such as ``bench-val``, chooses nothing"""
MAY_CHANGE = {"minutes", "steps"}
"""options that may change when a training goes on; a run remembers all their values"""

Labelled: TypeAlias = tuple[Tensor, Tensor]
"""uint8 pictures (N, 3, S, S), and whether each is of the second class, bool (N,)"""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False))
class ClassifierOptions:
    """How long the judge is trained, and on what."""

    minutes: Annotated[float, Field(gt=0, le=100_000)] = 30
    """time limit"""
    steps: Annotated[int, Field(ge=1)] = 200_000
    """steps at most"""
    lr: Annotated[float, Field(gt=0, le=1)] = 1.5e-3
    """highest learning rate"""
    styles: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """share of every batch that is rendered in other styles; 0 leaves out the head that tells them"""
    coat_weight: Annotated[float, Field(ge=0, le=100)] = COAT_WEIGHT
    """what coats count beside the animals"""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """seed of weights, batches and changes"""
    precision: TrainPrecision = "auto"
    """arithmetic of the training passes; auto is bf16 where the device computes in it, else fp32"""

    @property
    def stage(self) -> StageOptions:
        """How long and how fast the only stage trains."""
        return StageOptions(minutes=self.minutes, steps=self.steps, batch=64, lr=self.lr, warmup=300, cooldown=0.9)


def train_classifier(
    data: CaptionedFolder, out: Path, *, run: Path, options: ClassifierOptions, init: Path | None = None
) -> Classifier:
    """Train on ``train``, choose the threshold on ``val``, write the folder ``out``; checkpoints lie in ``run``.

    A killed training goes on from there when called again. ``init`` is the folder of a trained classifier to start
    from; its heads are kept if they know the same coats, the same styles. The label columns are ``species`` with the
    values cat and dog, and ``coat``, which may lack or be empty.

    Raises:
        ValueError: ``train`` lacks one of the two, ``init`` has another shape, ``out`` is a file or holds something, or
            ``run`` belongs to another training.
    """
    if reason := hindrance(data):
        raise ValueError(reason)
    rows = rows_of(data, ("train",))
    coats = frequent(rows, "coat", MINIMUM)
    torch.manual_seed(options.seed)
    classifier = build_classifier(WIDTHS, BLOCKS, size=SIZE, coats=coats, styles=STYLES if options.styles else ())
    if init:
        start_from(classifier, load_classifier(init))
    claim(data, out, run=run, options=options, init=init)
    classifier.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures, truth = labelled(data, ("train",), SOURCE_SIZE)
    material = JudgeMaterial(pictures, truth, coats=soft_coats(rows, coats), styles=options.styles)
    held_out = labelled(data, (CHOOSING,), SIZE) if present(data, (CHOOSING,)) else None
    weights = torch.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    stage = ClassifierStage(
        classifier, material, held_out=held_out, options=options.stage, coat_weight=options.coat_weight
    )
    fit(stage, weights, options=options.stage, folder=run, seed=options.seed, precision=options.precision)
    classifier.network.cpu().eval()
    return finished(classifier, data, out=out, held_out=held_out)


def hindrance(data: CaptionedFolder) -> str | None:
    """Why a folder cannot teach a classifier, a sentence; None where it can."""
    if present(data, ("train",)):
        return None
    return f"{data.root} needs pictures of a cat and of a dog in train; name them in column species."


def claim(data: CaptionedFolder, out: Path, *, run: Path, options: ClassifierOptions, init: Path | None) -> None:
    """Check where the classifier goes to; remember in ``run`` what is trained there.

    Raises:
        ValueError: ``out`` is a file or holds something, or ``run`` belongs to another training.
    """
    check_free(out)
    fixed, changeable = parted(options, MAY_CHANGE)
    weights = sha256_of((init / name for name in ("config.json", "model.safetensors")), init) if init else None
    facts = {**fixed, "captions": captions_hash(data.root), "init": weights}
    remember(run, facts, changeable, trace=run / "last.ckpt")


def finished(classifier: Classifier, data: CaptionedFolder, *, out: Path, held_out: Labelled | None) -> Classifier:
    """Choose the threshold on ``held_out``, measure what was held out, and write the folder ``out``, whole."""
    with folder_atomically(out) as folder:
        save(classifier, folder)
        trained = load_classifier(folder)  # judged as it ships: in half precision
        if held_out:
            trained = replace(trained, threshold=choose_threshold(trained.probabilities(held_out[0]), held_out[1]))
        found = figures(trained, data) | coat_figures(trained, data) | style_figures(trained, data, SOURCE_SIZE)
        trained = replace(trained, figures=found)
        save(trained, folder)
    return trained
