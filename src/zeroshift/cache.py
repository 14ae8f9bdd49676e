"""The cache on disk: what a machine need not make twice. Here mean embeddings of sentences; captions use it, too."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from zeroshift.conditioning.means import Moments
from zeroshift.diffusion.embedding import Embedding
from zeroshift.doubts import doubt
from zeroshift.files import regular, why_unwritable, write_atomically

T = TypeVar("T")
VARIABLE = "ZEROSHIFT_CACHE"
"""environment variable that names another folder than the user's own for caches"""
MOST_BYTES = 256 << 20
"""that a folder of means holds by default: some 500 words of Stable Diffusion 1.x"""
PARTS = ("tokens", "pooled", "square")
ABANDONED = 3600.0
"""seconds after which an unfinished file is nobody's any more"""
SUFFIX = ".mean.safetensors"
"""of a mean's file"""
UNREADABLE = (SafetensorError, ValueError, KeyError, TypeError, AttributeError)
"""what reading a damaged file may raise"""


def cache_folder() -> Path:
    """The folder of this user's cache: what the variable ``ZEROSHIFT_CACHE`` names, else the system's place for it."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_cache_path("zeroshift")


@dataclass(frozen=True)
class Kept:
    """One file of a cache."""

    path: Path
    bytes: int
    used: float
    """when it was last used, in seconds since 1970"""
    read: Callable[[Path], Mapping[str, str]]

    def about(self) -> dict[str, str]:
        """What it holds, in words; empty where it is damaged or gone."""
        try:
            return dict(self.read(self.path))
        except (OSError, *UNREADABLE):
            return {}


class CacheFolder:
    """Files in a folder, up to a number of bytes; those that were not used for longest go first.

    Several processes may use one folder: a file appears whole or not at all, and one that another process took away is
    made again.

    Args:
        root: folder of the cache; its folder ``name`` is made when the first file is kept.
        most_bytes: a file that is larger than all of this is not kept.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    """of its files, so that nobody else's in a folder are taken for them"""
    what: ClassVar[str]
    """what sentences call it"""
    repeated: ClassVar[str]
    """what is done every time where nothing can be kept"""

    def __init__(self, root: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = root / self.name, most_bytes

    @staticmethod
    def about(path: Path) -> Mapping[str, str]:
        """What a file holds, in words.

        Raises:
            OSError: it is not there, or cannot be read.
            SafetensorError, ValueError, KeyError, TypeError, AttributeError: it is damaged.
        """
        raise NotImplementedError

    def read(self, key: str, read: Callable[[Path], T]) -> T | None:
        """What ``read`` makes of the file of this key; None if it is not kept, or damaged, which is said."""
        path = self._path(key)
        try:
            found = read(path)
        except OSError:  # not there; where nothing can be read, nothing can be written, and ``write`` says so
            return None
        except UNREADABLE as error:
            doubt(f"{path} in {self.what} is damaged ({type(error).__name__}) and is made anew.")
            return None
        with suppress(OSError):  # gone meanwhile, or somebody else's
            os.utime(path)
        return found

    def write(self, key: str, data: bytes) -> None:
        """Keep a file; what was not used for longest goes where there is no room."""
        if len(data) > self.most_bytes:
            return
        try:
            write_atomically(self._path(key), data)
            self._make_room()
        except OSError as error:
            doubt(
                f"{self.what.capitalize()} {self.folder} cannot be written ({why_unwritable(error)}), so that "
                f"{self.repeated} every time; name another folder, or none."
            )

    def entries(self) -> list[Kept]:
        """Every file, those that were not used for longest first."""
        return sorted(self._files(), key=lambda kept: (kept.used, kept.path))

    def clear(self) -> tuple[int, int]:
        """Take every file away, unfinished ones too; return how many there were and their bytes.

        Raises:
            OSError: one cannot be taken away.
        """
        gone = [*self.entries(), *self._unfinished(0.0)]
        for kept in gone:
            kept.path.unlink(missing_ok=True)
        return len(gone), sum(kept.bytes for kept in gone)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{self.suffix}"

    def _files(self, pattern: str | None = None) -> Iterator[Kept]:
        for path in self.folder.glob(pattern or f"*{self.suffix}"):
            with suppress(FileNotFoundError):  # another process made room
                found = path.stat()
                yield Kept(path, found.st_size, found.st_mtime, self.about)

    def _unfinished(self, age: float) -> list[Kept]:
        return [kept for kept in self._files(".zeroshift-*.tmp") if kept.used <= time.time() - age]

    def _make_room(self) -> None:
        for kept in self._unfinished(ABANDONED):
            kept.path.unlink(missing_ok=True)
        entries = self.entries()
        total = sum(kept.bytes for kept in entries)
        for kept in entries:
            if total <= self.most_bytes:
                return
            kept.path.unlink(missing_ok=True)
            total -= kept.bytes


class MeanFolder(CacheFolder):
    """Mean embeddings of sentences, so that a word's are encoded once on a machine."""

    name, suffix = "means", SUFFIX
    what, repeated = "the cache of edit directions", "sentences are encoded anew"

    def __init__(self, root: Path, most_bytes: int = MOST_BYTES) -> None:
        super().__init__(root, most_bytes)

    @staticmethod
    def about(path: Path) -> Mapping[str, str]:
        """Model, number of sentences and the first."""
        with safe_open(regular(path), framework="pt") as file:
            said = {str(name): str(value) for name, value in _said(file.metadata())["about"].items()}
        return said if {"model", "sentences", "first"} <= said.keys() else {}

    def get(self, key: str) -> Moments | None:
        """The mean of this key; None if it is not kept, or damaged, which is said."""
        return self.read(key, read_mean)

    def put(self, key: str, mean: Moments, about: Mapping[str, str]) -> None:
        """Keep a mean, with what it is the mean of."""
        self.write(key, mean_bytes(mean, about))


def mean_bytes(moments: Moments, about: Mapping[str, str]) -> bytes:
    """A mean as a file, with the mean square beside it and the hash of the values."""
    mean, square = moments.mean, torch.tensor(moments.square, dtype=torch.float64)
    parts = {"tokens": mean.tokens, "pooled": mean.pooled, "square": square}
    values = {name: x.contiguous() for name, x in parts.items() if x is not None}
    return save(values, {"mean": json.dumps({"sha256": _hash(values), "about": dict(about)}, sort_keys=True)})


def read_mean(path: Path) -> Moments:
    """Read a mean.

    Raises:
        OSError: the file is not there, or cannot be read.
        SafetensorError, ValueError, KeyError, TypeError, AttributeError: it is damaged.
    """
    with safe_open(regular(path), framework="pt") as file:
        values = {name: file.get_tensor(name) for name in PARTS if name in file.keys()}  # noqa: SIM118
        said = _said(file.metadata())
    if _hash(values) != said["sha256"]:
        raise ValueError("other values than were written")
    return Moments(Embedding(values["tokens"], pooled=values.get("pooled")), float(values["square"]))


def _said(metadata: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(metadata["mean"])
    return said


def _hash(values: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, x in sorted(values.items()):
        digest.update(f"{name} {x.dtype} {tuple(x.shape)}".encode() + x.numpy().tobytes())
    return digest.hexdigest()
