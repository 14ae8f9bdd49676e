"""Tiny captioners that tell given pictures apart, and checkpoints that have one."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from zeroshift.miniature.classifier import Classifier, build_classifier, save_classifier
from zeroshift.miniature.vocabulary import STYLES

COATS = ("black and white", "orange", "tabby")


def heads_of(classifier: Classifier) -> tuple[nn.Linear, ...]:
    network = classifier.network
    return network.head, network.coat_head, network.style_head[1]


def read_by(classifier: Classifier, x: Tensor) -> tuple[Tensor, ...]:
    """Return what each of these heads reads of pictures in [-1, 1]."""
    last, levels = classifier.network.features(x), classifier.network.levels(x)
    return last, last, classifier.network.style_head[0](levels)


@torch.no_grad()
def telling(pictures: Tensor) -> Classifier:
    """Return a random network whose heads are scaled so that they tell uint8 pictures (N, 3, 16, 16) apart."""
    torch.manual_seed(2)
    made = build_classifier((8, 16), (1, 2), size=16, coats=COATS, styles=STYLES)
    spreads = (30, 3, 3)  # of logits: a captioner is sure of its animals
    for head, features, spread in zip(
        heads_of(made), read_by(made, pictures.float() / 127.5 - 1), spreads, strict=True
    ):
        head.weight.mul_(spread / head(features).std(0)[:, None])
        head.bias.copy_(-(features @ head.weight.T).mean(0))
    return made


def seeing(checkpoint: Path, folder: Path, photographs: Sequence[Path]) -> Path:
    """Copy a checkpoint and give it a captioner that tells these pictures apart."""
    shutil.copytree(checkpoint, folder)
    small = [np.asarray(Image.open(path).convert("RGB").resize((16, 16))) for path in photographs]
    save_classifier(telling(torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2)), folder / "classifier")
    return folder
