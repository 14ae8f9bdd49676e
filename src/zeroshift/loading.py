"""From a folder or hub id to an editor."""

from collections.abc import Sequence
from os.path import lexists
from pathlib import Path
from typing import Literal, get_args

import torch

from zeroshift.asked.loads import check_kinds
from zeroshift.backbones import open_backbone
from zeroshift.backbones.checkpoint import (
    CLASSIFIER,
    CRITIC,
    FINDER,
    RESTORER,
    SEGMENTER,
    Device,
    Memory,
    Precision,
    Speed,
    find_checkpoint,
    find_clip,
)
from zeroshift.backbones.one_file import OneFile
from zeroshift.backbones.turbo import GUIDANCE, STEPS, is_scheduled_as_turbo, is_turbo
from zeroshift.cache import MeanFolder, cache_folder
from zeroshift.captioning import Captioner
from zeroshift.captioning.written import WrittenCaptions, is_captions
from zeroshift.conditioning.means import keep_means
from zeroshift.control.perceptual import load_vgg
from zeroshift.critic import Critic
from zeroshift.doubts import doubt
from zeroshift.editor import Editor
from zeroshift.frames import SubjectFinder
from zeroshift.generators import Sentences
from zeroshift.generators.making import GeneratedDirections, generator_of
from zeroshift.masks.locating import Segmenter
from zeroshift.model import Sampling
from zeroshift.presets import presets_of
from zeroshift.restoring import Restorer
from zeroshift.words import read_known_words

WORDS_ALONE = "words"
"""in place of a segmenter: masks are where the words look, whatever the model has"""


def load(
    model: str | Path | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    memory: Memory = "auto",
    compile: bool = False,
    channels_last: bool = False,
    clip: str | Path | None = None,
    loras: Sequence[str] = (),
    captioner: Captioner | str | Path | None = None,
    finder: SubjectFinder | None = None,
    segmenter: Segmenter | str | Path | None = None,
    sentences: Sentences | str | None = None,
    vgg: str | Path | None = None,
    cache: str | Path | Literal[False] | None = None,
) -> Editor:
    """Load a model: the shipped one, a folder in diffusers format, one file, or a hub id.

    Stable Diffusion 1.x, 2.x and XL are loaded.

    Args:
        model: folder, file (.safetensors) or hub id; None is the model that comes with the package.
        revision: hub revision.
        cache_dir: where hub downloads are kept.
        device: where all models run; "auto" takes CUDA, else MPS, else the CPU.
        precision: "auto" is fp16 on CUDA, else fp32.
        memory: "low" takes less for more time: pictures pass the VAE one by one, larger ones than 512 pixels in tiles;
            a guided pass keeps little and computes the rest once more for its gradient; and on a GPU only the network
            that works lies there. "auto" does so from the moment when memory is short, "high" never.
        compile: have parts of the UNet compiled (``torch.compile``) when they first run.
        channels_last: lay out the UNet's weights as some convolutions on GPUs like them.
        clip: folder or hub id of a CLIP to compare pictures with; default the model's own, if it has one.
        loras: files of LoRAs to add to the model's weights, each with its weight or without: "style.safetensors:0.8".
        captioner: says what a picture shows where an edit names no source: a captioner, the folder or hub id of a
            BLIP, or a file of captions by pictures' names (.csv, .json, .txt); default the model's own, if it has one,
            which reads targets and judges results in any case.
        finder: says which part of a picture its subject takes; default the model's own, if it has one.
        segmenter: finds the mask "auto" in place of the words: the folder of a segmentation model as transformers saves
            it, or an ONNX file; its class is the source word or all but the background. Default the model's own, if it
            has one, for the subjects that it knows; "words" is none.
        sentences: makes the sentences of edit directions: a generator, or "bank", the folder or hub id of a language
            model, the address of an endpoint, or a .txt file; default the template bank.
        vgg: file of torchvision's VGG16 weights (.safetensors), for the perceptual and the style term of refinement.
        cache: folder in which encoded sentences and captions by a BLIP are kept from one process to the next, so that
            a word's sentences are encoded and a picture is looked at once; default what the environment variable
            ZEROSHIFT_CACHE names, else the user's cache folder; False for none. Results are the same bytes.

    Raises:
        TypeError: an argument is of another type.
        ValueError: the model cannot be found or loaded, or an option has no such value; the sentence says why.
    """
    parts = {"captioner": captioner, "finder": finder, "segmenter": segmenter, "sentences": sentences}
    names = {"model": model, "revision": revision, "cache_dir": cache_dir, "clip": clip, "vgg": vgg, "cache": cache}
    check_kinds({**names, **parts, "loras": loras})
    check_choices(device, precision, memory)
    checkpoint = find_checkpoint(model, revision, cache_dir)
    apart = None if clip is None else find_clip(clip, cache_dir)
    backbone = open_backbone(checkpoint, device, precision, apart, loras, memory, Speed(compile, channels_last))
    kept = None if cache is False else cache_folder() if cache is None else Path(cache)
    if kept is not None:
        keep_means(backbone, MeanFolder(kept))
    generator = generator_of(sentences, device=device, cache_dir=cache_dir) if isinstance(sentences, str) else sentences
    directions = None if generator is None else GeneratedDirections(backbone, generator)
    compared = None if vgg is None else load_vgg(Path(vgg), backbone.device)
    if isinstance(captioner, str | Path):
        captioner = captioner_of(captioner, cache_dir, backbone.device, kept)
    masks = open_segmenter(segmenter, backbone.device) if isinstance(segmenter, str | Path) else segmenter
    if isinstance(checkpoint, OneFile):
        return Editor(backbone, {}, captioner, compared, finder, directions, segmenter=masks)
    root = checkpoint.root
    if segmenter is None:
        masks = own_segmenter(root)
    name = checkpoint.name
    if is_scheduled_as_turbo(root, name) and not is_turbo(root, name):
        doubt(
            f"The scheduler of {name} is SD-Turbo's; if it was made of that, take `guidance_scale` 1 and few `steps`."
        )
    own, presets, finds = own_captioner(root), presets_of(root, name), finder or own_finder(root)
    sampled = Sampling(STEPS, GUIDANCE) if is_turbo(root, name) else Sampling()
    known, sees = read_known_words(root), captioner or own
    return Editor(
        backbone,
        presets,
        sees,
        compared,
        finds,
        directions,
        known,
        own,
        sampled,
        segmenter=masks,
        restorer=own_restorer(root),
        critic=own_critic(root),
    )


def check_choices(device: str, precision: str, memory: str) -> None:
    """Refuse values of options that there are not, before anything is looked for.

    Raises:
        ValueError: there is no such value.
    """
    given = {"device": (device, Device), "precision": (precision, Precision), "memory": (memory, Memory)}
    for option, (value, kind) in given.items():
        if value not in (known := get_args(kind)):
            raise ValueError(f"`{option}` is one of: {', '.join(known)}, not {value!r}.")


def captioner_of(
    model: str | Path, cache_dir: str | Path | None, device: torch.device, kept: Path | None = None
) -> Captioner:
    """The captions of a file, or the BLIP of a folder or hub id; its weights are read at the first caption.

    What it says is kept in the cache folder ``kept``, if there is one.

    Raises:
        ValueError: there is none.
    """
    if is_captions(model):
        return WrittenCaptions(Path(model))
    from zeroshift.captioning.blip import Blip
    from zeroshift.captioning.kept import CaptionFolder

    cache = None if kept is None else CaptionFolder(kept)
    return Blip(model, cache_dir=cache_dir, device=device.type, cache=cache)


def open_segmenter(folder: str | Path, device: torch.device) -> Segmenter | None:
    """The segmentation model of a folder or an ONNX file, read at the first picture; None of "words", who need none.

    Raises:
        ValueError: there is none.
    """
    from zeroshift.masks.segmenting import SegmentationNetwork
    from zeroshift.masks.segmenting_onnx import OnnxSegmenter, onnx_file_in
    from zeroshift.miniature.segmenter import is_own, read_segmenter

    if str(folder) == WORDS_ALONE:
        return None
    if is_own(Path(folder)):
        return read_segmenter(folder)
    file = onnx_file_in(folder)
    return SegmentationNetwork(folder, device.type) if file is None else OnnxSegmenter(file)


def own_captioner(root: Path) -> Captioner | None:
    """Captioner of a model's folder, made of its classifier; None where it has none. Nothing is read yet."""
    if not lexists(root / CLASSIFIER / "config.json"):
        return None
    from zeroshift.miniature.captioner import read_captioner

    return read_captioner(root / CLASSIFIER)


def own_finder(root: Path) -> SubjectFinder | None:
    """The finder of heads in a model's folder; None where it has none. Nothing is read yet."""
    if not lexists(root / FINDER / "config.json"):
        return None
    from zeroshift.miniature.finder import read_finder

    return read_finder(root / FINDER)


def own_segmenter(root: Path) -> Segmenter | None:
    """The segmenter in a model's folder; None where it has none. Nothing is read yet."""
    if not lexists(root / SEGMENTER / "config.json"):
        return None
    from zeroshift.miniature.segmenter import read_segmenter

    return read_segmenter(root / SEGMENTER)


def own_restorer(root: Path) -> Restorer | None:
    """The restorer in a model's folder; None where it has none. Nothing is read yet."""
    if not lexists(root / RESTORER):
        return None
    from zeroshift.miniature.restorer import restorer_in

    return restorer_in(root)


def own_critic(root: Path) -> Critic | None:
    """The critic in a model's folder; None where it has none. Nothing is read yet."""
    if not lexists(root / CRITIC):
        return None
    from zeroshift.miniature.critic import critic_in

    return critic_in(root)
