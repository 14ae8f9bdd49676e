"""What the judge's network learns in one step: animals, coats and styles, on strongly changed pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.miniature.classifier import Classifier
from zeroshift.miniature.data import CaptionedPicture
from zeroshift.miniature.quality.accuracy import accuracy
from zeroshift.miniature.renderings import RENDERINGS
from zeroshift.miniature.training.augmentation import augmented, mixed
from zeroshift.miniature.training.loop import Stage, StageOptions, adamw
from zeroshift.miniature.vocabulary import STYLES

SIZES = (64, 80, 96)
"""sides of the training batches; random crops enlarge what they show, smaller batches make up for that"""
SMOOTHING = 0.1
GENTLE = 0.3
"""strength of the colour changes, of 1, under which a coat can still be told"""
COAT_WEIGHT = 0.5
"""of the coats' cross-entropy beside the animals', where no other is asked for"""
STYLE_WEIGHT = 0.25
"""of the styles' cross-entropy, which are easy to tell, beside the animals'"""


@dataclass(frozen=True, eq=False)
class JudgeMaterial:
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
        material: JudgeMaterial,
        *,
        held_out: tuple[Tensor, Tensor] | None,
        options: StageOptions,
        coat_weight: float = COAT_WEIGHT,
    ) -> None:
        """``held_out``, pictures and truths, is measured on the way; ``coat_weight`` is the coats' beside animals'."""
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
        """Changed pictures (N, 3, size, size), the second class's share (N,), weighted coats and styles.

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


def rendered(pictures: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Uint8 pictures (N, 3, S, S), about a ``share`` of them in other styles, and indices of ``STYLES`` (N,)."""
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
    """Probabilities drawn a little towards all classes being equally likely."""
    return target * (1 - SMOOTHING) + SMOOTHING / classes


def soft_coats(rows: Sequence[CaptionedPicture], coats: tuple[str, ...]) -> Tensor:
    """Each row's smoothed coat, scaled by one over the root of the coat's share, (N, coats); zeros for none.

    The root lies between learning every picture alike and every coat alike: rare coats count, and do not take over.
    """
    known = torch.zeros(len(rows), len(coats))
    for row, picture in zip(known, rows, strict=True):
        if picture.labels.get("coat") in coats:
            row[coats.index(picture.labels["coat"])] = 1
    weight = known @ known.sum(0).clamp(min=1).rsqrt()
    return smooth(known, max(len(coats), 1)) * weight[:, None]
