"""An independent two-class picture classifier, which judges whether a generated picture shows its prompt's animal."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from zeroshift.files import write_atomically


class Residual(nn.Module):
    """Two 3x3 convolutions and a squeeze-and-excitation gate (Hu et al. 2018) around a skip connection."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.squeeze = nn.Conv2d(width, width // 8, 1)
        self.excite = nn.Conv2d(width // 8, width, 1)
        self.skip = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        gate = self.excite(F.relu(self.squeeze(y.mean((2, 3), keepdim=True)))).sigmoid()
        shortcut = F.avg_pool2d(x, self.stride, ceil_mode=True) if self.stride > 1 else x
        return F.relu(y * gate + self.skip(shortcut))


class ClassifierNetwork(nn.Module):
    """A small residual network: ``blocks[k]`` blocks of ``widths[k]`` channels at level k, the first at half size."""

    def __init__(self, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        body: list[nn.Module] = []
        channels = widths[0]
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for k in range(count):
                body.append(Residual(channels, width, 2 if level > 0 and k == 0 else 1))
                channels = width
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the second class's logits (N,) of pictures (N, 3, S, S) in [-1, 1]."""
        features = self.body(F.relu(self.norm(self.stem(x))))
        return self.head(features.mean((2, 3)))[:, 0]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Classifier:
    """A trained network with the decision threshold that was chosen on held-out pictures."""

    network: ClassifierNetwork
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    size: int = 64
    """sides in pixels at which pictures are judged; other sizes are resized"""
    classes: tuple[str, str] = ("cat", "dog")
    threshold: float = 0.5
    """probability of the second class from which on it is the answer"""
    figures: dict[str, float] = field(default_factory=dict)
    """what was measured when it was trained"""

    @torch.no_grad()
    def probabilities(self, pictures: Tensor, batch: int = 64) -> Tensor:
        """Return the second class's probability (N,) of uint8 pictures (N, 3, H, W).

        Logits are averaged over each picture and its mirror image.
        """
        device = next(self.network.parameters()).device
        parts = []
        for part in torch.split(pictures, batch):
            x = resized(part.to(device), self.size) / 127.5 - 1
            parts.append((self.network(x) + self.network(x.flip(-1))).div(2).sigmoid())
        return torch.cat(parts).cpu()

    def labels(self, pictures: Tensor) -> list[str]:
        """Return the class name of each uint8 picture (N, 3, H, W)."""
        return [self.classes[int(p >= self.threshold)] for p in self.probabilities(pictures)]


def resized(pictures: Tensor, size: int) -> Tensor:
    """Return uint8 pictures (N, 3, H, W) as floats (N, 3, size, size) in [0, 255], antialiased where sides differ."""
    x = pictures.float()
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bicubic", antialias=True).clamp(0, 255)


def build_classifier(widths: tuple[int, ...], blocks: tuple[int, ...], size: int = 64) -> Classifier:
    """Return an untrained classifier in evaluation mode."""
    return Classifier(ClassifierNetwork(widths, blocks).eval(), widths, blocks, size)


def balanced_accuracy(predicted: Tensor, truth: Tensor) -> float:
    """Return the mean of both classes' recalls; both arguments are bool (N,).

    Raises:
        ValueError: a class has no picture.
    """
    if truth.all() or not truth.any():
        raise ValueError("Balanced accuracy needs pictures of both classes; only one is there.")
    hit = (predicted == truth).double()
    return float((hit[truth].mean() + hit[~truth].mean()) / 2)


def choose_threshold(probabilities: Tensor, truth: Tensor) -> float:
    """Return the threshold of best balanced accuracy; among equals, the one nearest to a half."""
    values = probabilities.double().sort().values
    candidates: list[float] = [0.5, *((values[1:] + values[:-1]) / 2).tolist()]
    return max(candidates, key=lambda t: (balanced_accuracy(probabilities >= t, truth), -abs(t - 0.5)))


def accuracy(classifier: Classifier, pictures: Tensor, truth: Tensor) -> float:
    """Return the balanced accuracy on uint8 pictures (N, 3, H, W) at the classifier's threshold."""
    return balanced_accuracy(classifier.probabilities(pictures) >= classifier.threshold, truth)


def load_classifier(folder: str | Path) -> Classifier:
    """Read a classifier from ``config.json`` and ``model.safetensors`` in ``folder``, in float32.

    Raises:
        ValueError: one of the two files is missing.
    """
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} has no {name}; give a folder that the classifier's trainer wrote.")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    widths, blocks = tuple(config["architecture"]["widths"]), tuple(config["architecture"]["blocks"])
    network = ClassifierNetwork(widths, blocks)
    network.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
    network.eval().requires_grad_(False)
    first, second = config["classes"]
    return Classifier(network, widths, blocks, config["size"], (first, second), config["threshold"], config["figures"])


def save_classifier(classifier: Classifier, folder: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float16) into ``folder``."""
    folder = Path(folder)
    state = classifier.network.state_dict()
    # The step counters of batch normalisation serve training alone, but strict loading asks for them.
    weights = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    write_atomically(folder / "model.safetensors", save(weights))
    config = {
        "architecture": {"widths": classifier.widths, "blocks": classifier.blocks},
        "size": classifier.size,
        "classes": classifier.classes,
        "threshold": classifier.threshold,
        "figures": classifier.figures,
    }
    write_atomically(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())
