"""The command line in this process, on a tiny model."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from zeroshift.cli.main import main

USUAL = "pix2pix-zero-0"
"""what the names of ``edit``'s results end in"""
METHOD = ("--method", "pix2pix-zero")
FEW = (*METHOD, "--steps", "2", "--sentences", "10")


KINDS: Mapping[str, Callable[[Path], None]] = {
    "pipe": lambda path: os.mkfifo(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
}
"""what can stand in a file's place, of which reading never ends"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def call(capsys, *tokens) -> Outcome:
    """Run one command line; what earlier ones printed is dropped."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(token) for token in tokens])
    said = capsys.readouterr()
    return Outcome(ended.value.code, said.out, said.err)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail where what is done inside takes longer, as when it waits for a pipe."""

    def too_long(*_: object) -> None:
        pytest.fail(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def edit(capsys, checkpoint: Path, *tokens) -> Outcome:
    """Edit with the tiny model from cat to dog in two steps of pix2pix-zero, unless the tokens say otherwise."""
    words = () if "--source" in tokens else ("--source", "cat")
    words += () if "--target" in tokens else ("--target", "dog")
    words += () if any(str(token).startswith("--method") for token in tokens) else METHOD
    few = FEW[2:4] if "--direction" in tokens else FEW[2:]
    return call(capsys, "edit", *words, *tokens, "--model", checkpoint, "--threads", "1", *few)


def refused(done: Outcome, code: int, *words: str) -> None:
    """See that a command failed with one sentence that has these words, after warnings at most."""
    assert done.code == code, done
    assert done.out == ""
    (line,) = [line for line in done.err.splitlines() if not line.startswith("zeroshift: warning: ")]
    assert line.startswith("zeroshift: error: ")
    assert line.endswith((".", ")", "?"))
    for word in words:
        assert word in line


def photograph(path: Path, width: int = 40, height: int = 30, seed: int = 0) -> Path:
    """Write a picture of coloured noise; only its size and bytes matter here."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def altered(checkpoint: Path, folder: Path, value: float) -> Path:
    """Copy a checkpoint and set every weight of its UNet."""
    shutil.copytree(checkpoint, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    named = {name: torch.full_like(tensor, value) for name, tensor in load_file(weights).items()}
    save_file(named, weights, metadata={"format": "pt"})
    return folder


def files(folder: Path) -> list[str]:
    """Return every file under a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
