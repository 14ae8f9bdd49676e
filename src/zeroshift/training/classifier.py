"""Train the classifier that judges the text-to-image model; the two share pictures of one split and nothing else.

    python -m zeroshift.training.classifier FOLDER OUT

trains one on the pictures of ``train`` whose column ``species`` says cat or dog, and, where there is a column ``coat``,
a second head on the coats that enough of them have. A third head tells photographs from renderings in other styles,
which are made of a share of every batch. How many steps fit into a time limit depends on the machine, so another run
makes another network of about the same accuracy.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from zeroshift.accuracy import accuracy, choose_threshold
from zeroshift.classifier import Classifier, build_classifier, load_classifier, start_from
from zeroshift.classifier import save_classifier as save
from zeroshift.data import CaptionedFolder, CaptionedPicture, frequent, labelled, rows_of
from zeroshift.mistakes import one_sentence
from zeroshift.renderings import RENDERINGS
from zeroshift.training.augmentation import augmented, mixed
from zeroshift.training.classifier_figures import coat_figures, figures, present, style_figures
from zeroshift.training.loop import Stage, StageOptions, adamw, fit
from zeroshift.vocabulary import STYLES

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
MINIMUM = 25
"""pictures of ``train`` that a coat needs to be learned"""
GENTLE = 0.3
"""strength of the colour changes, of 1, under which a coat can still be told"""
COAT_WEIGHT = 0.5
"""of the coats' cross-entropy beside the animals', where no other is asked for"""
STYLE_WEIGHT = 0.25
"""of the styles' cross-entropy, which are easy to tell, beside the animals'"""


@dataclass(frozen=True, eq=False)
class Material:
    """What is learned from."""

    pictures: Tensor
    """uint8 (N, 3, S, S)"""
    truth: Tensor
    """whether each is of the second class, bool (N,)"""
    coats: Tensor
    """each one's soft coat, scaled by the coat's weight; zeros where it is not known, (N, coats)"""
    styles: float = 0.0
    """share of every batch that is rendered in another style"""


class ClassifierStage(Stage):
    """Cross-entropy with smoothed labels on strongly augmented, mixed pictures, of all heads.

    The colours of every other picture are changed gently, whether its coat is known or not, and only those teach coats
    and styles; coats are learned from photographs alone.
    """

    def __init__(
        self,
        classifier: Classifier,
        material: Material,
        held_out: tuple[Tensor, Tensor] | None,
        options: StageOptions,
        coat_weight: float = COAT_WEIGHT,
    ) -> None:
        super().__init__()
        self.network = classifier.network.train()
        self.classifier, self.held_out, self.options = classifier, held_out, options
        self.material, self.coat_weight = material, coat_weight

    def training_step(self, indices: Tensor, _: int) -> Tensor:
        x, second, coats, styles = self.batch(indices.cpu(), SIZES[int(torch.randint(0, len(SIZES), ()))])
        levels = self.network.levels(x.contiguous(memory_format=torch.channels_last))
        logits, of_coats, of_styles = self.network.heads(levels)
        loss = F.binary_cross_entropy_with_logits(logits.float(), second)
        self.log("loss", loss, prog_bar=True)
        optional = ("coat", self.coat_weight, coats, of_coats), ("style", STYLE_WEIGHT, styles, of_styles)
        for name, weight, target, found in optional:
            if target.sum() > 0:
                apart = -(target * found.float().log_softmax(1)).sum() / target.sum()
                self.log(name, apart, prog_bar=True)
                loss = loss + weight * apart
        return loss

    def batch(self, chosen: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return changed pictures (N, 3, size, size), the second class's share (N,), weighted coats and styles.

        Styles, like coats, count by one over the root of their shares.
        """
        share = self.material.styles
        pictures, style = rendered(self.material.pictures[chosen].to(self.device), share)
        gentle = torch.rand(len(chosen), device=self.device) < 0.5
        x = augmented(pictures, size, torch.where(gentle, GENTLE, 1.0))
        second = smooth(self.material.truth[chosen].to(self.device).float(), 2)
        coats = self.material.coats[chosen].to(self.device) * (gentle & (style == 0))[:, None]
        known = F.one_hot(style, len(STYLES))[:, : len(self.classifier.styles)]
        weight = torch.where(style == 0, (1 - share) ** -0.5, (max(share, 1e-9) / len(RENDERINGS)) ** -0.5)
        styles = smooth(known.float(), len(STYLES)) * (gentle * weight)[:, None]
        x, target = mixed(x, torch.cat([second[:, None], coats, styles], 1))
        second, coats, styles = target.split([1, coats.shape[1], styles.shape[1]], 1)
        return x, second[:, 0], coats, styles

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
    styles: float = 0.25,
    coat_weight: float = COAT_WEIGHT,
    seed: int = 0,
    precision: Literal["fp32", "bf16"] = "bf16",
) -> Classifier:
    """Train on ``train``, choose the threshold on ``val`` and ``bench-val``, write ``out``; checkpoints go to ``work``.

    ``init`` is the folder of a trained classifier to go on from; its heads are kept if they know the same coats, the
    same styles. ``styles`` is the share of every batch that is rendered in other styles, 0 to below 1; 0 leaves out
    that head. ``coat_weight`` is the coats' beside the animals'. The label columns are ``species`` with the values cat
    and dog, and ``coat``, which may lack or be empty.

    Raises:
        ValueError: ``train`` lacks one of the two, ``styles`` is out of range, or ``init`` has another shape.
    """
    if not 0 <= styles < 1:
        raise ValueError(f"The share of other styles, --styles, must be from 0 to below 1, not {styles:g}.")
    if not present(data, ("train",)):
        raise ValueError(f"{data.root} needs pictures of a cat and of a dog in train; name them in column species.")
    rows = rows_of(data, ("train",))
    coats = frequent(rows, "coat", MINIMUM)
    classifier = build_classifier(WIDTHS, BLOCKS, SIZE, coats, STYLES if styles else ())
    if init:
        start_from(classifier, load_classifier(init))
    classifier.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures, truth = labelled(data, ("train",), SOURCE_SIZE)
    material = Material(pictures, truth, soft_coats(rows, coats), styles)
    chosen_by = present(data, HELD_OUT)
    held_out = labelled(data, chosen_by, SIZE) if chosen_by else None
    weights = torch.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    stage = ClassifierStage(classifier, material, held_out, options, coat_weight)
    fit(stage, weights, options, work, seed, precision)
    classifier.network.cpu().eval()
    save(classifier, out)
    trained = load_classifier(out)  # judged as it ships: in half precision
    if held_out:
        trained = replace(trained, threshold=choose_threshold(trained.probabilities(held_out[0]), held_out[1]))
    found = figures(trained, data) | coat_figures(trained, data) | style_figures(trained, data, SOURCE_SIZE)
    trained = replace(trained, figures=found)
    save(trained, out)
    return trained


def rendered(pictures: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return uint8 pictures (N, 3, S, S), about a ``share`` of them in other styles, and indices of ``STYLES`` (N,)."""
    count, device = len(pictures), pictures.device
    other = torch.rand(count, device=device) < share
    style = torch.randint(1, len(STYLES), (count,), device=device) * other
    pictures = pictures.clone()
    for name, render in RENDERINGS.items():
        chosen = style == STYLES.index(name)
        if chosen.any():
            pictures[chosen] = render(pictures[chosen])
    return pictures, style


def smooth(target: Tensor, classes: int) -> Tensor:
    """Return probabilities drawn a little towards all classes being equally likely."""
    return target * (1 - SMOOTHING) + SMOOTHING / classes


def soft_coats(rows: Sequence[CaptionedPicture], coats: tuple[str, ...]) -> Tensor:
    """Return each row's smoothed coat, scaled by one over the root of the coat's share, (N, coats); zeros for none.

    The root lies between learning every picture alike and every coat alike: rare coats count, and do not take over.
    """
    known = torch.zeros(len(rows), len(coats))
    for row, picture in zip(known, rows, strict=True):
        if picture.labels.get("coat") in coats:
            row[coats.index(picture.labels["coat"])] = 1
    weight = known @ known.sum(0).clamp(min=1).rsqrt()
    return smooth(known, max(len(coats), 1)) * weight[:, None]


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
    parser.add_argument("--styles", type=float, default=0.25, help="share in other styles; 0 leaves that head out")
    parser.add_argument("--coat-weight", type=float, default=COAT_WEIGHT, help="of the coats beside the animals")
    parser.add_argument("--lr", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--minutes", type=float, default=30, help="time limit")
    parser.add_argument("--steps", type=int, default=200_000, help="steps at most")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, batches and changes")
    given = parser.parse_args(words)
    try:
        options = StageOptions(
            minutes=given.minutes, steps=given.steps, batch=64, lr=given.lr, warmup=300, cooldown=0.9
        )
        data = CaptionedFolder.open(given.folder)
        trained = train_classifier(
            data,
            given.out,
            given.run,
            options,
            init=given.init,
            styles=given.styles,
            coat_weight=given.coat_weight,
            seed=given.seed,
        )
    except ValidationError as error:
        sys.exit(f"error: {one_sentence('the classifier', StageOptions, error)}")
    except ValueError as error:
        sys.exit(f"error: {error}")
    print(*(f"{name} {value:.4f}" for name, value in trained.figures.items()), sep="\n")


if __name__ == "__main__":
    main()
