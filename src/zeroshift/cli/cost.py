"""``zeroshift cost``."""

import json as as_json
from collections.abc import Sequence
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
    from zeroshift.presets import faster

    built = checked_method(method, faster(method_class(method).name, {}) if fast else {}, given)
    check_hub(None if model == "sd15" else model, revision, cache_dir)
    hush_libraries()
    from zeroshift.cost.estimate import WrongSize, measure

    with waiting("counting", json):
        try:
            figures = measure(built, model=model, revision=revision, cache_dir=cache_dir, size=size).as_dict()
        except WrongSize as error:
            raise Wrong(str(error)) from error
    print(as_json.dumps(figures) if json else "\n".join(f"{name:25} {spelled(v)}" for name, v in figures.items()))


def spelled(figure: str | int | float | None) -> str:
    """A figure with one decimal, a missing one as a dash."""
    if figure is None:
        return "-"
    return f"{figure:.1f}" if isinstance(figure, float) else str(figure)
