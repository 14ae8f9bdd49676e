"""Scores by CLIP (Radford et al. 2021): does a picture show what a text says, and did it change as the text did."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zeroshift.evaluation.regions import Mode

PUBLISHED = "openai/clip-vit-large-patch14"
"""the network that published figures are of"""


class PicturesAndTexts(Protocol):
    """A CLIP: pictures and texts as unit vectors of one space."""

    def of_pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Unit vectors (N, P)."""
        ...

    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (N, P)."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Clip:
    """A whole CLIP of transformers', with its own preparation of pictures."""

    name: str
    network: Any
    tokenizer: Any
    processor: Any

    @torch.no_grad()
    def of_pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Unit vectors (N, P); the shorter side is resampled and the middle cut out, as the network's own files say."""
        prepared = self.processor(images=[p.convert("RGB") for p in pictures], return_tensors="pt")
        return F.normalize(self.network.get_image_features(**prepared).pooler_output, dim=-1)

    @torch.no_grad()
    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (N, P); longer texts are cut at the network's length."""
        length = self.network.config.text_config.max_position_embeddings
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=length, return_tensors="pt")
        return F.normalize(self.network.get_text_features(**tokens).pooler_output, dim=-1)


def open_clip(network: str | Path = PUBLISHED) -> Clip:
    """A CLIP in a folder of transformers', or of a hub id.

    Raises:
        ValueError: it is not there, or is another network.
    """
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    try:
        loaded = CLIPModel.from_pretrained(network, use_safetensors=True).eval().requires_grad_(False)
        tokenizer = CLIPTokenizer.from_pretrained(network)
        processor = CLIPImageProcessorPil.from_pretrained(network)
    except (OSError, ValueError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), "no more is known")
        raise ValueError(f"The CLIP {network} cannot be loaded ({reason}).") from error
    return Clip(str(network), loaded, tokenizer, processor)


def clip_score(pictures: Tensor, texts: Tensor) -> Tensor:
    """100 times the cosine (N,) of pictures' and texts' unit vectors (N, P), 0 if negative (Hessel et al. 2021).

    As torchmetrics and PIE-Bench have it: without the factor 2.5 of the paper's own definition.
    """
    scores: Tensor = (100 * (pictures * texts).sum(-1)).clamp(min=0)
    return scores


def clip_accuracy(edits: Tensor, sources: Tensor, targets: Tensor) -> Tensor:
    """Whether each edit is nearer to its target's text than to its source's, bool (N,) (pix2pix-zero, section 4).

    All three are unit vectors (N, P): of the edited pictures, of the source texts and of the target texts.
    """
    nearer: Tensor = (edits * targets).sum(-1) > (edits * sources).sum(-1)
    return nearer


def directional_similarity(photographs: Tensor, edits: Tensor, sources: Tensor, targets: Tensor) -> Tensor:
    """Cosine (N,) between how pictures changed and how the texts did (Gal et al., StyleGAN-NADA, 2022, equation 4).

    All four are unit vectors (N, P). NaN where two texts or two pictures are the same.
    """
    moved, said = edits - photographs, targets - sources
    cosines: Tensor = (moved * said).sum(-1) / (moved.norm(dim=-1) * said.norm(dim=-1))
    return cosines


def edited_part(picture: Image.Image, mask: NDArray[np.bool_], mode: Mode = "corrected") -> Image.Image:
    """What a CLIP is shown of the edited region, where the mask (H, W) is true.

    ``paper``: all else is black, as PIE-Bench has it. ``corrected``: the smallest square around it, as far as the
    picture reaches, with what is around it in its own colours.
    """
    pixels = np.asarray(picture.convert("RGB"))
    if mode == "paper":
        return Image.fromarray(pixels * mask[..., None])
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    side = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    top, left = (
        int(min(max(0, (ends[0] + ends[-1] + 1 - side) // 2), max(0, length - side)))
        for ends, length in ((rows, mask.shape[0]), (columns, mask.shape[1]))
    )
    return Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
