"""Train the classifier that judges the text-to-image model; the two share pictures of one split and nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.classifier import (
    Classifier,
    accuracy,
    build_classifier,
    choose_threshold,
    load_classifier,
    save_classifier,
)
from zeroshift.data import CaptionedFolder, labelled
from zeroshift.training.augmentation import augmented, erased, mixed
from zeroshift.training.loop import StageOptions, adamw, fit

WIDTHS, BLOCKS = (32, 64, 128, 192), (2, 2, 2, 1)
SIZE = 96
"""sides at which pictures are judged; smaller ones are enlarged, which spares the network an early loss of detail"""
JUDGED_SIZE = 64
"""sides of the pictures to be judged; the threshold and the figures come from photographs of this size"""
SIZES = (64, 80, 96)
"""sides of the training batches; random crops enlarge what they show, smaller batches make up for that"""
SOURCE_SIZE = 128
"""sides of the pictures that crops are taken from"""
SMOOTHING = 0.1
PLAIN_BELOW = 0.15
"""share of the peak learning rate under which pictures are no longer mixed or covered"""


class ClassifierStage(lightning.LightningModule):
    """Cross-entropy with smoothed labels on strongly augmented, mixed pictures."""

    def __init__(
        self,
        classifier: Classifier,
        pictures: Tensor,
        truth: Tensor,
        held_out: tuple[Tensor, Tensor],
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
        if self.trainer.optimizers[0].param_groups[0]["lr"] > PLAIN_BELOW * self.options.lr:
            x, target = mixed(erased(x), target)
        logits = self.network(x.contiguous(memory_format=torch.channels_last))
        loss = F.binary_cross_entropy_with_logits(logits.float(), target)
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_train_batch_end(self, outputs: object, batch: Tensor, batch_idx: int) -> None:
        if self.trainer.global_step % 500 == 0:
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

    The label column is ``species`` with the values cat and dog. ``init`` is a saved classifier to go on from.
    """
    pictures, truth = labelled(data, ("train",), SOURCE_SIZE)
    classifier = replace(load_classifier(init), size=SIZE) if init else build_classifier(WIDTHS, BLOCKS, SIZE)
    classifier.network.requires_grad_(True)
    classifier.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    held_out = labelled(data, ("val", "bench-val"), JUDGED_SIZE)
    weights = torch.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    fit(ClassifierStage(classifier, pictures, truth, held_out, options), weights, options, work, seed, precision)
    classifier.network.cpu().eval()
    save_classifier(classifier, out)
    trained = load_classifier(out)  # judged as it ships: in half precision
    trained = replace(trained, threshold=choose_threshold(trained.probabilities(held_out[0]), held_out[1]))
    splits = {"val": ("val",), "bench_val": ("bench-val",), "test": ("test",)}
    found = {f"{k}_balanced_accuracy": accuracy(trained, *labelled(data, v, JUDGED_SIZE)) for k, v in splits.items()}
    trained = replace(trained, figures=found)
    save_classifier(trained, out)
    return trained
