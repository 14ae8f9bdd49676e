"""An independent picture classifier, which judges whether generated pictures show their prompts' animal and coat.

What it tells of a photograph (animal, coat, style) is also what the shipped model's captions say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zeroshift.backbones.whole import loading, read_object
from zeroshift.miniature.classifier_config import ClassifierConfig
from zeroshift.miniature.saved import check_saved, save_network, saved_state

Heads: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""logits of N pictures: the second class's (N,), the coats' (N, coats), the styles' (N, styles)"""


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
    """A small residual network: ``blocks[k]`` blocks of ``widths[k]`` channels at level k, the first at half size.

    Linear heads read pooled features: one logit for two classes, and one per coat and per style, if any. Styles are
    told by the features of all levels: the last one's are trained to tell animals whatever the colours. So is, by a
    head of ``presence`` hidden units, whether there is an animal at all.
    """

    def __init__(
        self, widths: tuple[int, ...], blocks: tuple[int, ...], coats: int = 0, styles: int = 0, presence: int = 0
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        body: list[nn.Module] = []
        channels, self.ends = widths[0], set[int]()
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for k in range(count):
                body.append(Residual(channels, width, 2 if level > 0 and k == 0 else 1))
                channels = width
            self.ends.add(len(body) - 1)
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(channels, 1)
        self.coat_head = nn.Linear(channels, coats) if coats else None
        every = widths[0] + sum(widths)
        self.style_head = nn.Sequential(nn.BatchNorm1d(every), nn.Linear(every, styles)) if styles else None
        self.presence_head = presence_head(every, presence) if presence else None

    def levels(self, x: Tensor) -> Tensor:
        """The pooled features of stem and levels, (N, widths[0] + sum(widths)), of pictures in [-1, 1]."""
        x = F.relu(self.norm(self.stem(x)))
        pooled = [x.mean((2, 3))]
        for k, block in enumerate(self.body):
            x = block(x)
            if k in self.ends:
                pooled.append(x.mean((2, 3)))
        return torch.cat(pooled, 1)

    def features(self, x: Tensor) -> Tensor:
        """The last level's pooled features (N, widths[-1]) of pictures (N, 3, S, S) in [-1, 1]."""
        return self.levels(x)[:, -self.head.in_features :]

    def heads(self, levels: Tensor) -> Heads:
        """All logits of what ``levels`` returned."""
        last = levels[:, -self.head.in_features :]
        coats = last[:, :0] if self.coat_head is None else self.coat_head(last)
        styles = last[:, :0] if self.style_head is None else self.style_head(levels)
        return self.head(last)[:, 0], coats, styles

    def forward(self, x: Tensor) -> Tensor:
        """The second class's logits (N,) of pictures (N, 3, S, S) in [-1, 1]."""
        return self.heads(self.levels(x))[0]


def presence_head(features: int, hidden: int) -> nn.Sequential:
    """An untrained head that tells by the features of all levels whether a picture shows an animal."""
    norm = nn.BatchNorm1d(features, affine=False)
    return nn.Sequential(norm, nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, 1))


@dataclass(frozen=True)
class Classifier:
    """A trained network with its decision threshold."""

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
    coats: tuple[str, ...] = ()
    """the coats that it tells apart, as captions name them"""
    styles: tuple[str, ...] = ()
    """the styles that it tells apart, keys of ``vocabulary.MEDIA``"""
    sure_from: float = 0.0
    """what ``presence`` is of a picture that shows an animal, at least"""

    def probabilities(self, pictures: Tensor, batch: int = 64) -> Tensor:
        """The second class's probability (N,) of uint8 pictures (N, 3, H, W)."""
        return self.logits(pictures, batch)[0].sigmoid()

    def labels(self, pictures: Tensor) -> list[str]:
        """The class name of each uint8 picture (N, 3, H, W)."""
        return self.named(self.probabilities(pictures))

    def named(self, probabilities: Tensor) -> list[str]:
        """The class names of the second class's probabilities (N,)."""
        return [self.classes[int(p >= self.threshold)] for p in probabilities]

    def coat_labels(self, pictures: Tensor, batch: int = 64) -> list[str]:
        """The coat of each uint8 picture (N, 3, H, W), whatever its animal.

        Raises:
            ValueError: the classifier was trained without coats.
        """
        if not self.coats:
            raise ValueError("This classifier tells no coats apart; train one on pictures with the column coat.")
        return [self.coats[k] for k in self.logits(pictures, batch)[1].argmax(1).tolist()]

    @torch.no_grad()
    def features(self, pictures: Tensor, batch: int = 64) -> Tensor:
        """The pooled features (N, widths[-1]) of uint8 pictures (N, 3, H, W), which are not mirrored."""
        return torch.cat([self.network.features(x) for x in self._inputs(pictures, batch)]).cpu()

    @torch.no_grad()
    def logits(self, pictures: Tensor, batch: int = 64) -> Heads:
        """All logits of uint8 pictures (N, 3, H, W), averaged over each picture and its mirror image."""
        parts = []
        for x in self._inputs(pictures, batch):
            straight, mirrored = (self.network.heads(self.network.levels(y)) for y in (x, x.flip(-1)))
            parts.append([(a + b) / 2 for a, b in zip(straight, mirrored, strict=True)])
        animals, coats, styles = (torch.cat(head).cpu() for head in zip(*parts, strict=True))
        return animals, coats, styles

    def styles_of(self, heads: Heads) -> list[dict[str, float]]:
        """How probable each style is, of what ``logits`` returned; empty where it tells none."""
        return [dict(zip(self.styles, row, strict=True)) for row in heads[2].softmax(1).tolist()]

    @torch.no_grad()
    def presence(self, pictures: Tensor, batch: int = 64) -> Tensor | None:
        """Logits (N,) of there being an animal in uint8 pictures (N, 3, H, W), averaged over mirror images.

        None for a classifier without such a head.
        """
        head, network = self.network.presence_head, self.network
        if head is None:
            return None
        found = [
            (head(network.levels(x)) + head(network.levels(x.flip(-1)))) / 2 for x in self._inputs(pictures, batch)
        ]
        return torch.cat(found)[:, 0].cpu()

    def _inputs(self, pictures: Tensor, batch: int) -> Iterator[Tensor]:
        device = next(self.network.parameters()).device
        return (resized(part.to(device), self.size) / 127.5 - 1 for part in torch.split(pictures, batch))


def resized(pictures: Tensor, size: int) -> Tensor:
    """Uint8 pictures (N, 3, H, W) as floats (N, 3, size, size) in [0, 255], antialiased where sides differ."""
    x = pictures.float()
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bicubic", antialias=True).clamp(0, 255)


def build_classifier(
    widths: tuple[int, ...],
    blocks: tuple[int, ...],
    size: int = 64,
    coats: tuple[str, ...] = (),
    styles: tuple[str, ...] = (),
) -> Classifier:
    """An untrained classifier in evaluation mode."""
    network = ClassifierNetwork(widths, blocks, len(coats), len(styles)).eval()
    return Classifier(network, widths, blocks, size, coats=coats, styles=styles)


def start_from(classifier: Classifier, trained: Classifier) -> None:
    """Give a network the weights of a trained one of its shape; a head for other coats or styles stays fresh.

    Raises:
        ValueError: the shapes differ.
    """
    if (trained.widths, trained.blocks) != (classifier.widths, classifier.blocks):
        raise ValueError(
            f"The classifier to go on from has widths {trained.widths} and blocks {trained.blocks}, and this one "
            f"{classifier.widths} and {classifier.blocks}; start afresh."
        )
    fresh = (
        ["presence_head"]
        + ["coat_head"] * (trained.coats != classifier.coats)
        + ["style_head"] * (trained.styles != classifier.styles)
    )
    kept = {k: v for k, v in trained.network.state_dict().items() if k.partition(".")[0] not in fresh}
    classifier.network.load_state_dict({**classifier.network.state_dict(), **kept})


def load_classifier(folder: str | Path) -> Classifier:
    """Read a classifier from ``config.json`` and ``model.safetensors`` in ``folder``, in float32.

    Raises:
        ValueError: one of the two files is missing or damaged, or they do not fit each other.
    """
    folder = Path(folder)
    check_saved(folder, "classifier")
    with loading(f"the classifier in {folder}", "config.json and model.safetensors"):
        known = ClassifierConfig.model_validate(read_object(folder / "config.json", "the classifier"))
        shape = known.architecture.widths, known.architecture.blocks
        hidden = 0 if known.presence is None else known.presence.hidden
        network = ClassifierNetwork(*shape, len(known.coats), len(known.styles), hidden)
        network.load_state_dict(saved_state(folder))
    network.eval().requires_grad_(False)
    sure_from = 0.0 if known.presence is None else known.presence.sure_from
    made = Classifier(network, *shape, known.size, known.classes, known.threshold, known.figures)
    return replace(made, coats=known.coats, styles=known.styles, sure_from=sure_from)


def save_classifier(classifier: Classifier, folder: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float16) into ``folder``."""
    config = {
        "architecture": {"widths": classifier.widths, "blocks": classifier.blocks},
        "size": classifier.size,
        "classes": classifier.classes,
        "threshold": classifier.threshold,
        "figures": classifier.figures,
        "coats": classifier.coats,
        "styles": classifier.styles,
    }
    if (head := classifier.network.presence_head) is not None:
        config["presence"] = {"hidden": head[1].out_features, "sure_from": classifier.sure_from}
    save_network(Path(folder), classifier.network, config)
