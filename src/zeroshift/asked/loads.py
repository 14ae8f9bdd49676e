"""What may be given to ``load``: values of other kinds are refused before anything is looked for."""

from collections.abc import Mapping, Sequence
from os import PathLike

from zeroshift.options.errors import given as shown

NAMES = ("model", "cache_dir", "clip", "vgg", "cache")
"""arguments that are names of files, folders or repositories"""
PARTS: Mapping[str, tuple[str, bool]] = {
    "captioner": ("captions", True),
    "finder": ("find", False),
    "segmenter": ("where", True),
    "sentences": ("__call__", True),
}
"""arguments that are parts beside a model: what each can do, and whether its name may be given instead"""


def check_kinds(given: Mapping[str, object]) -> None:
    """Refuse arguments of another kind than ``load`` takes; None is always one.

    Raises:
        TypeError: there is one.
    """
    for name in NAMES:
        value = given.get(name)
        if value is not None and not (name == "cache" and value is False) and not isinstance(value, (str, PathLike)):
            raise TypeError(f"`{name}` is a name, text or a Path, not {shown(value)}.")
    for name, (does, named) in PARTS.items():
        value = given.get(name)
        if (
            value is not None
            and not (named and isinstance(value, (str, PathLike)))
            and (isinstance(value, bytes) or not hasattr(value, does))
        ):
            what = "callable" if does == "__call__" else f"an object with `{does}`"
            kind = f"{what}{', or the name of one' if named else ''}"
            raise TypeError(f"`{name}` is {kind}, not {shown(value)}.")
    revision, loras = given.get("revision"), given.get("loras", ())
    if revision is not None and not isinstance(revision, str):
        raise TypeError(f"`revision` is text, not {shown(revision)}.")
    if isinstance(loras, str) or not isinstance(loras, Sequence) or not all(isinstance(one, str) for one in loras):
        raise TypeError(f'`loras` is a list of texts, as in ["style.safetensors:0.8"], not {shown(loras)}.')
