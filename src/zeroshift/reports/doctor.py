"""What a machine and a checkpoint can do together: devices, memory, parts, and what each method takes."""

import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from zeroshift.backbones.alone import forward_seconds, networks_of, outline_as_loaded, read_unet
from zeroshift.backbones.checkpoint import (
    CLASSIFIER,
    CRITIC,
    FINDER,
    IMAGE_ENCODER,
    PRESETS,
    RESTORER,
    SEGMENTER,
    WORDS,
    Checkpoint,
    Device,
    Precision,
    find_checkpoint,
)
from zeroshift.backbones.one_file import OneFile
from zeroshift.backbones.read import pick_device, pick_dtype
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.backbones.whole import read_object
from zeroshift.cost.counting import count, direction_flops
from zeroshift.cost.flops import forward_flops
from zeroshift.files import regular
from zeroshift.memory.free import free_bytes
from zeroshift.memory.need import need
from zeroshift.memory.room import pictures_within
from zeroshift.methods import METHODS, USUAL, Method
from zeroshift.presets import build_method, presets_of
from zeroshift.running.grouping import BATCH

ALL = tuple(method.name for method in METHODS)
OPTIONAL = {
    IMAGE_ENCODER: "config.json",
    CLASSIFIER: "config.json",
    FINDER: "config.json",
    SEGMENTER: "config.json",
    RESTORER: "config.json",
    CRITIC: "config.json",
    WORDS: "",
    PRESETS: "",
}
"""what a folder may have beside its family's parts, and the file that tells"""
OWN = (CLASSIFIER, FINDER, SEGMENTER, RESTORER, CRITIC)
"""of these the ones whose weights are always one file, for they are of this package"""


@dataclass(frozen=True)
class Place:
    """A device that torch can use here."""

    name: str
    """as ``device`` takes it"""
    about: str
    free_bytes: int


@dataclass(frozen=True)
class FoundPart:
    """A part of a checkpoint."""

    name: str
    found: bool
    about: str
    """its size or kind; empty where nothing is known"""


@dataclass(frozen=True)
class MethodFit:
    """What a method with its default options takes of this machine's memory."""

    method: str
    why_not: str | None
    """one sentence; None where it fits"""
    picture_bytes: int | None = None
    """memory of one picture beside the weights; None where the method does not fit"""
    batch: int | None = None
    """how many pictures are taken together; 0 where not even one has room"""
    saved_bytes: int | None = None
    """memory of one picture where memory is saved (`memory` low); counted only where none has room otherwise"""


@dataclass(frozen=True)
class EditTime:
    """About how long a first edit of one picture takes with a method's default options, loading left out."""

    method: str
    sf: float
    """in forward passes of the UNet, inversion and a new edit direction included"""
    seconds: float
    """``sf`` times a measured forward pass"""


@dataclass(frozen=True)
class Checkup:
    """What a machine and a checkpoint can do together."""

    devices: tuple[Place, ...]
    device: str
    """the one that is taken"""
    precision: str
    """the one that is taken: "fp32", "fp16" or "bf16" """
    model: str
    layout: str
    """ "folder" or "file" """
    family: str
    size: int
    """side of the model's pictures in pixels"""
    prediction: str
    """ "epsilon" or "v_prediction" """
    spacing: str
    """of timesteps, as diffusers names it"""
    parts: tuple[FoundPart, ...]
    weights_bytes: int
    """of all networks but the image encoder, in that precision"""
    forward_seconds: float
    """of one forward pass of the UNet on one sample, measured"""
    methods: tuple[MethodFit, ...]
    edit: EditTime | None
    """of the method that was asked for; None where it does not fit"""


def examine(
    model: str | Path | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    methods: Sequence[str] = ALL,
    method: str = USUAL,
) -> Checkup:
    """Find out what this machine and a checkpoint can do together.

    Of the weights only the UNet's are read, and three forward passes run; all else is counted on shapes. The
    arguments are those of ``zeroshift.load``, and:

    Args:
        methods: those that are looked at.
        method: the one of them whose edit's time is estimated.

    Raises:
        ValueError: the model cannot be found or is refused, or there is no such device or method.
    """
    checkpoint = find_checkpoint(model, revision, cache_dir)
    place = pick_device(device)
    devices, dtype = tuple(places()), pick_dtype(precision, place)
    shapes = outline_as_loaded(checkpoint, dtype)
    weights = sum(x.numel() * x.element_size() for part in networks_of(shapes).values() for x in part.parameters())
    room = free_bytes(place) - weights
    seconds = forward_seconds(shapes, read_unet(checkpoint, dtype).to(place))
    presets = presets_of(checkpoint.root, checkpoint.name) if isinstance(checkpoint, Checkpoint) else {}
    built = {name: build_method(name, presets.get(name, {})) for name in dict.fromkeys([*methods, method])}
    fits = tuple(fit_of(one, shapes, room) for one in built.values())
    taken = next(fit for fit in fits if fit.method == method).why_not is None
    return Checkup(
        devices=devices,
        device=place.type,
        precision=shapes.precision,
        model=checkpoint.name,
        layout="folder" if isinstance(checkpoint, Checkpoint) else "file",
        family=checkpoint.family.name,
        size=shapes.size,
        prediction=shapes.scheduler.config.prediction_type,
        spacing=shapes.scheduler.config.timestep_spacing,
        parts=tuple(parts_of(checkpoint, shapes)),
        weights_bytes=weights,
        forward_seconds=seconds,
        methods=fits,
        edit=time_of(built[method], shapes, seconds) if taken else None,
    )


def places() -> Iterator[Place]:
    """The devices that torch can use here, each once for every card."""
    cpu = torch.device("cpu")
    yield Place("cpu", f"{torch.get_num_threads()} threads, {platform.machine()}", free_bytes(cpu))
    for card in range(torch.cuda.device_count()):
        yield Place("cuda", torch.cuda.get_device_name(card), free_bytes(torch.device("cuda", card)))
    if torch.backends.mps.is_available():
        yield Place("mps", platform.processor(), free_bytes(torch.device("mps")))


def parts_of(checkpoint: Checkpoint | OneFile, shapes: StableDiffusion | StableDiffusionXL) -> Iterator[FoundPart]:
    """The family's parts, which are there, and others, which may be."""
    sizes = {name: sum(x.numel() for x in network.parameters()) for name, network in networks_of(shapes).items()}
    inside = isinstance(checkpoint, OneFile)
    for part, number in sizes.items():
        yield FoundPart(part, True, f"{number / 1e6:.1f} M parameters")
    for part in checkpoint.family.tokenizers:
        yield FoundPart(part, True, "CLIP's own, which comes with the package" if inside else "")
    yield FoundPart("scheduler", True, scheduler_about(checkpoint))
    for part, tells in OPTIONAL.items():
        path = checkpoint.root / part if isinstance(checkpoint, Checkpoint) else None
        there = path is not None and (path / tells).is_file()
        yield FoundPart(part, there, weights_about(path) if path is not None and there and part in OWN else "")


def weights_about(folder: Path) -> str:
    """How many parameters one of ``OWN`` has, by the header of its weights, or that these are damaged."""
    try:
        with safe_open(regular(folder / "model.safetensors"), "pt") as weights:
            number = sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    except (OSError, ValueError, SafetensorError):
        return "its model.safetensors cannot be read; get the model anew, or remove this folder"
    return f"{number / 1e6:.1f} M parameters"


def scheduler_about(checkpoint: Checkpoint | OneFile) -> str:
    """The scheduler that a folder names."""
    if isinstance(checkpoint, OneFile):
        return "its family's, which comes with the package"
    path = checkpoint.root / "scheduler/scheduler_config.json"
    config: Mapping[str, object] = read_object(path, f"the scheduler of {checkpoint.name}")
    return str(config.get("_class_name", ""))


def fit_of(method: Method, shapes: StableDiffusion | StableDiffusionXL, room: int) -> MethodFit:
    """What a method takes, found by running its own code on shapes.

    Args:
        room: free bytes when the weights are loaded.
    """
    try:
        picture = need(shapes, [method], (shapes.size, shapes.size))
    except ValueError as error:
        return MethodFit(method.name, str(error))
    if picture <= room:
        return MethodFit(method.name, None, picture, pictures_within(BATCH, room, picture))
    saved = need(shapes, [method], (shapes.size, shapes.size), saving=True)
    return MethodFit(method.name, None, picture, 0, saved)


def time_of(method: Method, shapes: StableDiffusion | StableDiffusionXL, seconds: float) -> EditTime:
    """Count an edit on shapes; ``seconds`` are those of one forward pass of the UNet."""
    side = shapes.size // shapes.factor
    x0 = torch.zeros(1, shapes.latent_channels, side, side, device=shapes.device)
    flops = count(shapes, method, x0)
    sf = (flops.inversion + flops.one_target + direction_flops(shapes, method)) / forward_flops(shapes, x0)
    return EditTime(method.name, sf, sf * seconds)
