"""Edited pictures kept on disk by all that they depend on, so that a run that was stopped goes on."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import zeroshift
from remake.sitting import Sitting
from zeroshift.edits import EditSpec
from zeroshift.files import sha256_of, write_atomically
from zeroshift.image import canonical_json
from zeroshift.image.tensors import to_bytes, to_png, to_tensor
from zeroshift.request import describe


def edited(sitting: Sitting, asked: EditSpec, folder: Path) -> Tensor:
    """Return the edits of all photographs of a sitting at the model's own size, uint8 (N, 3, H, W)."""
    request = asked.resolve(sitting.editor)
    shas = [source.sha256 for source in sitting.sources]
    drawn = {"pictures": shas, "fit": asked.fit, "seed": asked.seed}
    facts = {**describe(sitting.editor.backbone, request), **drawn, "code": code()}
    key = hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:32]

    def make() -> Tensor:
        return to_bytes((to_tensor([result.native for result in sitting.edit(asked)]) + 1) * 127.5)

    return kept(folder / f"{key}.png", make)


@cache
def code() -> str:
    """Return the hash of the package's own code, so that an edit made by another is not taken for this one's."""
    root = Path(zeroshift.__file__).parent
    return sha256_of(root.rglob("*.py"), root)


def kept(path: Path, make: Callable[[], Tensor]) -> Tensor:
    """Return square pictures of bytes (N, 3, S, S) from a file; what is not there yet is made and written."""
    if not path.is_file():
        strip = np.ascontiguousarray(torch.cat(list(make()), 2).permute(1, 2, 0).numpy())  # (S, N S, 3)
        write_atomically(path, to_png(Image.fromarray(strip)))
    with Image.open(path) as image:
        strip = np.array(image)
    return torch.stack(torch.from_numpy(strip).permute(2, 0, 1).split(strip.shape[0], 2))
