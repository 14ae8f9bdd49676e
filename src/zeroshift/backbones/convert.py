"""Writing a checkpoint as a folder in diffusers format, of one file or of a folder with pickled weights.

Pickles are opened by torch's reader of plain data (``weights_only``), which runs none of their code.
"""

import pickle
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor

from zeroshift.backbones.checkpoint import TEXTS, check_parts, is_folder
from zeroshift.backbones.hub import snapshot
from zeroshift.backbones.one_file import PICKLES, Head, OneFile, find_file, known
from zeroshift.backbones.original import parts_of_file, parts_of_tensors
from zeroshift.backbones.parts import Parts
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.faults import plain
from zeroshift.files import folder_atomically, read_text, regular


def convert(model: str | Path, folder: Path, revision: str | None = None, cache_dir: str | Path | None = None) -> None:
    """Write a checkpoint with plain weights as ``folder``, which must be absent or empty.

    Args:
        model: one file (.safetensors, .ckpt), or a folder or hub id in diffusers format with pickled weights (.bin).
        folder: where to; nothing half-written remains.
        revision: hub revision.
        cache_dir: where hub downloads are kept.

    Raises:
        ValueError: there is no such model, it cannot be converted, or the folder cannot be written.
    """
    path = Path(model)
    if path.is_file():
        parts = parts_of_pickle(path) if path.suffix in PICKLES else of_safetensors(path)
        with written(folder) as place:
            save(parts, place)
        return
    root = path if is_folder(model) else with_pickles(str(model), revision, cache_dir)
    family = check_parts(root, path.name)
    with written(folder) as place:
        for name in (*family.parts, "image_encoder", "feature_extractor", "model_index.json"):
            unpickle(root / name, place / name)


def written(folder: Path) -> AbstractContextManager[Path]:
    """A folder that is filled and then put in its place.

    Raises:
        ValueError: it holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there and not empty; name a new folder.")
    return folder_atomically(folder)


def of_safetensors(path: Path) -> Parts:
    """The parts of a checkpoint in one file, in its own precision.

    Raises:
        Unsupported: it holds no whole Stable Diffusion.
    """
    file = find_file(path)
    return parts_of_file(file, precision_of(file, load_file(regular(path))))


def parts_of_pickle(path: Path) -> Parts:
    """The parts of a pickled checkpoint in one file, in its own precision.

    Raises:
        Unsupported: it holds more than plain data, or no whole Stable Diffusion.
    """
    found = unpickled(path)
    state = found.get("state_dict", found)
    tensors = {str(name): x for name, x in state.items() if isinstance(x, Tensor)}
    file = known(Head({name: x.shape for name, x in tensors.items()}, {}, tensors.__getitem__), path)
    return parts_of_tensors(file, tensors, precision_of(file, tensors))


def precision_of(file: OneFile, tensors: dict[str, Tensor]) -> torch.dtype:
    """The precision of a file's UNet."""
    return next(x.dtype for name, x in tensors.items() if name.startswith("model.diffusion_model.input_blocks"))


def unpickled(path: Path) -> dict[str, Any]:
    """What a pickle of plain data holds.

    Raises:
        Unsupported: it holds more, and what that does when opened nobody can say, or it is damaged.
    """
    try:
        found = torch.load(regular(path), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise Unsupported(
            f"{path.name} holds more than tensors and plain data, or is damaged ({plain(error)}); take the "
            ".safetensors that most checkpoints come as, too."
        ) from error
    if not isinstance(found, dict):
        raise Unsupported(f"{path.name} holds no table of tensors; give a checkpoint.")
    return found


def save(parts: Parts, folder: Path) -> None:
    """Write parts as their family's pipeline saves them."""
    own = {"unet": parts.unet, "vae": parts.vae, "scheduler": parts.scheduler}
    text = {"text_encoder": parts.towers[0], "tokenizer": parts.words[0]}
    if len(parts.towers) == 1:
        unfiltered = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        StableDiffusionPipeline(**own, **text, **unfiltered).save_pretrained(folder)
        return
    second = {"text_encoder_2": parts.towers[1], "tokenizer_2": parts.words[1]}
    StableDiffusionXLPipeline(**own, **text, **second, add_watermarker=False).save_pretrained(folder)


def with_pickles(model: str, revision: str | None, cache_dir: str | Path | None) -> Path:
    """A hub checkpoint with all its weights, pickled ones too."""
    root = snapshot(model, revision, cache_dir, TEXTS)
    family = check_parts(root, model)
    wanted = [f"{part}/{end}" for part in family.weights for end in ("*.bin", "*.safetensors", "*.index.json")]
    return snapshot(model, root.name, cache_dir, [*TEXTS, *wanted])


def unpickle(source: Path, target: Path) -> None:
    """Copy a file or a part's folder; of weights that are pickled alone, plain ones are written.

    Raises:
        Unsupported: a pickle holds more than tensors.
    """
    if source.is_file():
        shutil.copyfile(source, target)
    if not source.is_dir():
        return
    target.mkdir()
    whole = any(source.glob("*.safetensors"))
    for path in sorted(source.iterdir()):
        if path.suffix == ".bin":
            if not whole:
                tensors = {name: x.contiguous().clone() for name, x in unpickled(path).items() if isinstance(x, Tensor)}
                save_file(tensors, target / renamed(path.name), {"format": "pt"})
        elif path.name.endswith(".bin.index.json"):
            if not whole:
                (target / renamed(path.name)).write_text(renamed(read_text(path)), encoding="utf-8")
        elif path.is_file():
            shutil.copyfile(path, target / path.name)


def renamed(name: str) -> str:
    """Names of pickled weights as those of plain ones: a network of transformers' has another one then, too."""
    return (
        name.replace("diffusion_pytorch_model", "\0")
        .replace("pytorch_model", "model")
        .replace("\0", "diffusion_pytorch_model")
        .replace(".bin", ".safetensors")
    )
