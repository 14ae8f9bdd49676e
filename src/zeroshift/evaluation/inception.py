"""KID as it is published: the kernel distance of Inception's features (Binkowski et al., ICLR 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from PIL import Image
from torch import Tensor

from zeroshift.evaluation.imagenet import as_bytes
from zeroshift.evaluation.kernel_distance import kernel_distance
from zeroshift.files import check_readable


@final
@dataclass(frozen=True, eq=False)
class Inception:
    """The network of 2015 with which FID and KID are counted, as its TorchScript takes bytes of any size."""

    network: Any

    @torch.no_grad()
    def features(self, pictures: Sequence[Image.Image]) -> Tensor:
        """The last layer but one (N, 2048), float64."""
        found = [self.network(as_bytes(one), return_features=True).double() for one in pictures]
        return torch.cat(found)


def open_inception(path: Path) -> Inception:
    """The network from NVIDIA's file ``inception-2015-12-05.pt`` (StyleGAN, EDM), which resizes and scales by itself.

    Raises:
        ValueError: the file is missing, or is no TorchScript.
    """
    check_readable(path, f"There is no file {path}; give NVIDIA's inception-2015-12-05.pt.")
    try:
        return Inception(torch.jit.load(path, map_location="cpu").eval())
    except RuntimeError as error:
        raise ValueError(f"{path} is no TorchScript; give NVIDIA's inception-2015-12-05.pt.") from error


def kid(x: Tensor, y: Tensor, *, subsets: int = 100, size: int = 1000, seed: int = 0) -> float:
    """Mean kernel distance over random subsets of features (M, D) and (N, D), ``size`` of each or as many as there are.

    Raises:
        ValueError: a set has fewer than two pictures.
    """
    size, generator = min(size, len(x), len(y)), torch.Generator().manual_seed(seed)

    def drawn(features: Tensor) -> Tensor:
        return features[torch.randperm(len(features), generator=generator)[:size]]

    return sum(kernel_distance(drawn(x), drawn(y)) for _ in range(subsets)) / subsets
