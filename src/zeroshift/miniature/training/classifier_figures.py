"""How good a trained judge is on splits that were held out; ``test`` is for ``zeroshift quality`` to read."""

from statistics import fmean

import torch
from torch import Tensor

from zeroshift.miniature.classifier import Classifier
from zeroshift.miniature.data import CaptionedFolder, labelled, with_coat
from zeroshift.miniature.quality.accuracy import accuracy, balanced_accuracy, coat_accuracy
from zeroshift.miniature.renderings import RENDERINGS

MEASURED = ("val", "bench-val")


def present(data: CaptionedFolder, splits: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the splits that have pictures of both classes."""
    species = {split: {row.labels.get("species") for row in data.split(split)} for split in splits}
    return tuple(split for split in splits if {"cat", "dog"} <= species[split])


def figures(classifier: Classifier, data: CaptionedFolder) -> dict[str, float]:
    """The balanced accuracy on every split that was held out."""
    return {
        f"{named(split)}_balanced_accuracy": accuracy(classifier, *labelled(data, (split,), classifier.size))
        for split in present(data, MEASURED)
    }


def coat_figures(classifier: Classifier, data: CaptionedFolder) -> dict[str, float]:
    """The share of right coats on the held-out splits, of labels given by hand and of all; none without coats.

    A coat that was too rare to be learned counts as a mistake.
    """
    found: dict[str, float] = {}
    for split in MEASURED if classifier.coats else ():
        rows, by_hand = with_coat(data, split), with_coat(data, split, by_hand=True)
        for name, chosen in (("coat_accuracy", by_hand), ("coat_accuracy_all_labels", rows)):
            if chosen:
                truth = [row.labels["coat"] for row in chosen]
                found[f"{named(split)}_{name}"] = coat_accuracy(classifier, data.read(chosen, classifier.size), truth)
    return found


def style_figures(classifier: Classifier, data: CaptionedFolder, size: int) -> dict[str, float]:
    """The share of right styles on the held-out splits, and how well animals are told in the other styles.

    Every photograph of ``size`` pixels is measured as it is and in every style. Without styles there are none.
    """
    found: dict[str, float] = {}
    for split in present(data, MEASURED) if classifier.styles else ():
        pictures, truth = labelled(data, (split,), size)
        right, animals = [], []
        for k, style in enumerate(classifier.styles):
            logits, _, styles = classifier.logits(in_style(pictures, style) if style in RENDERINGS else pictures)
            right.append(float((styles.argmax(1) == k).double().mean()))
            if style in RENDERINGS:
                animals.append(balanced_accuracy(logits.sigmoid() >= classifier.threshold, truth))
        found[f"{named(split)}_style_accuracy"] = fmean(right)
        found[f"{named(split)}_renderings_balanced_accuracy"] = fmean(animals)
    return found


def named(split: str) -> str:
    """A split as figures are named by it."""
    return split.replace("-", "_")


def in_style(pictures: Tensor, style: str, batch: int = 64) -> Tensor:
    """Uint8 pictures (N, 3, S, S) rendered in one of the styles other than a photograph's."""
    return torch.cat([RENDERINGS[style](part) for part in pictures.split(batch)])
