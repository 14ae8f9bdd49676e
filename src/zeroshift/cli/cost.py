"""``zeroshift cost``."""

import json as as_json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from zeroshift.cli.flags import Given, with_flags
from zeroshift.cli.progress import waiting
from zeroshift.cli.shared import (
    SHIPPED_METHOD,
    Text,
    as_app,
    check_hub,
    checked_method,
    hush_libraries,
    method_class,
    method_flags,
)
from zeroshift.cli.wrong import Wrong

COUNTING = "counting; this may take half a minute"
PATIENCE = 2.0
"""seconds after which that is said where there is no terminal"""


def command(tokens: Sequence[str]) -> App:
    """The verb with the options of the method and of the kinds of parts that ``tokens`` name."""
    method, flags = method_flags(tokens)
    verb = with_flags(cost, flags, f"Options of {method.name}")
    return as_app(verb, "cost", "cost [--method NAME] [--steps N] [OPTIONS]")


def cost(
    *,
    method: Annotated[str, Parameter(help="see: zeroshift methods", metavar="NAME")] = SHIPPED_METHOD,
    fast: Annotated[bool, Parameter(help="fewer passes of the network, as edit --fast makes them")] = False,
    model: Annotated[Text, Parameter(help="sd15, or folder or hub id whose configuration is read")] = "sd15",
    revision: Annotated[Text | None, Parameter(help="hub revision")] = None,
    cache_dir: Annotated[Path | None, Parameter(help="where hub downloads are kept")] = None,
    size: Annotated[int | None, Parameter(help="side in pixels [default the model's]", metavar="N")] = None,
    json: Annotated[bool, Parameter(help="print one JSON object")] = False,
    given: Given,
) -> None:
    """Count what an edit costs by running the method's own code on shapes alone.

    SF is one forward pass of the UNet on one sample; backward passes are counted in the same unit.
    """
    with waiting(COUNTING, json, PATIENCE):  # importing torch is part of it
        figures = figures_of(method, fast, model, revision, cache_dir, size, given)
    print(as_json.dumps(figures) if json else "\n".join(f"{name:25} {spelled(v)}" for name, v in figures.items()))


def figures_of(
    method: str,
    fast: bool,
    model: str,
    revision: str | None,
    cache_dir: Path | None,
    size: int | None,
    given: Mapping[str, object],
) -> dict[str, str | int | float | None]:
    """What ``measure`` counts of what the command line asks for.

    Raises:
        Wrong: an option or the size makes no sense.
        ValueError: the model cannot be found.
    """
    from zeroshift.presets import faster

    built = checked_method(method, faster(method_class(method).name, {}) if fast else {}, given)
    check_hub(None if model == "sd15" else model, revision, cache_dir)
    hush_libraries()
    from zeroshift.cost.estimate import WrongSize, measure

    try:
        return measure(built, model=model, revision=revision, cache_dir=cache_dir, size=size).as_dict()
    except WrongSize as error:
        raise Wrong(str(error)) from error


def spelled(figure: str | int | float | None) -> str:
    """A figure with one decimal, a missing one as a dash."""
    if figure is None:
        return "-"
    return f"{figure:.1f}" if isinstance(figure, float) else str(figure)
