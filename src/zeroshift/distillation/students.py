"""Students as folders: ``config.json`` and ``model.safetensors``, as huggingface_hub writes them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from zeroshift.backbones.checkpoint import find_checkpoint
from zeroshift.backbones.hub import snapshot
from zeroshift.distillation.base import SHIPPED_BASE, AnotherBase
from zeroshift.distillation.comod import CoModulated
from zeroshift.distillation.one_step import OneStep
from zeroshift.distillation.parts import laid
from zeroshift.distillation.residual import Residual
from zeroshift.faults import plain
from zeroshift.files import read_regular, regular, sha256_of, write_atomically

SHIPPED_NAME = "shipped"
FILES = ("config.json", "model.safetensors")
SHIPPED = Path(__file__).parent.parent / "shipped_student"
"""the student that comes with this package, of cats and dogs"""
Network: TypeAlias = Residual | OneStep | CoModulated
KINDS: dict[str, type[Network]] = {kind.architecture: kind for kind in (Residual, OneStep, CoModulated)}


@dataclass(frozen=True, eq=False)
class Student:
    """A trained network that makes an edit in one pass."""

    network: Network
    """in evaluation mode"""
    name: str
    """of its folder, or its hub id"""
    sha256: str
    """of its two files"""

    @property
    def directions(self) -> list[tuple[str, ...]]:
        """Pairs of words, source and target, that it knows."""
        return self.network.directions

    def number(self, source: str | None, target: str) -> int:
        """Which direction leads to a target; without a source the only one that does.

        Raises:
            ValueError: none does, or several do.
        """
        return number_of(self.directions, source, target, self.name)

    @torch.inference_mode()
    def edited(self, x: Tensor, direction: int, intensity: float) -> tuple[Tensor, Tensor | None]:
        """Edits (B, 3, H, W) of pictures in [-1, 1], and where they are, (B, 1, H, W) from 0 to 1, if it says that."""
        x = x.contiguous(memory_format=torch.channels_last)
        number = torch.full((len(x),), direction, device=x.device)
        share = torch.full((len(x),), intensity, device=x.device)
        edits, where = self.network.edited(x, number, share)
        return edits.clamp(-1, 1), where


def save_student(network: Network, folder: Path, card: str) -> None:
    """Write a network in float16, with its ``card`` as README.md.

    As ``save_pretrained`` does, which would need a copy of the network in float16, and of the model that it changes.
    """
    write_atomically(folder / "README.md", card.encode())
    changed = {"model_sha256": network.model_sha256} if isinstance(network, OneStep) else {}
    config = {**network._hub_mixin_config, "architecture": network.architecture, **changed}  # type: ignore[dict-item]
    weights = {
        name: (one.half() if one.is_floating_point() else one).contiguous()
        for name, one in network.state_dict().items()
    }
    write_atomically(folder / FILES[1], save(weights, {"format": "pt"}))
    write_atomically(folder / FILES[0], json.dumps(config, sort_keys=True, indent=2).encode())


def number_of(directions: Sequence[Sequence[str]], source: str | None, target: str, name: str) -> int:
    """Which of a student's directions leads to a target; without a source the only one that does.

    Raises:
        ValueError: none does, or several do; ``name`` is the student's in the sentence.
    """
    ways = [n for n, (a, b) in enumerate(directions) if b == target and source in (None, a)]
    if len(ways) == 1:
        return ways[0]
    known = ", ".join(f"{a} to {b}" for a, b in directions)
    asked = target if source is None else f"{source} to {target}"
    if ways:
        raise ValueError(f"The student {name} comes to {target} from several sources ({known}); name one.")
    raise ValueError(f"The student {name} does not know {asked}; it knows {known}.")


def open_student(place: str | Path, revision: str | None = None, model: str | Path | None = None) -> Student:
    """A student in a folder or of a hub id, or the "shipped" one, in float32 on the CPU.

    ``model`` says where the one is that a one-step student changes. The shipped model, and folders on this machine,
    are found without it; nothing is downloaded because a student names it.

    Raises:
        ValueError: there is none, its files are damaged, or the model that it changes is not here.
    """
    root, name = folder_of(place, revision)
    with undamaged(root):
        shape = shape_of(root)
    check_base(root, shape, model)
    with undamaged(root):
        if "model" in shape:
            shape["model"] = str(model or shape["model"])
        network = KINDS[shape.pop("architecture", "residual")](**shape)
        network.load_state_dict(load_file(regular(root / FILES[1])))
        if type(network.size) is not int:
            raise ValueError(f"size is {network.size!r}, expected a whole number")
    sha256 = sha256_of([root / name for name in FILES], root)
    return Student(laid(network.eval(), torch.channels_last), name, sha256)


def check_asked(place: str | Path, source: str | None, target: str, model: str | Path | None = None) -> None:
    """Refuse words that a student does not know, and one whose ``model`` is not here, before it is opened.

    Raises:
        ValueError: so it is, there is no student, or its config.json is damaged.
    """
    root, name = folder_of(place, None)
    with undamaged(root):
        shape = shape_of(root)
        directions = [(str(a), str(b)) for a, b in shape["directions"]]
    number_of(directions, source, target, name)
    check_base(root, shape, model)


def folder_of(place: str | Path, revision: str | None) -> tuple[Path, str]:
    """Where a student's files are, and its name.

    Raises:
        ValueError: there is none.
    """
    root = SHIPPED if str(place) == SHIPPED_NAME else Path(place)
    if not root.exists() and str(place).count("/") == 1:
        root = snapshot(str(place), revision, None, FILES, what="student")
    if missing := [name for name in FILES if not (root / name).is_file()]:
        raise ValueError(f"{root} is no student: it has no {missing[0]}; give the folder that `distill train` wrote.")
    return root, root.resolve().name if root == Path(place) else str(place)


def shape_of(root: Path) -> dict[str, Any]:
    """What config.json says; it may be wrong in any way."""
    return dict(json.loads(read_regular(root / FILES[0])))


@contextmanager
def undamaged(root: Path) -> Iterator[None]:
    """Say of what goes wrong inside that the student's files are damaged, unless its model is not here.

    Raises:
        ValueError: something went wrong.
    """
    try:
        yield
    except AnotherBase:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"The student in {root} is damaged; write it anew ({plain(error)}).") from error


def check_base(root: Path, shape: Mapping[str, Any], model: str | Path | None) -> None:
    """Refuse to fetch a model because a student's ``shape`` names it, and a ``model`` that is none.

    Raises:
        AnotherBase: the student's is neither the shipped one nor a folder here, and nobody said where it is.
        ValueError: where somebody said, there is none.
    """
    if (named := shape.get("model")) is None:
        return
    if model not in (None, SHIPPED_BASE):
        find_checkpoint(str(model), None, None)
    if model is None and named != SHIPPED_BASE and not Path(str(named)).exists():
        raise AnotherBase(f"The student in {root} changes {named}, which is not here; say where it is with `model`.")
