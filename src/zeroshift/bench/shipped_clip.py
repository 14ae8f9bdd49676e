"""The shipped model's own CLIP as a judge of texts: small, at hand everywhere, and comparable with no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from PIL import Image
from torch import Tensor

from zeroshift.backbones import load_backbone
from zeroshift.diffusion.backbone import Backbone
from zeroshift.image.tensors import to_tensor


@final
@dataclass(frozen=True, eq=False)
class ShippedClip:
    """Both towers of the shipped model."""

    backbone: Backbone

    @torch.no_grad()
    def of_pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Unit vectors (N, P); pictures are squeezed to the network's square."""
        return torch.cat([self.backbone.clip.image_features(to_tensor([one.convert("RGB")])) for one in pictures])

    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (N, P)."""
        return self.backbone.clip.text_features(texts)


def open_shipped_clip() -> ShippedClip:
    """The shipped model's CLIP, on the CPU."""
    return ShippedClip(load_backbone(device="cpu"))
