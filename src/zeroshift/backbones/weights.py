"""Which weight files a network's folder has."""

import re
from pathlib import Path

from zeroshift.diffusion.backbone import Unsupported


def variant_in(folder: Path, stem: str, what: str) -> str | None:
    """Which weights a folder has: None, the plain ones, or "fp16".

    Raises:
        Unsupported: neither; ``what`` is what the sentence calls the folder.
    """
    for variant in (None, "fp16"):
        if weights_in(folder, stem, variant):
            return variant
    if any(folder.glob("*.bin")) or any(folder.glob("*.ckpt")):
        raise only_pickled(what)
    raise Unsupported(f"{what} has no weights; zeroshift loads .safetensors only, so get them.")


def only_pickled(what: str) -> Unsupported:
    """What is said of weights that are pickled alone."""
    return Unsupported(
        f"{what} has only pickled weights, which can run code when opened; zeroshift loads .safetensors only, so write "
        "those once: zeroshift convert MODEL FOLDER."
    )


def weights_in(folder: Path, stem: str, variant: str | None) -> list[Path]:
    """The files of one variant whose names begin with ``stem``: whole, or split (with their index)."""
    mark, split = f"\\.{variant}" if variant else "", r"-\d+-of-\d+"
    name = re.compile(rf"{stem}({mark}({split})?|{split}{mark})\.safetensors(\.index{mark}\.json)?")
    return sorted(path for path in folder.glob("*.safetensors*") if name.fullmatch(path.name) and path.is_file())
