"""Seeing that a checkpoint's parts fit each other, by passing the smallest picture and a prompt through them."""

import math
from pathlib import Path

import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

from zeroshift.backbones.clip import token_ids
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.backbones.tokenizer import OPEN_CLIP_PADDING
from zeroshift.backbones.whole import loading
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.doubts import doubt


@torch.no_grad()
def probe(backbone: StableDiffusion | StableDiffusionXL) -> None:
    """Refuse parts that do not fit each other, before a picture is waited for.

    Raises:
        Unsupported: there are some.
    """
    name = backbone.identity.name
    with loading(f"the unet of {name}", "its config.json"):
        if backbone.size < backbone.multiple or not backbone.sites:
            raise ValueError(f"a sample_size of {backbone.unet.config.sample_size}")
    with loading(f"the vae of {name}", "its config.json"):
        scale = float(backbone.vae.config.scaling_factor)
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"a scaling_factor of {scale}")
        latents = backbone.encode(torch.zeros(1, 3, backbone.multiple, backbone.multiple))
        if backbone.decode(latents).shape[-1] != backbone.multiple:
            raise ValueError("its pictures have other sizes than block_out_channels says")
    with loading(f"the scheduler of {name}", "its scheduler_config.json"):
        timestep = backbone.schedule(1).timesteps[0]
    with loading(f"the unet of {name}", "its config.json for this vae and text encoder"):
        if backbone.predict(latents, timestep, backbone.embed([""])).shape != latents.shape:
            raise ValueError("it returns latents of another shape")


def with_length(words: CLIPTokenizer, text: CLIPTextModel | CLIPTextModelWithProjection) -> CLIPTokenizer:
    """The tokenizer, as long as its text encoder where its own files do not say how long."""
    if words.model_max_length >= VERY_LARGE_INTEGER:
        words.model_max_length = text.config.max_position_embeddings
    return words


def with_padding(
    words: CLIPTokenizer, text: CLIPTextModel | CLIPTextModelWithProjection, folder: Path, what: str
) -> CLIPTokenizer:
    """The tokenizer of a ``folder``, padding as its encoder was trained where no file there says with what.

    OpenCLIP's encoders (Stable Diffusion 2, the second of XL) know "!" as padding and have another activation than
    OpenAI's; transformers pads with the end token, which they read otherwise.
    """
    told = any((folder / name).is_file() for name in ("tokenizer_config.json", "special_tokens_map.json"))
    if not told and text.config.hidden_act == "gelu" and OPEN_CLIP_PADDING in words.get_vocab():
        words.pad_token = OPEN_CLIP_PADDING
        doubt(f'No file of {what} says what it pads with; "!" is taken, as of all OpenCLIP encoders.')
    return words


def check_prompts(words: CLIPTokenizer, text: CLIPTextModel | CLIPTextModelWithProjection, name: str) -> None:
    """Refuse a tokenizer that is of another text encoder.

    Raises:
        Unsupported: it is.
    """
    encoder = text.config
    if not 2 < words.model_max_length <= encoder.max_position_embeddings:
        raise Unsupported(
            f"tokenizer_config.json of {name} has a model_max_length of {words.model_max_length:g}, and the text "
            f"encoder takes at most {encoder.max_position_embeddings} tokens; get it anew."
        )
    with loading(f"the tokenizer of {name}", "its vocab.json"):
        (ids,) = token_ids(words, ["a photo of a cat"], words.model_max_length)
        if None in ids or max(ids) >= encoder.vocab_size:
            raise ValueError("it has tokens that the text encoder does not know")
