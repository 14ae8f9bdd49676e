"""Checkpoints that look like those that are loaded and are other networks: what each is, and what to use instead."""

from collections.abc import Mapping
from pathlib import Path

from zeroshift.backbones.whole import read_object
from zeroshift.diffusion.backbone import Unsupported

_SD = "stable-diffusion-v1-5/stable-diffusion-v1-5"
BASE = f"a text-to-image checkpoint such as {_SD}"
_XL = "stabilityai/stable-diffusion-xl-base-1.0"
TEACHER = "take the checkpoint that it was distilled from (Lykon/dreamshaper-7, for LCM_Dreamshaper_v7)"
INSTEAD = (
    ("UnCLIP", "take stabilityai/stable-diffusion-2-1, of which unCLIP was made"),
    ("XLInstructPix2Pix", f"take {_XL} and a `target` in the place of the instruction"),
    (
        "InstructPix2Pix",
        "take stable-diffusion-v1-5/stable-diffusion-v1-5 and a `target` in the place of the instruction",
    ),
    ("XLInpaint", f"take {_XL} and a `region` for a part of a picture"),
    ("Inpaint", "take the checkpoint that it was made of and a `region` for a part of a picture"),
    ("Depth2Img", "take stabilityai/stable-diffusion-2-base, of which it was made"),
    ("Upscale", f"take {BASE}; nothing here enlarges pictures"),
    ("XLImg2Img", f"take {_XL}, without its refiner"),
    ("LatentConsistency", TEACHER),
)
"""what to use instead of a pipeline, by a part of its name"""
CHANNELS: Mapping[int, tuple[str, str]] = {
    5: ("a depth model", "take stabilityai/stable-diffusion-2-base"),
    7: ("an upscaler", f"take {BASE}"),
    8: ("an instruct-pix2pix model", f"take {BASE} and a `target` in the place of the instruction"),
    9: ("an inpainting model", "take the checkpoint that it was made of and a `region` for a part of a picture"),
}
"""what a UNet is that sees more than the latent's 4 channels, and what to use instead"""
ADAPTERS = ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin", "adapter_config.json")
"""files of a LoRA's folder"""


def instead_of(pipeline: str) -> str:
    """What to use instead of a checkpoint for diffusers' ``pipeline``."""
    return next((advice for part, advice in INSTEAD if part in pipeline), "take one of those")


def check_network(root: Path, name: str) -> None:
    """Refuse a folder whose UNet asks for more than latents, a timestep and prompts.

    Raises:
        Unsupported: it does, or its configuration is damaged.
    """
    unet, vae = (read_object(root / part / "config.json", f"the {part} of {name}") for part in ("unet", "vae"))
    for part, config, key in (("unet", unet, "in_channels"), ("vae", vae, "latent_channels")):
        if not isinstance(config.get(key), int):
            found = f"says {key} {config[key]!r}" if key in config else f"has no {key}"
            raise Unsupported(f"config.json of the {part} of {name} {found}, expected a whole number; get it anew.")
    if unet["in_channels"] != vae["latent_channels"]:
        kind, advice = CHANNELS.get(unet["in_channels"], ("another kind of network", f"take {BASE}"))
        raise Unsupported(
            f"The UNet of {name} takes {unet['in_channels']} channels and its VAE gives {vae['latent_channels']}: "
            f"{kind}; {advice}."
        )
    if unet.get("time_cond_proj_dim") is not None:
        raise Unsupported(
            f"The UNet of {name} is told the guidance scale (time_cond_proj_dim), as latent consistency models are; "
            f"{TEACHER}."
        )
    for key, kind in (("class_embed_type", "as unCLIP's are"), ("num_class_embeds", "as upscalers are")):
        if unet.get(key) is not None:
            raise Unsupported(
                f"The UNet of {name} is told a class beside the prompt ({key} {unet[key]}), {kind}; take {BASE}."
            )


def check_folder(root: Path, name: str) -> None:
    """Refuse the folder of a LoRA.

    Raises:
        Unsupported: it is one.
    """
    if any((root / file).is_file() for file in ADAPTERS) and not (root / "unet").is_dir():
        raise Unsupported(
            f"{name} is a LoRA, which changes a checkpoint and is none; load the checkpoint that it was made for, with "
            "this as one of its `loras`."
        )
