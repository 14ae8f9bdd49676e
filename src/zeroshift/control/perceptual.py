"""VGG16's features (Simonyan and Zisserman 2015), from torchvision's weights; nothing is downloaded."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from zeroshift.files import check_readable

BLOCKS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((0, 64), (2, 64)),
    ((5, 128), (7, 128)),
    ((10, 256), (12, 256), (14, 256)),
    ((17, 512), (19, 512), (21, 512)),
)
"""convolutions between poolings: number in torchvision's "features", and channels; every block ends with one of
relu1_2, relu2_2, relu3_3, relu4_3"""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""of ImageNet's pixels in [0, 1]"""


@dataclass(frozen=True, eq=False)
class Vgg:
    """VGG16's convolutions up to relu4_3."""

    tensors: Mapping[str, Tensor]
    """by torchvision's names"""

    @property
    def sha256(self) -> str:
        """Hash of the values."""
        digest = hashlib.sha256()
        for name in shapes():
            digest.update(self.tensors[name].contiguous().cpu().numpy().tobytes())
        return digest.hexdigest()


def load_vgg(path: Path, device: torch.device) -> Vgg:
    """Read what is needed of a VGG16 in safetensors under torchvision's names.

    Raises:
        ValueError: the file is missing, or is not one.
    """
    check_readable(path, f"There is no file {path}; give `vgg` the weights of torchvision's VGG16 as .safetensors.")
    try:
        tensors = load_file(path)
        needed = {name: tensors[name].to(device) for name in shapes()}
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{path} does not hold torchvision's VGG16 as .safetensors; convert that first.") from error
    if any(tuple(needed[name].shape) != shape for name, shape in shapes().items()):
        raise ValueError(f"{path} is another network than VGG16; give `vgg` the weights of torchvision's VGG16.")
    return Vgg(needed)


def shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that is needed."""
    found: dict[str, tuple[int, ...]] = {}
    before = 3
    for number, width in (layer for block in BLOCKS for layer in block):
        found |= {f"features.{number}.weight": (width, before, 3, 3), f"features.{number}.bias": (width,)}
        before = width
    return found


def vgg_features(vgg: Vgg, pictures: Tensor) -> list[Tensor]:
    """Relu1_2, relu2_2, relu3_3 and relu4_3 of pictures (B, 3, H, W) in [-1, 1], H and W at least 8."""
    mean, deviation = (pictures.new_tensor(colour)[:, None, None] for colour in (MEAN, DEVIATION))
    x, found = ((pictures + 1) / 2 - mean) / deviation, list[Tensor]()
    for block in BLOCKS:
        x = F.max_pool2d(x, 2) if found else x
        for number, _ in block:
            weight, bias = (vgg.tensors[f"features.{number}.{name}"].to(x) for name in ("weight", "bias"))
            x = F.conv2d(x, weight, bias, padding=1).relu()
        found.append(x)
    return found
