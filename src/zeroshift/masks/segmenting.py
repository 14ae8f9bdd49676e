"""Any segmentation network that says where a picture's subject is: the mask ``auto`` without the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import AutoModelForSemanticSegmentation

from zeroshift.backbones.whole import check_weights, loading, no_bars
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.files import check_no_pipe, sha256_of
from zeroshift.image.tensors import to_tensor
from zeroshift.masks.preparing import Preparation, classes_of, preparation_in, share_of

_WHAT = "a segmentation model as transformers saves it, such as a SegFormer"


@final
@dataclass(frozen=True, eq=False)
class SegmentationNetwork:
    """A network of transformers' semantic segmentation, from a folder.

    Of one output it is how surely a place is the subject's; of several it is the class that the subject is called by,
    or where there is none all but the background.

    Raises:
        Unsupported: there is no such folder, or it has no configuration or no plain weights.
    """

    folder: str | Path
    device: str = "cpu"

    def __post_init__(self) -> None:
        root = Path(self.folder)
        check_no_pipe(root, f"{_WHAT}, or an ONNX file")
        if not root.is_dir():
            raise Unsupported(f"There is no folder or .onnx file {self.folder}; give {_WHAT}, or an ONNX file.")
        if not (root / "config.json").is_file():
            raise Unsupported(f"The segmenter {root.name} has no config.json; give {_WHAT}.")
        if not sorted(root.glob("*.safetensors")):
            raise Unsupported(f"The segmenter {root.name} has no .safetensors weights; give one that has.")

    @cached_property
    def sha256(self) -> str:
        """The hash of its files."""
        root = Path(self.folder)
        return sha256_of(sorted([*root.glob("*.safetensors"), *root.glob("*config.json")]), root)

    @property
    def strict(self) -> bool:
        """Somebody named it, so it is to find what is edited."""
        return True

    def knows(self, subject: str) -> bool:
        """Whether a class is called by the subject, or one is the background, or there is but one.

        Raises:
            Unsupported: its files are damaged.
        """
        network, _ = self._loaded
        return len(network.config.id2label) == 1 or any(classes_of(self._labels, subject))

    @torch.no_grad()
    def where(self, pictures: Sequence[Image.Image], subject: str) -> Tensor:
        """How surely each place of pictures of one size shows the subject, (B, 1, H, W) in [0, 1].

        Args:
            pictures: RGB, of one size.
            subject: what is looked for, as in "cat".

        Raises:
            Unsupported: the network has neither a class of that name nor one for the background; its files are damaged.
        """
        network, prepared = self._loaded
        x = to_tensor(list(pictures)).to(self.device) / 2 + 0.5
        logits: Tensor = network(prepared.of(x)).logits  # (B, classes, h, w)
        name = f"the segmenter {Path(self.folder).name}"
        sure = logits.sigmoid() if logits.shape[1] == 1 else share_of(logits.softmax(1), self._labels, subject, name)
        return F.interpolate(sure, size=x.shape[-2:], mode="bilinear", align_corners=False)

    @property
    def _labels(self) -> list[str]:
        return [label for _, label in sorted(self._loaded[0].config.id2label.items())]

    @cached_property
    def _loaded(self) -> tuple[Any, Preparation]:
        root, what = Path(self.folder), f"the segmenter {Path(self.folder).name}"
        check_weights(sorted(root.glob("*.safetensors")), what)
        with loading(what, "its files"), no_bars():
            network = AutoModelForSemanticSegmentation.from_pretrained(
                root, local_files_only=True, use_safetensors=True
            )
        return network.to(self.device).eval(), preparation_in(root, what)
