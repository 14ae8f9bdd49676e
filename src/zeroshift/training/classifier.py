"""Train the classifier that judges the text-to-image model; the two share pictures of one split and nothing else.

    python -m zeroshift.training.classifier FOLDER OUT

trains one on the pictures of ``train`` whose column ``species`` says cat or dog, and, where there is a column ``coat``,
a second head on the coats that enough of them have. How many steps fit into a time limit depends on the machine, so
another run makes another network of about the same accuracy.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import lightning
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from zeroshift.classifier import Classifier, accuracy, build_classifier, coat_accuracy, load_classifier, start_from
from zeroshift.classifier import save_classifier as save
from zeroshift.data import CaptionedFolder, CaptionedPicture, frequent, labelled, rows_of, with_coat
from zeroshift.presets import one_sentence
from zeroshift.training.augmentation import augmented, mixed
from zeroshift.training.loop import StageOptions, adamw, fit

WIDTHS, BLOCKS = (32, 64, 128, 192), (2, 2, 2, 1)
SIZE = 96
"""sides at which pictures are judged"""
SIZES = (64, 80, 96)
"""sides of the training batches; random crops enlarge what they show, smaller batches make up for that"""
SOURCE_SIZE = 128
"""sides of the pictures that crops are taken from"""
SMOOTHING = 0.1
MINIMUM = 25
"""pictures of ``train`` that a coat needs to be learned"""
GENTLE = 0.3
"""strength of the colour changes, of 1, under which a coat can still be told"""
COAT_WEIGHT = 0.5
"""of the coats' cross-entropy beside the animals'"""
MEASURED = ("val", "bench-val", "test")


@dataclass(frozen=True, eq=False)
class Material:
    """What is learned from."""

    pictures: Tensor
    """uint8 (N, 3, S, S)"""
    truth: Tensor
    """whether each is of the second class, bool (N,)"""
    coats: Tensor
    """each one's soft coat, scaled by the coat's weight; zeros where it is not known, (N, coats)"""


class ClassifierStage(lightning.LightningModule):
    """Cross-entropy with smoothed labels on strongly augmented, mixed pictures, of both heads.

    The colours of every other picture are changed gently, whether its coat is known or not, and only those teach coats.
    """

    def __init__(
        self,
        classifier: Classifier,
        material: Material,
        held_out: tuple[Tensor, Tensor] | None,
        options: StageOptions,
    ) -> None:
        super().__init__()
        self.network = classifier.network.train()
        self.classifier, self.held_out, self.options = classifier, held_out, options
        self.material = material

    def training_step(self, indices: Tensor, _: int) -> Tensor:
        x, second, coats = self.batch(indices.cpu(), SIZES[int(torch.randint(0, len(SIZES), ()))])
        logits, of_coats = self.network.heads(self.network.features(x.contiguous(memory_format=torch.channels_last)))
        loss = F.binary_cross_entropy_with_logits(logits.float(), second)
        self.log("loss", loss, prog_bar=True)
        if coats.sum() > 0:
            of_coat = -(coats * of_coats.float().log_softmax(1)).sum() / coats.sum()
            self.log("coat", of_coat, prog_bar=True)
            loss = loss + COAT_WEIGHT * of_coat
        return loss

    def batch(self, chosen: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return changed pictures (N, 3, size, size), the second class's share (N,), and weighted coats (N, coats)."""
        gentle = torch.rand(len(chosen), device=self.device) < 0.5
        strength = torch.where(gentle, GENTLE, 1.0)
        x = augmented(self.material.pictures[chosen].to(self.device), size, strength)
        second = self.material.truth[chosen].to(self.device).float() * (1 - SMOOTHING) + SMOOTHING / 2
        coats = self.material.coats[chosen].to(self.device) * gentle[:, None]
        x, target = mixed(x, torch.cat([second[:, None], coats], 1))
        return x, target[:, 0], target[:, 1:]

    def on_train_batch_end(self, outputs: object, batch: Tensor, batch_idx: int) -> None:
        if self.held_out and self.trainer.global_step % 500 == 0:
            self.network.eval()
            self.log("held_out", accuracy(self.classifier, *self.held_out), prog_bar=True)
            self.network.train()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return adamw(self, self.options, decay=0.05)


def train_classifier(
    data: CaptionedFolder,
    out: Path,
    work: Path,
    options: StageOptions,
    *,
    init: Path | None = None,
    seed: int = 0,
    precision: Literal["fp32", "bf16"] = "bf16",
) -> Classifier:
    """Train on ``train`` and write ``out``; checkpoints go to ``work``, and a killed training goes on from there.

    ``init`` is the folder of a trained classifier to go on from; its coat head is kept if it knows the same coats.
    The label columns are ``species`` with the values cat and dog, and ``coat``, which may be missing or empty.

    Raises:
        ValueError: ``train`` lacks one of the two, or ``init`` has another shape.
    """
    if not present(data, ("train",)):
        raise ValueError(f"{data.root} needs pictures of a cat and of a dog in train; name them in column species.")
    rows = rows_of(data, ("train",))
    classifier = build_classifier(WIDTHS, BLOCKS, SIZE, frequent(rows, "coat", MINIMUM))
    if init:
        start_from(classifier, load_classifier(init))
    classifier.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures, truth = labelled(data, ("train",), SOURCE_SIZE)
    material = Material(pictures, truth, soft_coats(rows, classifier.coats))
    held_out = labelled(data, ("val",), SIZE) if present(data, ("val",)) else None
    weights = torch.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    fit(ClassifierStage(classifier, material, held_out, options), weights, options, work, seed, precision)
    classifier.network.cpu().eval()
    save(classifier, out)
    trained = load_classifier(out)  # judged as it ships: in half precision
    trained = replace(trained, figures={**figures(trained, data), **coat_figures(trained, data)})
    save(trained, out)
    return trained


def soft_coats(rows: Sequence[CaptionedPicture], coats: tuple[str, ...]) -> Tensor:
    """Return each row's smoothed coat, scaled by one over the root of the coat's share, (N, coats); zeros for none.

    The root lies between learning every picture alike and every coat alike: rare coats count, and do not take over.
    """
    known = torch.zeros(len(rows), len(coats))
    for row, picture in zip(known, rows, strict=True):
        if picture.labels.get("coat") in coats:
            row[coats.index(picture.labels["coat"])] = 1
    weight = known @ known.sum(0).clamp(min=1).rsqrt()
    smooth = known * (1 - SMOOTHING) + SMOOTHING / max(len(coats), 1)
    return smooth * weight[:, None]


def present(data: CaptionedFolder, splits: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the splits that have pictures of both classes."""
    species = {split: {row.labels.get("species") for row in data.split(split)} for split in splits}
    return tuple(split for split in splits if {"cat", "dog"} <= species[split])


def figures(classifier: Classifier, data: CaptionedFolder) -> dict[str, float]:
    """Return the balanced accuracy on every split that was held out."""
    return {
        f"{split.replace('-', '_')}_balanced_accuracy": accuracy(classifier, *labelled(data, (split,), SIZE))
        for split in present(data, MEASURED)
    }


def coat_figures(classifier: Classifier, data: CaptionedFolder) -> dict[str, float]:
    """Return the share of right coats on ``val`` and ``test``, of labels given by hand and of all; none without coats.

    A coat that was too rare to be learned counts as a mistake.
    """
    found: dict[str, float] = {}
    for split in ("val", "test") if classifier.coats else ():
        rows, by_hand = with_coat(data, split), with_coat(data, split, by_hand=True)
        for name, chosen in (("coat_accuracy", by_hand), ("coat_accuracy_all_labels", rows)):
            if chosen:
                truth = [row.labels["coat"] for row in chosen]
                found[f"{split}_{name}"] = coat_accuracy(classifier, data.read(chosen, SIZE), truth)
    return found


def main(words: list[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m zeroshift.training.classifier",
        description="Train the classifier that judges generated pictures: cats and dogs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="captioned pictures with the column species, and perhaps coat")
    parser.add_argument("out", type=Path, help="folder of the finished classifier")
    parser.add_argument("--run", type=Path, default=Path("run-classifier"), help="where checkpoints lie")
    parser.add_argument("--init", type=Path, help="folder of a trained classifier to go on from")
    parser.add_argument("--minutes", type=float, default=30, help="time limit")
    parser.add_argument("--steps", type=int, default=200_000, help="steps at most")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, batches and changes")
    given = parser.parse_args(words)
    try:
        options = StageOptions(minutes=given.minutes, steps=given.steps, batch=64, lr=1.5e-3, warmup=300, cooldown=0.9)
        data = CaptionedFolder.open(given.folder)
        trained = train_classifier(data, given.out, given.run, options, init=given.init, seed=given.seed)
    except ValidationError as error:
        sys.exit(f"error: {one_sentence('the classifier', error)}")
    except ValueError as error:
        sys.exit(f"error: {error}")
    print(*(f"{name} {value:.4f}" for name, value in trained.figures.items()), sep="\n")


if __name__ == "__main__":
    main()
