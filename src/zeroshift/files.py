"""Files that are either whole or not there, and hashes of what was read."""

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name beside ``path`` and rename it; on failure nothing remains.

    Missing parent folders are made.

    Raises:
        OSError: the folder cannot be made, is read-only or full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".zeroshift-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:  # also after Ctrl-C; after the rename there is nothing left to remove
        temporary.unlink(missing_ok=True)


def sha256_of(paths: Iterable[Path], root: Path) -> str:
    """Return one hash over the names (relative to ``root``) and contents of ``paths``."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(root).as_posix()} {_sha256(path)}\n".encode())
    return total.hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
