"""A checkpoint's UNet without its other parts, to be timed; those are outlines, which have shapes alone."""

import time
from dataclasses import replace
from functools import partial

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from torch import nn

from zeroshift.backbones.checkpoint import Checkpoint
from zeroshift.backbones.layout import UNET
from zeroshift.backbones.one_file import OneFile
from zeroshift.backbones.original import filled, of_unet, outline
from zeroshift.backbones.outline import outline_of
from zeroshift.backbones.parts import read_network, vae_dtype
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.backbones.whole import loading

FORWARDS = 3
"""of which the fastest counts: the first finds memory and kernels"""


def outline_as_loaded(checkpoint: Checkpoint | OneFile, dtype: torch.dtype) -> StableDiffusion | StableDiffusionXL:
    """Build a checkpoint without weights, in precision ``dtype`` and with no image encoder but its own.

    Raises:
        Unsupported: nothing can be made of its configurations.
    """
    built = outline_of(checkpoint)
    assert isinstance(built, StableDiffusion | StableDiffusionXL)
    for network in networks_of(built).values():
        network.to(dtype)
    overflows = isinstance(built, StableDiffusionXL) and bool(built.vae.config.force_upcast)
    built.vae.to(vae_dtype(dtype, overflows))
    sees = isinstance(checkpoint, Checkpoint) and checkpoint.sees
    return built if sees else replace(built, open_clip=None)


def networks_of(backbone: StableDiffusion | StableDiffusionXL) -> dict[str, nn.Module]:
    """The networks of a backbone by the names of their folders, without the image encoder."""
    xl = isinstance(backbone, StableDiffusionXL)
    first, *others = backbone.text_encoders if isinstance(backbone, StableDiffusionXL) else (backbone.text_encoder,)
    return {"unet": backbone.unet, "vae": backbone.vae, "text_encoder": first} | (
        {"text_encoder_2": others[0]} if xl else {}
    )


def read_unet(checkpoint: Checkpoint | OneFile, dtype: torch.dtype) -> UNet2DConditionModel:
    """Read the UNet, in precision ``dtype``.

    Raises:
        Unsupported: its files are damaged or of another architecture.
    """
    if isinstance(checkpoint, Checkpoint):
        unet: UNet2DConditionModel = read_network(checkpoint, dtype, UNet2DConditionModel, "unet")
        return unet
    with loading(f"the checkpoint {checkpoint.name}", "its tensors"), safe_open(checkpoint.path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(f"{UNET}.")}  # noqa: SIM118
    with torch.device("meta"):
        empty = outline(checkpoint, "unet")
    of_file = partial(of_unet, checkpoint.configs["unet"])
    unet = filled(checkpoint.name, tensors, "unet", empty, of_file, dtype)
    return unet


@torch.no_grad()
def forward_seconds(shapes: StableDiffusion | StableDiffusionXL, unet: UNet2DConditionModel) -> float:
    """Seconds of one forward pass of ``unet`` on one sample of the model's size, the fastest of three.

    Args:
        shapes: the outline that ``unet`` belongs to.
        unet: on the device that is timed.
    """
    prompt = shapes.embed([""])
    timed, place = replace(shapes, unet=unet), unet.device
    pooled = None if prompt.pooled is None else torch.zeros(prompt.pooled.shape, device=place)
    text = replace(prompt, tokens=torch.zeros(prompt.tokens.shape, device=place), pooled=pooled)
    side = shapes.size // shapes.factor
    x = torch.zeros(1, shapes.latent_channels, side, side, device=place)
    seconds = []
    for _ in range(FORWARDS):
        begun = time.perf_counter()
        timed.predict(x, 500, text).sum().item()  # waits until the device has computed it
        seconds.append(time.perf_counter() - begun)
    return min(seconds)
