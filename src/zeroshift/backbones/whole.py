"""Seeing that a checkpoint's files are whole and fit each other, and saying in one sentence which is not."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from safetensors import SafetensorError, safe_open

from zeroshift.diffusion.backbone import Unsupported
from zeroshift.faults import plain
from zeroshift.files import read_regular, regular

MOST_LAYERS = 1000
"""that a part of a network has: several times those of any that is known"""


def read_object(path: Path, what: str) -> dict[str, Any]:
    """The JSON object in a file; ``what`` is what errors call the part, such as "the unet of tiny".

    Raises:
        Unsupported: it is no file, or holds something else; NaN and infinity are no JSON.
    """
    try:
        found = json.loads(read_regular(path), parse_constant=_refuse)
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise Unsupported(f"{path.name} of {what} is not a table in JSON ({plain(error)}); get it anew.") from error
    return found


def check_depth(config: Mapping[str, Any], what: str) -> None:
    """Refuse a network of so many layers that building it would take for ever.

    Raises:
        Unsupported: it is one.
    """
    for key, value in config.items():
        counts = value if isinstance(value, list) else [value]
        if "layers" in key and any(isinstance(n, (int, float)) and n > MOST_LAYERS for n in counts):
            raise Unsupported(f"config.json of {what} asks for {key} {value}, more than {MOST_LAYERS}; get it anew.")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def check_weights(paths: Iterable[Path], what: str) -> None:
    """Refuse weight files that are damaged or cut short, by their headers alone.

    Raises:
        Unsupported: one is.
    """
    for path in paths:
        if path.suffix == ".safetensors":
            try:
                with safe_open(regular(path), "pt"):
                    pass
            except (OSError, SafetensorError) as error:
                raise Unsupported(
                    f"{path.name} of {what} is damaged or cut short ({plain(error)}); get it anew."
                ) from error


@contextmanager
def loading(what: str, files: str) -> Iterator[None]:
    """Name the part and its files where something cannot be made of them.

    Raises:
        Unsupported: that was so.
    """
    try:
        yield
    except Unsupported:
        raise
    except Exception as error:  # what is made of a damaged file can fail in any way
        raise Unsupported(
            f"{what[0].upper()}{what[1:]} cannot be made of {files} ({plain(error)}); get it anew."
        ) from error


@contextmanager
def no_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar for every network that it loads; whoever shows progress draws their own."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()


def check_loaded(info: Mapping[str, Any], what: str, files: str) -> None:
    """Refuse a network some of whose weights were not in the file, or were of other shapes.

    Args:
        info: what diffusers and transformers tell of loading.
        what: the part.
        files: its weights.

    Raises:
        Unsupported: it is one.
    """
    lacking = sorted(info["missing_keys"])
    others = sorted(key if isinstance(key, str) else key[0] for key in info["mismatched_keys"])
    for names, fault in ((lacking, "has no"), (others, "has another shape than config.json says of")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise Unsupported(f"{files} of {what} {fault} {names[0]}{more}; get it anew.")
