"""Every figure of one edit, by the networks that are at hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zeroshift.evaluation import clip, features, imagenet, pixels
from zeroshift.evaluation.clip import Clip, PicturesAndTexts, open_clip
from zeroshift.evaluation.imagenet import GROUPS, ImageNetJudge, as_bytes, open_judge
from zeroshift.evaluation.lpips import FILES, Lpips, Trunk, open_lpips
from zeroshift.evaluation.regions import Mode
from zeroshift.evaluation.structure import Structure, open_structure

if TYPE_CHECKING:
    from zeroshift.bench.items import Item
    from zeroshift.image.registration import Mask

BETTER: Mapping[str, bool] = {
    "imagenet-success": True,
    "imagenet-surely": True,
    "shipped-clip-accuracy": True,
    "shipped-clip-score": True,
    "shipped-clip-direction": True,
    "clip-accuracy": True,
    "clip-score": True,
    "clip-score-edited": True,
    "clip-direction": True,
    "reconstruction": True,
    "structure-distance": False,
    "feature-structure": False,
    "feature-distance": False,
    "feature-distance-outside": False,
    "lpips": False,
    "lpips-inside": False,
    "lpips-outside": False,
    "mse": False,
    "mse-inside": False,
    "mse-outside": False,
    "psnr": True,
    "psnr-inside": True,
    "psnr-outside": True,
    "ssim": True,
    "ssim-inside": True,
    "ssim-outside": True,
}
"""every figure, in the order of tables, and whether more is better; ``reconstruction`` is measured by a run"""
SUCCESS = ("imagenet-success", "imagenet-surely", "clip-accuracy", "shipped-clip-accuracy")
"""figures that are 1, 0, or nothing where the item does not count"""


@dataclass(frozen=True, eq=False)
class Judges:
    """The networks that score; those that are None are not at hand, and their figures are left out."""

    mode: Mode = "corrected"
    imagenet: ImageNetJudge | None = None
    shipped_clip: PicturesAndTexts | None = None
    clip: Clip | None = None
    structure: Structure | None = None
    lpips: Lpips | None = None

    @property
    def names(self) -> dict[str, str]:
        """What scored, as a table says it."""
        found = {"mode": str(self.mode)}
        if self.imagenet is not None:
            found["imagenet"] = "EfficientNet-Lite2"
        if self.shipped_clip is not None:
            found["shipped-clip"] = "the shipped model's"
        if self.clip is not None:
            found["clip"] = self.clip.name
        if self.structure is not None:
            found["structure"] = self.structure.name
        return found | ({"lpips": FILES[self.lpips.kind]} if self.lpips is not None else {})


def open_judges(
    mode: Mode, *, clip_model: str | None, dino: str | None, lpips: Path | None, trunk: Trunk = "squeeze"
) -> Judges:
    """The networks that were named, and those that come with the package.

    Raises:
        ValueError: one that was named cannot be loaded.
    """
    from zeroshift.bench.shipped_clip import open_shipped_clip

    return Judges(
        mode,
        open_judge(),
        open_shipped_clip(),
        None if clip_model is None else open_clip(clip_model),
        None if dino is None else open_structure(dino),
        None if lpips is None else open_lpips(trunk, lpips),
    )


def figures_of(judges: Judges, item: "Item", source: Image.Image, edit: Image.Image) -> dict[str, float]:
    """Every figure of an edit beside its photograph, of one size; NaN where one is not defined for this item."""
    region = item.region(judges.mode)
    if region is not None and region.shape != (source.height, source.width):
        region = np.asarray(Image.fromarray(region).resize(source.size, Image.Resampling.NEAREST))
    found = dict(_successes(judges, item, source, edit))
    found |= dict(_texts(judges, item, source, edit, region))
    found |= dict(_likenesses(judges, as_bytes(source), as_bytes(edit), region))
    return {name: found[name] for name in BETTER if name in found}


def _successes(judges: Judges, item: "Item", source: Image.Image, edit: Image.Image) -> Iterator[tuple[str, float]]:
    if judges.imagenet is not None and {item.source, item.target} <= GROUPS.keys():
        before, after = (judges.imagenet.look([one]) for one in (source, edit))
        for name, least in (("imagenet-success", 0.0), ("imagenet-surely", imagenet.SURE)):
            yield name, float(imagenet.success(before, after, item.source, item.target, least))


def _texts(
    judges: Judges, item: "Item", source: Image.Image, edit: Image.Image, region: "Mask | None"
) -> Iterator[tuple[str, float]]:
    for begin, network in (("shipped-clip", judges.shipped_clip), ("clip", judges.clip)):
        if network is None:
            continue
        before, after = network.of_pictures([source]), network.of_pictures([edit])
        target = network.of_texts([item.target_prompt])
        yield f"{begin}-score", float(clip.clip_score(after, target))
        if item.source_prompt:
            said = network.of_texts([item.source_prompt])
            right = bool(clip.clip_accuracy(before, target, said))
            arrived = float(clip.clip_accuracy(after, said, target))
            yield f"{begin}-accuracy", arrived if right or judges.mode == "paper" else float("nan")
            yield f"{begin}-direction", float(clip.directional_similarity(before, after, said, target))
    if judges.clip is not None and region is not None and region.any():
        part = judges.clip.of_pictures([clip.edited_part(edit, region, judges.mode)])
        yield "clip-score-edited", float(clip.clip_score(part, judges.clip.of_texts([item.target_prompt])))


def _likenesses(judges: Judges, source: Tensor, edit: Tensor, region: "Mask | None") -> Iterator[tuple[str, float]]:
    inside = None if region is None else torch.from_numpy(region.copy())[None, None]
    parts = {"": None} if inside is None else {"": None, "-inside": inside, "-outside": ~inside}
    for end, part in parts.items():
        for name, score in (("mse", pixels.mse), ("psnr", pixels.psnr), ("ssim", pixels.ssim_of_pairs)):
            yield f"{name}{end}", float(score(source, edit, part, judges.mode))
        if judges.lpips is not None:
            yield f"lpips{end}", float(judges.lpips(source, edit, part, judges.mode))
        if judges.imagenet is not None and end != "-inside":
            yield f"feature-distance{end}", float(features.feature_distance(judges.imagenet, source, edit, part))
    if judges.imagenet is not None:
        yield "feature-structure", float(features.feature_structure(judges.imagenet, source, edit))
    if judges.structure is not None:
        yield "structure-distance", float(judges.structure(source, edit, judges.mode))
