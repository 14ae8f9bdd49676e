"""Any segmentation network that says where a picture's subject is: the mask ``auto`` without the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import AutoModelForSemanticSegmentation

from zeroshift.backbones.checkpoint import is_folder
from zeroshift.backbones.whole import check_weights, loading, read_object
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.files import sha256_of
from zeroshift.image.tensors import to_tensor
from zeroshift.sentences import contains_word

_WHAT = "a segmentation model as transformers saves it, such as a SegFormer"
_REST = ("background", "other", "unlabeled")
_USUAL = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""mean and deviation of colours where a folder says none: ImageNet's"""


@final
@dataclass(frozen=True, eq=False)
class SegmentationNetwork:
    """A network of transformers' semantic segmentation, from a folder.

    Of one output it is how surely a place is the subject's; of several it is the class that the subject is called by,
    or where there is none all but the background.

    Raises:
        Unsupported: the folder has no configuration or no plain weights.
    """

    folder: str | Path
    device: str = "cpu"

    def __post_init__(self) -> None:
        root = Path(self.folder)
        if not is_folder(self.folder, _WHAT) or not (root / "config.json").is_file():
            raise Unsupported(f"The segmenter {root.name} has no config.json; give {_WHAT}.")
        if not sorted(root.glob("*.safetensors")):
            raise Unsupported(f"The segmenter {root.name} has no .safetensors weights; give one that has.")

    @cached_property
    def sha256(self) -> str:
        """The hash of its files."""
        root = Path(self.folder)
        return sha256_of(sorted([*root.glob("*.safetensors"), *root.glob("*config.json")]), root)

    @torch.no_grad()
    def where(self, pictures: Sequence[Image.Image], subject: str) -> Tensor:
        """How surely each place of pictures of one size shows the subject, (B, 1, H, W) in [0, 1].

        Args:
            pictures: RGB, of one size.
            subject: what is looked for, as in "cat".

        Raises:
            Unsupported: the network has neither a class of that name nor one for the background; its files are damaged.
        """
        network, side, mean, deviation = self._loaded
        x = to_tensor(list(pictures)).to(self.device) / 2 + 0.5
        small = F.interpolate(x, size=side, mode="bilinear", antialias=True) if side else x
        logits: Tensor = network((small - mean) / deviation).logits  # (B, classes, h, w)
        sure = logits.sigmoid() if logits.shape[1] == 1 else self._share(logits.softmax(1), subject)
        return F.interpolate(sure, size=x.shape[-2:], mode="bilinear", align_corners=False)

    def _share(self, shares: Tensor, subject: str) -> Tensor:
        labels = [str(label).casefold() for _, label in sorted(self._loaded[0].config.id2label.items())]
        named = [n for n, label in enumerate(labels) if subject and contains_word(label, subject.casefold())]
        rest = [n for n, label in enumerate(labels) if label in _REST]
        if not named and not rest:
            raise Unsupported(
                f'The segmenter {Path(self.folder).name} knows no "{subject}", and none of its classes is the '
                "background; take another one."
            )
        found = shares[:, named].sum(1, keepdim=True) if named else 1 - shares[:, rest].sum(1, keepdim=True)
        return found.clamp(0, 1)

    @cached_property
    def _loaded(self) -> tuple[Any, tuple[int, int] | None, Tensor, Tensor]:
        root, what = Path(self.folder), f"the segmenter {Path(self.folder).name}"
        check_weights(sorted(root.glob("*.safetensors")), what)
        with loading(what, "its files"):
            network = AutoModelForSemanticSegmentation.from_pretrained(
                root, local_files_only=True, use_safetensors=True
            )
        file = root / "preprocessor_config.json"
        facts = read_object(file, what) if file.is_file() else {}
        colours = (facts.get("image_mean", _USUAL[0]), facts.get("image_std", _USUAL[1]))
        mean, deviation = (torch.tensor(np.asarray(one, np.float32))[None, :, None, None] for one in colours)
        return (
            network.to(self.device).eval(),
            side_of(facts.get("size")),
            mean.to(self.device),
            deviation.to(self.device),
        )


def side_of(size: Any) -> tuple[int, int] | None:  # noqa: ANN401 - what a configuration says
    """Height and width that pictures are brought to, by transformers' ways of saying it; None: as they are."""
    if isinstance(size, int):
        return (size, size)
    if isinstance(size, dict) and {"height", "width"} <= size.keys():
        return (int(size["height"]), int(size["width"]))
    if isinstance(size, dict) and "shortest_edge" in size:
        return (int(size["shortest_edge"]),) * 2
    return None
