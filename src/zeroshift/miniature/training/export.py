"""Saving what was trained as an ordinary diffusers folder that StableDiffusionPipeline loads."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPConfig, CLIPModel, CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from zeroshift.files import folder_atomically, read_regular
from zeroshift.words import KnownWords, write_known_words

REGULARISATION, SD15 = 20, 64 * 64 * 4
"""pix2pix-zero's step sizes (section 3.1) for the latent values of Stable Diffusion 1.x at 512 pixels"""
REGULARISED = {
    "pix2pix-zero": ("lambda_ac", "lambda_kl"),
    "rediffuser": ("lambda_ac", "lambda_kl"),
    "mirror-diffusion": ("lambda_kl",),
}
"""step sizes of inversion, by method, whose gradients grow as one over the number of latent values"""


def save(
    out: Path,
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    towers: CLIPModel,
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    known: KnownWords,
) -> None:
    """Write a new folder ``out`` in half precision: a pipeline's parts, image_encoder, presets and words beside them.

    The text tower's projection is the identity, so the image encoder's ``image_embeds`` compare with the text
    encoder's ``pooler_output`` by cosine.
    """
    text = CLIPTextModel(towers.config.text_config)
    text.load_state_dict(towers.text_model.state_dict())
    image = CLIPVisionModelWithProjection(towers.config.vision_config)
    image.load_state_dict(_image_tower(towers))
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with folder_atomically(out) as folder:
        pipeline.to(dtype=torch.float16).save_pretrained(folder)
        image.half().save_pretrained(folder / "image_encoder")
        # transformers then loads half-precision files in float32 unless told otherwise, as diffusers does with its own
        _add(folder / "image_encoder/config.json", {"dtype": "float32"})
        _add(folder / "text_encoder/config.json", {"dtype": "float32", "text_projection": "identity"})
        for part in ("unet", "vae"):
            _add(folder / part / "config.json", {})
        side = towers.config.vision_config.image_size
        half = [0.5, 0.5, 0.5]  # the towers were trained on pictures in [-1, 1]
        preparation = {"image_mean": half, "image_std": half, "size": {"height": side, "width": side}}
        _add(folder / "image_encoder/preprocessor_config.json", preparation)
        write_known_words(folder, known)
        _add(folder / "presets.json", presets(unet.config.in_channels * unet.config.sample_size**2))


def presets(values: int) -> dict[str, object]:
    """What the model recommends: step sizes of inversion in proportion to its number of latent values.

    With the papers' own the inversion of a model that has few of them leaves all bounds.
    """
    size = step_size(values)
    reason = f"{REGULARISATION} at 64 x 64 x 4 latent values, in proportion to this model's {values}"
    return {
        name: {"options": {"inversion": dict.fromkeys(options, size)}, "chosen_by": reason}
        for name, options in REGULARISED.items()
    }


def step_size(values: int) -> float:
    """The step size of regularised inversion for a number of latent values."""
    return REGULARISATION * values / SD15


def _add(file: Path, facts: Mapping[str, object]) -> None:
    """Put facts into a JSON file, which need not be there yet; where a part was loaded from is nobody's business."""
    before = json.loads(read_regular(file)) if file.is_file() else {}
    before.pop("_name_or_path", None)
    file.write_text(json.dumps({**before, **facts}, indent=2) + "\n", encoding="utf-8")


def check_model(model: Path, *, factor: int, latent_channels: int) -> None:
    """Refuse a folder that training cannot start from.

    ``factor`` is that between pixels and latents, along a side.

    Raises:
        ValueError: a part is missing, or the autoencoder is of another shape.
    """
    for part in ("vae", "unet", "text_encoder", "image_encoder", "tokenizer"):
        if not (model / part / "config.json").is_file() and not (model / part / "tokenizer_config.json").is_file():
            raise ValueError(f"{model} has no {part}; start from the folder of a model that this trainer saved.")
    config = json.loads(read_regular(model / "vae/config.json"))
    halvings = len(config["block_out_channels"]) - 1
    for option, asked, own in (
        ("factor", factor, 2**halvings),
        ("latent_channels", latent_channels, config["latent_channels"]),
    ):
        if asked != own:
            raise ValueError(
                f"{model} was trained with `{option}` {own}, not {asked}; give `{option}` {own} with `init`."
            )


def load_towers(model: Path) -> CLIPModel:
    """Put a saved model's text and image encoders back together for further training."""
    text = CLIPTextModel.from_pretrained(model / "text_encoder", local_files_only=True).float()
    image = CLIPVisionModelWithProjection.from_pretrained(model / "image_encoder", local_files_only=True).float()
    width = text.config.hidden_size
    config = CLIPConfig(text_config=text.config.to_dict(), vision_config=image.config.to_dict(), projection_dim=width)
    towers = CLIPModel(config)
    towers.text_model.load_state_dict(text.state_dict())
    towers.load_state_dict(image.state_dict(), strict=False)
    towers.text_projection.weight.data.copy_(torch.eye(width))
    return towers.eval()


def _image_tower(towers: CLIPModel) -> dict[str, torch.Tensor]:
    return {k: v for k, v in towers.state_dict().items() if k.startswith(("vision_model.", "visual_projection."))}
