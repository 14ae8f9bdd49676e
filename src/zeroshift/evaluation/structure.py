"""Structure distance: how differently a picture's places resemble each other, by DINO (Tumanyan et al., CVPR 2022)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.evaluation.regions import Mode

PUBLISHED = "facebook/dino-vitb8"
"""the network that published figures are of: DINO's ViT-B/8, of which the last of 12 layers is taken"""
SIDE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@final
@dataclass(frozen=True, eq=False)
class Structure:
    """A vision transformer."""

    name: str
    network: Any
    """transformers' ViTModel; every parameter is frozen"""

    def __call__(self, source: Tensor, edit: Tensor, mode: Mode = "corrected") -> Tensor:
        """Mean squared difference (B,) of the self-similarities of pictures of bytes (B, 3, H, W); 0 for equal ones."""
        return (self.similarities(source, mode) - self.similarities(edit, mode)).square().mean((1, 2))

    @torch.no_grad()
    def similarities(self, pictures: Tensor, mode: Mode = "corrected") -> Tensor:
        """Cosines (B, T, T) between the keys of the last layer, heads side by side, at every pair of its T tokens."""
        found = list[Tensor]()
        keys = self.network.layers[-1].attention.k_proj
        hook = keys.register_forward_hook(lambda _, __, output: found.append(output))
        try:
            self.network(pixel_values=prepared(pictures, mode), interpolate_pos_encoding=True)
        finally:
            hook.remove()
        unit = F.normalize(found[0].float(), dim=-1)
        return unit @ unit.mT


def open_structure(network: str | Path = PUBLISHED) -> Structure:
    """The distance by a vision transformer, as a folder of transformers' or a hub id.

    Raises:
        ValueError: it is not there, or is another network.
    """
    from transformers import ViTModel

    try:
        loaded = ViTModel.from_pretrained(network, use_safetensors=True, add_pooling_layer=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), "no more is known")
        raise ValueError(f"The vision transformer {network} cannot be loaded ({reason}).") from error
    return Structure(str(network), loaded.eval().requires_grad_(False))


def prepared(pictures: Tensor, mode: Mode) -> Tensor:
    """Bytes (B, 3, H, W) as the network is given them, the shorter side 224 pixels, the longer at most 480.

    ``paper``: on the scale 0 to 255 where the network knows 0 to 1, shrunk without smoothing: what PIE-Bench's
    evaluator does with torchvision 0.13. ``corrected``: on the scale 0 to 1, smoothed.
    """
    height, width = pictures.shape[-2:]
    scale = min(SIDE / min(height, width), 480 / max(height, width))
    size = (int(height * scale), int(width * scale))
    x = F.interpolate(pictures.float(), size, mode="bilinear", antialias=mode == "corrected")
    mean, deviation = (x.new_tensor(colour)[:, None, None] for colour in (MEAN, DEVIATION))
    return ((x if mode == "paper" else x / 255) - mean) / deviation
