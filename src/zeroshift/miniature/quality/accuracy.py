"""How often a classifier is right."""

from collections.abc import Sequence

from torch import Tensor

from zeroshift.miniature.classifier import Classifier


def balanced_accuracy(predicted: Tensor, truth: Tensor) -> float:
    """The mean of both classes' recalls; both arguments are bool (N,).

    Raises:
        ValueError: a class has no picture.
    """
    if truth.all() or not truth.any():
        raise ValueError("Balanced accuracy needs pictures of both classes; only one is there.")
    hit = (predicted == truth).double()
    return float((hit[truth].mean() + hit[~truth].mean()) / 2)


def choose_threshold(probabilities: Tensor, truth: Tensor) -> float:
    """The threshold of best balanced accuracy; among equals, the one nearest to a half."""
    values = probabilities.double().sort().values
    candidates: list[float] = [0.5, *((values[1:] + values[:-1]) / 2).tolist()]
    return max(candidates, key=lambda t: (balanced_accuracy(probabilities >= t, truth), -abs(t - 0.5)))


def accuracy(classifier: Classifier, pictures: Tensor, truth: Tensor) -> float:
    """The balanced accuracy on uint8 pictures (N, 3, H, W) at the classifier's threshold."""
    return balanced_accuracy(classifier.probabilities(pictures) >= classifier.threshold, truth)


def coat_accuracy(classifier: Classifier, pictures: Tensor, truth: Sequence[str]) -> float:
    """The share of uint8 pictures (N, 3, H, W) whose coat is told rightly; unknown coats are mistakes."""
    found = classifier.coat_labels(pictures)
    return sum(a == b for a, b in zip(found, truth, strict=True)) / len(found)
