"""Captions on disk, so that a captioner whose weights take long to read looks at a picture once on a machine."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from zeroshift.cache import CacheFolder
from zeroshift.diffusion.machine import machine_of
from zeroshift.files import read_regular
from zeroshift.installed import version

MOST_BYTES = 2 << 20
"""that a folder of captions holds by default: some 15,000"""


class CaptionFolder(CacheFolder):
    """Captions by what they were made of and by; the pictures themselves are not kept."""

    name, suffix = "captions", ".caption.json"
    what, repeated = "the cache of captions", "pictures are looked at anew"

    def __init__(self, root: Path, most_bytes: int = MOST_BYTES) -> None:
        super().__init__(root, most_bytes)

    @staticmethod
    def about(path: Path) -> Mapping[str, str]:
        """Captioner and caption."""
        said = json.loads(read_regular(path))
        return {name: str(said[name]) for name in ("captioner", "caption")}

    def get(self, key: str) -> str | None:
        """The caption of this key; None if it is not kept, or damaged, which is said."""
        said = self.read(key, self.about)
        return None if said is None else said["caption"]

    def put(self, key: str, caption: str, captioner: str) -> None:
        """Keep a caption, with the captioner's name."""
        self.write(key, json.dumps({"captioner": captioner, "caption": caption}).encode())


def caption_key(picture: str, captioner: str, device: str) -> str:
    """The hash of all that a caption depends on, with the versions and the machine that may change which word is next.

    Args:
        picture: hash of the pixels.
        captioner: what tells it from others, its settings included.
        device: where it runs, as torch calls it.
    """
    versions = {name: version(name) for name in ("torch", "transformers")}
    facts = {
        "picture": picture,
        "captioner": captioner,
        "machine": f"{device} {machine_of(torch.device(device))}",
        **versions,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def marks_of_files(paths: Iterable[Path]) -> str:
    """What tells files from others without reading them: names, sizes and when they were written.

    A captioner's weights take as long to hash as to load. The hub's cache has files by the hash of what they hold.
    """
    found = {path.name: path.resolve() for path in paths}
    marks = {name: (real.name, real.stat().st_size, real.stat().st_mtime_ns) for name, real in found.items()}
    return hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()
