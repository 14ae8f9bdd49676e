"""``zeroshift convert``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from zeroshift.cli.progress import waiting
from zeroshift.cli.shared import DEFAULT_LOUDNESS, Loudness, Text, as_app, check_hub, hush_libraries


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(convert, "convert", "convert MODEL FOLDER [OPTIONS]")


def convert(
    model: Annotated[Text, Parameter(help="file (.safetensors, .ckpt), or folder or hub id with .bin weights")],
    folder: Annotated[Path, Parameter(help="where the checkpoint is written, in diffusers format")],
    *,
    revision: Annotated[Text | None, Parameter(help="hub revision")] = None,
    cache_dir: Annotated[Path | None, Parameter(help="where hub downloads are kept")] = None,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Write a checkpoint as a folder in diffusers format, with plain weights (.safetensors).

    Pickled files are read as plain data: one that holds code is refused, and nothing of it is run.
    """
    check_hub(model, revision, cache_dir)
    hush_libraries()
    from zeroshift.backbones.convert import convert as write

    with waiting("converting", loud.silent):
        write(model, folder, revision, cache_dir)
    if not loud.silent:
        print(folder)
