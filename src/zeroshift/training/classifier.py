"""Train the classifier that judges the text-to-image model; the two share pictures of one split and nothing else.

    python -m zeroshift.training.classifier FOLDER OUT

trains one on the pictures of ``train`` whose column ``species`` says cat or dog. The shipped one had half an hour on
one core with smaller pictures (7,567 steps of 64), and then ``--init`` and 11,500 steps. How many steps fit into a time
limit depends on the machine, so another run makes another network of about the same accuracy.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import lightning
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from zeroshift.classifier import Classifier, accuracy, build_classifier, choose_threshold, load_classifier
from zeroshift.classifier import save_classifier as save
from zeroshift.data import CaptionedFolder, labelled
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
HELD_OUT = ("val", "bench-val")
"""the splits that choose the threshold"""


class ClassifierStage(lightning.LightningModule):
    """Cross-entropy with smoothed labels on strongly augmented, mixed pictures."""

    def __init__(
        self,
        classifier: Classifier,
        pictures: Tensor,
        truth: Tensor,
        held_out: tuple[Tensor, Tensor] | None,
        options: StageOptions,
    ) -> None:
        super().__init__()
        self.network = classifier.network.train()
        self.classifier, self.held_out, self.options = classifier, held_out, options
        self.pictures, self.truth = pictures, truth  # uint8 (N, 3, S, S), bool (N,)

    def training_step(self, indices: Tensor, _: int) -> Tensor:
        chosen = indices.cpu()
        size = SIZES[int(torch.randint(0, len(SIZES), ()))]
        x = augmented(self.pictures[chosen].to(self.device), size)
        target = self.truth[chosen].to(self.device).float() * (1 - SMOOTHING) + SMOOTHING / 2
        x, target = mixed(x, target)
        logits = self.network(x.contiguous(memory_format=torch.channels_last))
        loss = F.binary_cross_entropy_with_logits(logits.float(), target)
        self.log("loss", loss, prog_bar=True)
        return loss

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
    """Train on ``train``, choose the threshold on ``val`` and ``bench-val``, write ``out``; checkpoints go to ``work``.

    ``init`` is the folder of a trained classifier to go on from.

    The label column is ``species`` with the values cat and dog. Splits that lack one of the two choose and measure
    nothing; without any to choose by, the threshold is a half.

    Raises:
        ValueError: ``train`` lacks one of the two.
    """
    if not present(data, ("train",)):
        raise ValueError(f"{data.root} needs pictures of a cat and of a dog in train; name them in column species.")
    pictures, truth = labelled(data, ("train",), SOURCE_SIZE)
    classifier = build_classifier(WIDTHS, BLOCKS, SIZE)
    if init:
        classifier.network.load_state_dict(load_classifier(init).network.state_dict())
    classifier.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chosen_by = present(data, HELD_OUT)
    held_out = labelled(data, chosen_by, SIZE) if chosen_by else None
    weights = torch.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    fit(ClassifierStage(classifier, pictures, truth, held_out, options), weights, options, work, seed, precision)
    classifier.network.cpu().eval()
    save(classifier, out)
    trained = load_classifier(out)  # judged as it ships: in half precision
    if held_out:
        trained = replace(trained, threshold=choose_threshold(trained.probabilities(held_out[0]), held_out[1]))
    trained = replace(trained, figures=figures(trained, data))
    save(trained, out)
    return trained


def present(data: CaptionedFolder, splits: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the splits that have pictures of both classes."""
    species = {split: {row.labels.get("species") for row in data.split(split)} for split in splits}
    return tuple(split for split in splits if {"cat", "dog"} <= species[split])


def figures(classifier: Classifier, data: CaptionedFolder) -> dict[str, float]:
    """Return the balanced accuracy on every split that was held out."""
    return {
        f"{split.replace('-', '_')}_balanced_accuracy": accuracy(classifier, *labelled(data, (split,), SIZE))
        for split in present(data, (*HELD_OUT, "test"))
    }


def main(words: list[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m zeroshift.training.classifier",
        description="Train the classifier that judges generated pictures: cats and dogs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="captioned pictures with the column species")
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
    print(f"threshold {trained.threshold:.3f}", *(f"{k} {v:.4f}" for k, v in trained.figures.items()), sep="\n")


if __name__ == "__main__":
    main()
