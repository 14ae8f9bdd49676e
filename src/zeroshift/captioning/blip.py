"""Captions from BLIP, as pix2pix-zero takes them (Li et al. 2022, arXiv:2201.12086), or BLIP-2 (arXiv:2301.12597)."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from PIL import Image
from transformers import AutoTokenizer, Blip2ForConditionalGeneration, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from zeroshift.backbones.checkpoint import is_folder
from zeroshift.backbones.hub import snapshot
from zeroshift.backbones.whole import check_weights, loading, no_bars, read_object
from zeroshift.captioning.kept import CaptionFolder, caption_key, marks_of_files
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.image import flatten

_KINDS: dict[str, Any] = {"blip": BlipForConditionalGeneration, "blip-2": Blip2ForConditionalGeneration}
_WANTED = ("*.json", "*.safetensors", "*.txt")
_ENDS = ("bos", "eos", "pad", "sep", "decoder_start")
_MARK = re.compile(r"\[[A-Z]+\d*\]|<(?!0x)[^<>\s]+>")
"""a token that is no word; <0x0A> is a byte of one"""
_WHAT = "a BLIP as transformers saves it, such as Salesforce/blip-image-captioning-base"


@final
@dataclass(frozen=True, eq=False)
class Blip:
    """BLIP or BLIP-2; the likeliest caption word by word, so the same picture has the same one every time.

    Raises:
        ValueError: there is no such folder or repository.
        Unsupported: it has no configuration or no plain weights, or is no BLIP.
    """

    model: str | Path
    """folder as transformers saves it, or hub id"""
    most_tokens: int = 40
    """of one caption"""
    cache_dir: str | Path | None = None
    """where hub downloads are kept"""
    device: str = "cpu"
    """where it runs, as torch calls it"""
    cache: CaptionFolder | None = None
    """where captions are kept for later processes"""
    kept: dict[str, str] = field(default_factory=dict, repr=False)
    """captions by the pixels' hash: a picture is looked at once"""

    def __post_init__(self) -> None:
        config = self._root / "config.json"
        if not config.is_file():
            raise Unsupported(f"The captioner {self.name} has no config.json; give {_WHAT}.")
        facts = read_object(config, f"the captioner {self.name}")
        kind = facts.get("model_type")
        if kind not in _KINDS:
            raise Unsupported(f"The captioner {self.name} is of the kind {kind!r}; give {_WHAT}.")
        if kind == "blip-2" and facts.get("image_token_index") is None:
            raise Unsupported(
                f"config.json of the captioner {self.name} names no image_token_index, which transformers needs of "
                "a BLIP-2; get the files anew from the hub."
            )
        if not sorted(self._root.glob("*.safetensors")):
            raise Unsupported(f"The captioner {self.name} has no .safetensors weights; give one that has.")

    @property
    def name(self) -> str:
        """Its folder's name, or its hub id."""
        return Path(self.model).resolve().name if Path(self.model).is_dir() else str(self.model)

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One sentence per picture.

        Raises:
            Unsupported: a file is missing or damaged.
        """
        flat = [flatten(picture) for picture in pictures]
        keys = [hashlib.sha256(f"{p.size}".encode() + p.tobytes()).hexdigest() for p in flat]
        for key, picture in zip(keys, flat, strict=True):  # one by one: company would change last bits
            if key not in self.kept:
                self.kept[key] = self._remembered(key, picture)
        return [self.kept[key] for key in keys]

    def _remembered(self, key: str, picture: Image.Image) -> str:
        """The caption that an earlier process found, or a new one, which is kept."""
        if self.cache is None:
            return self._caption(picture)
        place = caption_key(key, f"{self._marks} {self.most_tokens}", self.device)
        found = self.cache.get(place)
        if found is None:
            found = self._caption(picture)
            self.cache.put(place, found, self.name)
        return found

    @torch.no_grad()
    def _caption(self, picture: Image.Image) -> str:
        model, processor, tokenizer = self._loaded
        pixels = processor(images=[picture], return_tensors="pt").pixel_values.to(model.device)
        ids = model.generate(pixel_values=pixels, max_new_tokens=self.most_tokens, do_sample=False)
        marks = marks_of(tokenizer, model.config)
        said = [token for token in ids[0].tolist() if token not in marks]
        text: str = tokenizer.decode(said, skip_special_tokens=True)
        return " ".join(text.split())

    @cached_property
    def _root(self) -> Path:
        folder = is_folder(self.model, _WHAT)
        return (
            Path(self.model) if folder else snapshot(str(self.model), None, self.cache_dir, _WANTED, what="captioner")
        )

    @cached_property
    def _marks(self) -> str:
        return marks_of_files(path for pattern in _WANTED for path in self._root.glob(pattern))

    @cached_property
    def _loaded(self) -> tuple[Any, Any, Any]:
        root, what = self._root, f"the captioner {self.name}"
        check_weights(sorted(root.glob("*.safetensors")), what)
        with loading(what, "its files"), no_bars():
            kind = _KINDS[read_object(root / "config.json", what)["model_type"]]
            processor = BlipImageProcessorPil.from_pretrained(root, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(root, local_files_only=True)
            model = kind.from_pretrained(root, local_files_only=True, use_safetensors=True)
        return model.to(self.device).eval(), processor, tokenizer


def marks_of(tokenizer: Any, config: Any) -> set[int]:  # noqa: ANN401 - of any class of transformers
    """The tokens that are no words: those that the model begins, ends and pads with, and those written as [DEC], <s>.

    Not every tokenizer knows them as special: BLIP's "[DEC]" is a word like others to one of BERT's.
    """
    of_text = {getattr(config.text_config, f"{name}_token_id", None) for name in _ENDS}
    own = of_text | {getattr(config, "image_token_index", None)}  # BLIP-2's stand for the picture
    written = {token for word, token in tokenizer.get_vocab().items() if _MARK.fullmatch(word)}
    return {token for token in own if token is not None} | written
