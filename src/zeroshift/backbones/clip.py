"""CLIP (Radford et al. 2021): what a picture shows and what a prompt says in one space."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor
from transformers import (
    CLIPModel,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    PreTrainedModel,
)

from zeroshift.backbones.checkpoint import IMAGE_ENCODER, Checkpoint, ClipFolder
from zeroshift.backbones.weights import variant_in, weights_in
from zeroshift.backbones.whole import check_loaded, check_weights, loading, no_bars, read_object
from zeroshift.diffusion.backbone import Tokens, Unsupported
from zeroshift.files import read_regular, regular

Colour: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Towers:
    """An image encoder, and the text encoder it was trained with if there is one; every parameter is frozen."""

    vision: CLIPVisionModel
    vision_projection: Tensor
    """(P, D)"""
    text: CLIPTextModel
    text_projection: Tensor | None
    """(P, L); None where the text encoder has no way into the image encoder's space"""
    tokenizer: CLIPTokenizer
    mean: Colour
    """what is taken from pixels in [0, 1]"""
    deviation: Colour
    """what they are divided by then"""

    def __post_init__(self) -> None:
        for network in (self.vision, self.text):
            network.requires_grad_(False).eval()

    @torch.no_grad()
    def image_tokens(self, pictures: Tensor) -> Tensor:
        """All tokens after the last norm, without projection, (B, N, D) (StyleDiffusion's image encoding).

        Pictures (B, 3, H, W) in [-1, 1] are resampled bicubically without antialiasing, as its authors do.
        """
        hidden = self.vision(pixel_values=self._prepared(pictures, antialias=False)).last_hidden_state
        tokens: Tensor = self.vision.post_layernorm(hidden)
        return widened(tokens)

    def image_features(self, pictures: Tensor) -> Tensor:
        """Unit vectors (B, P), differentiable with respect to the pictures (B, 3, H, W) in [-1, 1].

        Pictures are resampled bicubically with antialiasing; one that is not square is squeezed.
        """
        pooled = self.vision(pixel_values=self._prepared(pictures, antialias=True)).pooler_output
        return F.normalize(widened(pooled @ self.vision_projection.T), dim=-1)

    @torch.no_grad()
    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """Unit vectors (B, P); longer prompts are cut at the encoder's length.

        Raises:
            Unsupported: the text encoder has no way into the image encoder's space.
        """
        if self.text_projection is None:
            raise Unsupported(
                "This checkpoint's text encoder has no projection into the space of its image encoder, so pictures "
                "cannot be compared with prompts; give a whole CLIP, by folder or hub id, as `clip`."
            )
        length = self.text.config.max_position_embeddings
        ids = token_ids(self.tokenizer, prompts, length)
        pooled = self.text(torch.tensor(ids, device=self.text.device)).pooler_output
        return F.normalize(widened(pooled @ self.text_projection.to(pooled.device).T), dim=-1).to(self.vision.device)

    def _prepared(self, pictures: Tensor, *, antialias: bool) -> Tensor:
        side, x = int(self.vision.config.image_size), pictures.to(self.vision.device)
        if x.shape[-2:] != (side, side):
            x = resampled(x, side, antialias=antialias)
        mean, deviation = (x.new_tensor(colour)[:, None, None] for colour in (self.mean, self.deviation))
        return (((x + 1) / 2 - mean) / deviation).to(self.vision.dtype)


def resampled(x: Tensor, side: int, *, antialias: bool) -> Tensor:
    """Pictures (B, 3, H, W) at ``side`` pixels, bicubically; where MPS has no kernel, there and back by the CPU."""
    place = torch.device("cpu") if antialias and x.device.type == "mps" else x.device
    return F.interpolate(x.to(place), (side, side), mode="bicubic", antialias=antialias).to(x.device)


def token_ids(tokenizer: CLIPTokenizer, prompts: Sequence[str], length: int) -> list[list[int]]:
    """Encode prompts as ``length`` tokens each: begin token, words, end token, padding; longer prompts are cut.

    The tokenizer is not asked to cut or pad: it would remember that, and another thread's call would go by it.
    """
    whole = tokenizer(list(prompts), verbose=False).input_ids
    cut = [ids if len(ids) <= length else [*ids[: length - 1], ids[-1]] for ids in whole]
    return [[*ids, *[tokenizer.pad_token_id] * (length - len(ids))] for ids in cut]


def tokens_of(tokenizer: CLIPTokenizer, prompt: str) -> Tokens:
    """The tokens of a prompt at the tokenizer's full length, and which of them belong to which word."""
    words = tuple(prompt.split())
    last = tokenizer.model_max_length - 1  # the end token's place in a prompt that is cut
    spans, at = list[tuple[int, ...]](), 1
    for word in words:  # blanks part tokens, so a word's are the same on its own
        length = len(tokenizer(word, add_special_tokens=False).input_ids)
        spans.append(tuple(range(min(at, last), min(at + length, last))))
        at += length
    (ids,) = token_ids(tokenizer, [prompt], tokenizer.model_max_length)
    return Tokens(tuple(ids), min(at, last) + 1, words, tuple(spans))


def text_hash(encoders: Sequence[PreTrainedModel], tokenizers: Sequence[CLIPTokenizer]) -> str:
    """The hash of text encoders and of their tokenizers.

    Weights are hashed in half precision, so that an encoder that was loaded in it counts as the same.
    """
    digest = hashlib.sha256()
    for encoder, tokenizer in zip(encoders, tokenizers, strict=True):
        config = encoder.config
        digest.update(f"{config.hidden_act} {config.layer_norm_eps} {config.num_attention_heads}".encode())
        for name, x in sorted(encoder.state_dict().items()):
            digest.update(f"{name} {tuple(x.shape)}".encode() + x.half().cpu().numpy().tobytes())
        digest.update(f"{tokenizer.model_max_length} {tokenizer.backend_tokenizer.to_str()}".encode())
    return digest.hexdigest()


def widened(x: Tensor) -> Tensor:
    """Half precision in float32, anything else as it is."""
    return x if x.dtype == torch.float64 else x.float()


def read_own_towers(
    checkpoint: Checkpoint, text: CLIPTextModel, tokenizer: CLIPTokenizer, place: torch.device
) -> Towers:
    """Load the checkpoint's image encoder onto a device to stand beside its text encoder, in its precision.

    Raises:
        Unsupported: a file is missing or damaged, or weights are pickled.
    """
    root, name = checkpoint.root, checkpoint.name
    variant = variant_in(root / IMAGE_ENCODER, "model", f"The {IMAGE_ENCODER} of {name}")
    what, files = f"the {IMAGE_ENCODER} of {name}", weights_in(root / IMAGE_ENCODER, "model", variant)
    check_weights(files, what)
    image = read_tower(CLIPVisionModelWithProjection, root / IMAGE_ENCODER, variant, text.dtype, what).to(place)
    projection = own_text_projection(checkpoint, text)
    colours = read_colours([root / IMAGE_ENCODER, root / "feature_extractor"], name)
    weight = image.visual_projection.weight.detach()
    return Towers(image.vision_model, weight, text, projection, tokenizer, *colours)


def own_text_projection(checkpoint: Checkpoint, text: CLIPTextModel) -> Tensor | None:
    """What leads from a checkpoint's text encoder into its image encoder's space, if that is known.

    It is among the text encoder's weights, or its configuration says that both were trained without one.
    """
    if getattr(text.config, "text_projection", None) == "identity":
        return torch.eye(text.config.hidden_size, dtype=text.dtype, device=text.device)
    files = weights_in(checkpoint.root / "text_encoder", "model", checkpoint.variants["text_encoder"])
    for path in (path for path in files if path.suffix == ".safetensors"):
        with safe_open(regular(path), "pt") as file:
            if "text_projection.weight" in file.keys():  # noqa: SIM118 - safetensors has no iterator
                found: Tensor = file.get_tensor("text_projection.weight").to(text.device, text.dtype)
                return found
    return None


def read_towers(clip: ClipFolder, dtype: torch.dtype, place: torch.device) -> Towers:
    """Load a CLIP that was given apart.

    Raises:
        Unsupported: a file is missing or damaged, or it is another architecture.
    """
    what = f"the CLIP {clip.name}"
    for path in (path for path in clip.files() if path.suffix == ".json"):
        read_object(path, what)
    check_weights(clip.files(), what)
    model = read_tower(CLIPModel, clip.root, clip.variant, dtype, what).to(place)
    with loading(f"the tokenizer of {clip.name}", "its files"):
        tokenizer = CLIPTokenizer.from_pretrained(clip.root, local_files_only=True)
    image, text = model.visual_projection.weight.detach(), model.text_projection.weight.detach()
    return Towers(model.vision_model, image, model.text_model, text, tokenizer, *read_colours([clip.root], clip.name))


def read_tower(kind: Any, folder: Path, variant: str | None, dtype: torch.dtype, what: str) -> Any:  # noqa: ANN401
    """Load a network of transformers' class ``kind``; ``what`` is what errors call it.

    Raises:
        Unsupported: its files do not fit each other.
    """
    name = f"model{f'.{variant}' if variant else ''}.safetensors"
    with loading(what, f"its config.json and {name}"), no_bars():
        network, info = kind.from_pretrained(
            folder,
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # transformers' own error does not say which
            dtype=dtype,
        )
    check_loaded(info, what, name)
    return network


def read_colours(folders: Sequence[Path], name: str) -> tuple[Colour, Colour]:
    """Mean and deviation of pixels that an image encoder was trained with, from the first folder that says.

    Raises:
        Unsupported: no folder does.
    """
    for path in (folder / "preprocessor_config.json" for folder in folders):
        if lexists(path):
            try:
                facts = json.loads(read_regular(path))
                (a, b, c), (d, e, f) = facts["image_mean"], facts["image_std"]
                return (float(a), float(b), float(c)), (float(d), float(e), float(f))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise Unsupported(f"{path.name} of {name} has no image_mean and image_std; get it anew.") from error
    raise Unsupported(
        f"The image encoder of {name} has no preprocessor_config.json, so what it takes pictures as is unknown; "
        "add that file."
    )
