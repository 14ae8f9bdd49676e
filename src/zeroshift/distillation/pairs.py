"""Pairs of photographs and edits on disk: pictures beside a log, of which every line is one photograph's."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from zeroshift.files import read_regular, read_text, regular, write_atomically

LOG = "pairs.jsonl"
"""one line for each photograph and seed that was looked at"""
ABOUT = "pairs.json"
"""what the pairs are of: words, method, model"""
PICTURES = "pictures"
"""the folder of all pictures"""


@dataclass(frozen=True)
class Scores:
    """What is known of one edit."""

    gain: float | None = None
    """how much nearer the edit is to the target's text than the photograph is, as a difference of CLIP's cosines;
    None where nobody looked"""
    overlap: float | None = None
    """area that the object's masks in photograph and edit share, of that which they cover together"""
    lacking: str = ""
    """what a classifier does not see in the edit"""


@dataclass(frozen=True)
class Pair:
    """One photograph and one edit of it, at the model's size."""

    key: str
    """of all that its pictures depend on, hexadecimal"""
    photo: str
    """the photograph's file as it was named"""
    seed: int
    strength: float
    """the edit's strength that counts as intensity 1"""
    intensities: tuple[float, ...]
    """those that there are pictures of, rising, 1 the last: the shares of ``strength``"""
    scores: Scores
    why: str = ""
    """why it is not to be learned from; empty for what is kept"""

    def file(self, root: Path, intensity: float) -> Path:
        """Where its picture is: 0 is the photograph."""
        return root / PICTURES / f"{self.key}@{intensity:g}.webp"

    def mask_file(self, root: Path) -> Path:
        """Where its mask is, white where the edit changed the photograph."""
        return root / PICTURES / f"{self.key}@mask.webp"

    def picture(self, root: Path, intensity: float) -> Image.Image:
        """A picture of it, RGB."""
        return Image.open(regular(self.file(root, intensity))).convert("RGB")


@dataclass(frozen=True)
class About:
    """What all pairs of a folder have in common."""

    source: str
    target: str
    method: str
    options: dict[str, object]
    """of the method, with the model's presets"""
    model: str
    model_sha256: str
    size: int
    """side of the pictures in pixels"""
    commands: tuple[str, ...] = ()
    mask: str | None = None
    """where the edits might change, as it was asked"""
    region: str | None = None
    """the part that was edited, as it was asked"""


_PAIR, _ABOUT = TypeAdapter(Pair), TypeAdapter(About)


def read_pairs(root: Path) -> list[Pair]:
    """All that was looked at; of a key that stands there twice the later line counts, and half a line is none.

    Raises:
        ValueError: the log is none.
    """
    path = root / LOG
    if not os.path.lexists(path):
        return []
    found = dict[str, Pair]()
    lines = read_text(path).split("\n")
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last line's end was cut off by a kill
        try:
            pair = _PAIR.validate_json(line)
        except ValidationError as error:
            raise ValueError(f"Line {number} of {path} is no pair; take that line away.") from error
        found[pair.key] = pair
    return list(found.values())


def add_pairs(root: Path, pairs: Sequence[Pair]) -> None:
    """Append to the log, after their pictures are there."""
    path = root / LOG
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "w+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)  # half a line of a run that was killed
        file.seek(0, os.SEEK_END)
        file.write(b"".join(_PAIR.dump_json(pair) + b"\n" for pair in pairs))
        file.flush()
        os.fsync(file.fileno())


def write_about(root: Path, about: About) -> None:
    """Note what the pairs are of.

    Raises:
        ValueError: there are pairs of something else.
    """
    before = read_about(root) if (root / ABOUT).is_file() else about
    for name in ("source", "target", "model_sha256", "size"):
        if (was := getattr(before, name)) != (now := getattr(about, name)):
            told = name.replace("_", " ")
            raise ValueError(f"{root} holds pairs whose {told} is {was}, and these have {now}; name another folder.")
    commands = tuple(dict.fromkeys([*before.commands, *about.commands]))
    facts = _ABOUT.dump_python(about, mode="json") | {"commands": commands}
    write_atomically(root / ABOUT, (json.dumps(facts, indent=1) + "\n").encode())


def read_about(root: Path) -> About:
    """What the pairs of a folder are of.

    Raises:
        ValueError: it is no folder of pairs.
    """
    try:
        return _ABOUT.validate_json(read_regular(root / ABOUT))
    except (OSError, ValidationError) as error:
        raise ValueError(f"{root} is no folder of pairs; make one with `zeroshift distill collect`.") from error


def kept(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Those that are to be learned from."""
    return (pair for pair in pairs if not pair.why)
