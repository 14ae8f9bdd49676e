"""Embeddings as pix2pix-zero and MirrorDiffusion publish them: one .pt file of (1, 77, 768) for each word."""

import hashlib
import io
import pickle
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from zeroshift.conditioning.direction import Direction, check_moves
from zeroshift.files import read_regular, why_unwritable, write_atomically

MOST_BYTES = 64 << 20
"""of a file of one word: far more than any text encoder's tokens take"""

UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OSError,
)
"""what torch raises where a file holds no tensors, or is damaged"""


def import_pair(source: Path, target: Path, words: tuple[str, str]) -> Direction:
    """The direction between the mean embeddings of two files.

    Nothing in them is run: they are read as tensors alone (``weights_only``).

    Raises:
        ValueError: a file is missing, holds anything but finite floats of (1, tokens, width), or they do not match.
    """
    means = [read_mean(path) for path in (source, target)]
    if means[0].shape != means[1].shape:
        shapes = " and ".join(str(tuple(mean.shape)) for mean in means)
        raise ValueError(f"{source} and {target} are of different text encoders: {shapes}; give two of one.")
    hashes = {
        f"{role}_file_sha256": hashlib.sha256(read_regular(path)).hexdigest()
        for role, path in (("source", source), ("target", target))
    }
    provenance = {"source": words[0], "target": words[1], "origin": f"imported {source.name} {target.name}", **hashes}
    direction = Direction((means[1].double() - means[0].double()).float(), provenance)
    check_moves(direction, f" between {source} and {target}")
    return direction


def begins_apart(direction: Direction) -> float:
    """How far a direction moves the begin token, which no word can: above 0 where the two sets were not made alike."""
    return float(direction.delta[0, 0].norm())


def read_mean(path: Path) -> Tensor:
    """Read one file.

    Raises:
        ValueError: it is missing, or holds anything but finite floats of (1, tokens, width).
    """
    wanted = "one tensor of finite floats, (1, tokens, width), as torch.save writes it"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} is larger than {MOST_BYTES >> 20} MB; give {wanted}.")
        data = read_regular(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); give {wanted}.") from error
    _check_size(path, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it then refuses
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ValueError(
            f"{path} holds other things than tensors, and is not opened further; give {wanted}."
        ) from error
    if not isinstance(found, Tensor) or found.layout != torch.strided:
        raise ValueError(f"{path} holds a {type(found).__name__}; give {wanted}.")
    if not (found.ndim == 3 and len(found) == 1 and found.is_floating_point()):
        kind = str(found.dtype).removeprefix("torch.")
        raise ValueError(f"{path} holds {kind} of {tuple(found.shape)}; give {wanted}.")
    if wrong := int((~found.isfinite()).sum()):
        raise ValueError(f"{path} holds {wrong} values that are no finite numbers (NaN, infinity); get it anew.")
    return found.detach()


def _check_size(path: Path, data: bytes) -> None:
    """Refuse an archive that would grow beyond ``MOST_BYTES``."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        try:
            total = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(data)).infolist())
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is damaged ({error}); get it anew.") from error
        if total > MOST_BYTES:
            raise ValueError(f"{path} unpacks to more than {MOST_BYTES >> 20} MB; give another file.")


def export_pair(direction: Direction, folder: Path, names: tuple[str, str]) -> list[Path]:
    """Write a direction as the two files that pix2pix-zero's and MirrorDiffusion's code subtract, and return them.

    A direction has no ends, so that the source's file holds zeros and the target's the direction.

    Raises:
        ValueError: it has a pooled vector, for which those files have no place, or a file cannot be written.
    """
    if direction.pooled is not None:
        raise ValueError("This direction has a pooled vector, for which such files have no place; keep it as it is.")
    paths = []
    for name, values in zip(names, (torch.zeros_like(direction.delta), direction.delta), strict=True):
        buffer = io.BytesIO()
        torch.save(values.contiguous().clone(), buffer)
        paths.append(folder / f"{name}.pt")
        try:
            write_atomically(paths[-1], buffer.getvalue())
        except OSError as error:
            raise ValueError(
                f"{paths[-1]} cannot be written ({why_unwritable(error)}); choose another folder."
            ) from error
    return paths
