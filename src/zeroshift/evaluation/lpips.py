"""LPIPS (Zhang et al., The Unreasonable Effectiveness of Deep Features, CVPR 2018), version 0.1.

The convolutions are those of torchvision's networks, whose weights are read from a file; the linear heads come with
torchmetrics, which has them from the authors (BSD). torchvision itself is not needed.
"""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, final

import torch
import torch.nn.functional as F
import torchmetrics
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from zeroshift.evaluation.regions import Mode, blackened, mean_over, unless_empty
from zeroshift.files import check_readable

Trunk: TypeAlias = Literal["alex", "vgg", "squeeze"]
SLICES: dict[Trunk, tuple[int, ...]] = {
    "alex": (2, 5, 8, 10, 12),
    "vgg": (4, 9, 16, 23, 30),
    "squeeze": (2, 5, 8, 10, 11, 12, 13),
}
"""after how many of torchvision's layers features are taken"""
FILES: dict[Trunk, str] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
"""what torchvision calls the networks"""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""of pictures in [-1, 1]: what ImageNet's means and deviations are there"""
VGG_WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""channels of VGG16's convolutions; 0 is a pooling"""


@final
@dataclass(frozen=True, eq=False)
class Lpips:
    """One of the three distances; every parameter is frozen."""

    kind: Trunk
    layers: nn.Sequential
    """torchvision's "features" """
    heads: tuple[Tensor, ...]
    """of each slice (1, C, 1, 1)"""

    @torch.no_grad()
    def __call__(
        self, source: Tensor, edit: Tensor, part: Tensor | None = None, mode: Mode = "corrected", unit: bool = False
    ) -> Tensor:
        """Distance (B,) of pictures of bytes (B, 3, H, W), 0 for equal ones, in a ``part`` (B, 1, H, W) or all.

        In a part, ``corrected`` compares whole pictures and takes the mean of the map of distances there; NaN where it
        is empty. With ``unit`` the networks are given pictures in [0, 1], as NS-LPIPS was, instead of [-1, 1].
        """
        x, y = source.float() / 255, edit.float() / 255
        if part is not None and mode == "paper":
            x, y = blackened(x, part), blackened(y, part)
        x, y = (x, y) if unit else (2 * x - 1, 2 * y - 1)
        maps = list(self.maps(x, y))
        if part is None or mode == "paper":
            return unless_empty(torch.stack([one.mean((1, 2, 3)) for one in maps]).sum(0), part)
        size = source.shape[-2:]
        return mean_over(torch.stack([F.interpolate(one, size, mode="bilinear") for one in maps]).sum(0), part)

    def maps(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        """Each slice's distances (B, 1, h, w)."""
        for head, a, b in zip(self.heads, self.features(x), self.features(y), strict=True):
            yield (head * (a - b).square()).sum(1, keepdim=True)

    def features(self, x: Tensor) -> Iterator[Tensor]:
        """Each slice's features, of unit length at every place."""
        shift, scale = (x.new_tensor(colour)[:, None, None] for colour in (SHIFT, SCALE))
        x = (x - shift) / scale
        for number, layer in enumerate(list(self.layers)[: SLICES[self.kind][-1]], start=1):
            x = layer(x)
            if number in SLICES[self.kind]:
                yield x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()


def open_lpips(kind: Trunk, weights: Path) -> Lpips:
    """The distance by torchvision's network ``kind``, whose weights are in a file, ``.pth`` or ``.safetensors``.

    Raises:
        ValueError: the file is missing, or has another network.
    """
    name = FILES[kind]
    check_readable(weights, f"There is no file {weights}; give torchvision's weights of {name}, as {name}-*.pth.")
    layers = layers_of(kind)
    try:
        tensors = load_file(weights) if weights.suffix == ".safetensors" else torch.load(weights, weights_only=True)
        own = {key.removeprefix("features."): x for key, x in tensors.items() if key.startswith("features.")}
        layers.load_state_dict(own)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, AttributeError, EOFError) as error:
        raise ValueError(f"{weights} does not hold torchvision's {name}; get {name}-*.pth of it.") from error
    return Lpips(kind, layers.eval().requires_grad_(False), heads_of(kind))


def heads_of(kind: Trunk) -> tuple[Tensor, ...]:
    """The authors' linear layers, version 0.1, as torchmetrics carries them."""
    path = Path(torchmetrics.__file__).parent / f"functional/image/lpips_models/{kind}.pth"
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    return tuple(tensors[f"lin{n}.model.1.weight"] for n in range(len(SLICES[kind])))


def layers_of(kind: Trunk) -> nn.Sequential:
    """Torchvision's "features" of a network, layer for layer, without its weights."""
    if kind == "vgg":
        return nn.Sequential(*_vgg())
    if kind == "alex":
        pool, relu = nn.MaxPool2d(3, 2), nn.ReLU()
        wide = (nn.Conv2d(3, 64, 11, 4, 2), relu, pool, nn.Conv2d(64, 192, 5, padding=2), relu, pool)
        rest = (nn.Conv2d(a, b, 3, padding=1) for a, b in ((192, 384), (384, 256), (256, 256)))
        return nn.Sequential(*wide, *(layer for one in rest for layer in (one, relu)), pool)
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    fires = [Fire(*widths) for widths in ((64, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128))]
    deep = [Fire(*widths) for widths in ((256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256))]
    first = (nn.Conv2d(3, 64, 3, 2), nn.ReLU())
    return nn.Sequential(*first, pool, *fires[:2], pool, *fires[2:], pool, *deep)


def _vgg() -> Iterator[nn.Module]:
    before = 3
    for width in (*VGG_WIDTHS, 0):
        if not width:
            yield nn.MaxPool2d(2)
            continue
        yield nn.Conv2d(before, width, 3, padding=1)
        yield nn.ReLU()
        before = width


class Fire(nn.Module):
    """A part of SqueezeNet (Iandola et al. 2016): few channels, then many by windows of 1 and of 3 pixels."""

    def __init__(self, before: int, few: int, many: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, few, 1)
        self.expand1x1 = nn.Conv2d(few, many, 1)
        self.expand3x3 = nn.Conv2d(few, many, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


def ns_lpips(distance: Lpips, source: Tensor, edit: Tensor, heat: Tensor, mode: Mode = "corrected") -> Tensor:
    """LPIPS of what is not selected (B,): outside of where a word looks (StyleDiffusion, Li et al. 2023).

    Args:
        distance: the authors take AlexNet's.
        source: bytes (B, 3, H, W); ``edit`` as well.
        heat: (B, 1, h, w), how much every place looks at the word that is edited; only its shape counts.
        mode: ``paper`` is as their code has it: pictures at 256 pixels, both multiplied by 1 - heat / its maximum (the
            threshold is computed and not used), the network given pictures in [0, 1]. ``corrected`` takes the mean of
            the map of distances where the heat is under half of its maximum.
    """
    side = (256, 256) if mode == "paper" else source.shape[-2:]
    small = [F.interpolate(x.float(), side, mode="bilinear") for x in (source, edit)]
    heat = F.interpolate(heat.float(), side, mode="bilinear")
    outside = 1 - heat / heat.amax((1, 2, 3), keepdim=True)
    if mode == "paper":
        return distance(small[0], small[1], outside, mode, unit=True)
    return distance(small[0], small[1], outside > 0.5, mode)
