"""Reading a checkpoint, frozen, onto a device."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from zeroshift.backbones.checkpoint import USUAL, Checkpoint, ClipFolder, Device, Memory, Precision, Speed
from zeroshift.backbones.clip import read_own_towers, read_towers
from zeroshift.backbones.compiling import compile_parts
from zeroshift.backbones.families import STABLE_DIFFUSION, STABLE_DIFFUSION_XL
from zeroshift.backbones.lora import Lora, apply
from zeroshift.backbones.one_file import OneFile
from zeroshift.backbones.original import parts_of_file
from zeroshift.backbones.parts import Parts, parts_of_folder
from zeroshift.backbones.probe import check_prompts, probe
from zeroshift.backbones.saving import REST, Saving
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.backbone import Clip, Identity
from zeroshift.diffusion.machine import quick_in_bf16
from zeroshift.doubts import doubt
from zeroshift.files import sha256_of, sha256_of_file
from zeroshift.memory.free import TAKEN, free_bytes

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
OpenClip = Callable[[], Clip] | None


def read(
    checkpoint: Checkpoint | OneFile,
    device: Device,
    precision: Precision,
    clip: ClipFolder | None = None,
    loras: Sequence[Lora] = (),
    memory: Memory = "auto",
    speed: Speed = USUAL,
) -> StableDiffusion | StableDiffusionXL:
    """Load every part but the image encoder, which is loaded when it is first needed.

    Raises:
        Unsupported: a file is damaged or of another architecture, or a LoRA is for another checkpoint.
        ValueError: the device is not there.
    """
    place = pick_device(device)
    dtype = pick_dtype(precision, place)
    with ThreadPoolExecutor(1) as beside:  # weights are hashed while they are read: a disk gives them once
        identity = beside.submit(identity_of, checkpoint, clip, loras)
        if isinstance(checkpoint, OneFile):
            parts = parts_of_file(checkpoint, dtype)
        else:
            parts = parts_of_folder(checkpoint, dtype)
    apply(parts, loras)
    networks = (parts.unet, parts.vae, *parts.towers)
    saving = saving_of(networks, memory, place)
    for network in networks:
        network.to(REST if saving.on else place)
    if speed.channels_last:
        parts.unet.to(memory_format=torch.channels_last)
    if speed.compiled:
        compile_parts(parts.unet)
    for words, tower in zip(parts.words, parts.towers, strict=True):
        check_prompts(words, tower, checkpoint.name)
    opener = clip_opener(checkpoint, clip, parts.towers[0], parts.words[0], place)
    built = BUILDERS[checkpoint.family.name](identity.result(), parts, opener)
    backbone = replace(built, widens=precision == "auto", saving=saving, compiled=speed.compiled)
    probe(backbone)
    return backbone


def saving_of(networks: Sequence[nn.Module], memory: Memory, place: torch.device) -> Saving:
    """How memory is saved on a device; "auto" does at once where it is too small for all networks together."""
    if place.type == "cpu":  # where all weights are in any case
        return Saving(memory)
    saving, weights = Saving(memory, place), sum(x.nbytes for network in networks for x in network.parameters())
    if weights > TAKEN * free_bytes(place) and saving.begin():
        doubt(f"Memory is too small on {place.type} for all of the model; its parts come and go (`memory` low).")
    return saving


def stable_diffusion(identity: Identity, parts: Parts, opener: OpenClip) -> StableDiffusion:
    """Stable Diffusion 1.x or 2.x of its parts."""
    (tower,), (words,) = parts.towers, parts.words
    return StableDiffusion(identity, parts.unet, parts.vae, tower, words, parts.scheduler, opener)


def stable_diffusion_xl(identity: Identity, parts: Parts, opener: OpenClip) -> StableDiffusionXL:
    """Stable Diffusion XL of its parts."""
    (first, second), (words, other) = parts.towers, parts.words
    return StableDiffusionXL(
        identity, parts.unet, parts.vae, (first, second), (words, other), parts.scheduler, parts.zeros_for_empty, opener
    )


BUILDERS: "Mapping[str, Callable[[Identity, Parts, OpenClip], StableDiffusion | StableDiffusionXL]]" = {
    STABLE_DIFFUSION.name: stable_diffusion,
    STABLE_DIFFUSION_XL.name: stable_diffusion_xl,
}
"""what makes a backbone of its parts, by the family's name"""


def identity_of(checkpoint: Checkpoint | OneFile, clip: ClipFolder | None, loras: Sequence[Lora] = ()) -> Identity:
    """The identity of a checkpoint, with LoRAs and the CLIP given apart; one file's hash is that of its bytes."""
    if isinstance(checkpoint, OneFile):
        own = sha256_of_file(checkpoint.path)
    else:
        own = sha256_of(checkpoint.files(), checkpoint.root)
    beside = [] if clip is None else [sha256_of(clip.files(), clip.root)]
    beside += [f"{sha256_of_file(lora.path)}:{lora.weight!r}" for lora in loras]
    if beside:
        own = hashlib.sha256(" ".join([own, *beside]).encode()).hexdigest()
    name = None if clip is None else clip.name
    return Identity(checkpoint.name, own, checkpoint.revision, name, tuple(map(str, loras)))


def clip_opener(
    checkpoint: Checkpoint | OneFile,
    clip: ClipFolder | None,
    text: CLIPTextModel,
    words: CLIPTokenizer,
    place: torch.device,
) -> OpenClip:
    """What loads the CLIP that was given apart, else the checkpoint's own; None where there is neither."""
    if clip is not None:
        return lambda: read_towers(clip, text.dtype, place)
    if isinstance(checkpoint, OneFile) or not checkpoint.sees:
        return None
    return lambda: read_own_towers(checkpoint, text, words, place)


def pick_device(device: Device) -> torch.device:
    """The device; "auto" takes CUDA, else MPS, else the CPU.

    Raises:
        ValueError: torch cannot use the one asked for.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[device]:
        raise ValueError(
            f"torch finds no {device} device here; use `device` cpu, or install a torch build that has it."
        )
    return torch.device(device)


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The networks' precision; "auto" is fp16 on CUDA, else fp32. A CPU computes in fp16, and far more slowly."""
    if precision == "fp16" and device.type == "cpu":
        doubt("On a CPU fp16 takes many times as long as fp32, which is the default there; leave `precision` out.")
    if precision == "bf16" and device.type == "cpu" and not quick_in_bf16(device):
        doubt("This CPU imitates bf16, which takes many times as long as fp32; leave `precision` out.")
    if precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return _DTYPES[precision]
