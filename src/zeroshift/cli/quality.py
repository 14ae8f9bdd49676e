"""``zeroshift quality``."""

import json as as_json
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.cli.output import check_apart, check_folder
from zeroshift.cli.progress import PAUSE, with_lines
from zeroshift.cli.shared import as_app, hush_libraries
from zeroshift.files import check_no_pipe
from zeroshift.miniature.quality.extent import Extent

if TYPE_CHECKING:
    from zeroshift.running.walking import Progress

T = TypeVar("T")


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(quality, "quality", "quality FOLDER -o OUT [OPTIONS]")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ExtentFlags:
    """How much is measured."""

    per_class: Annotated[int, Parameter(help="prompts per animal", metavar="N", validator=Number(gte=1))] = (
        Extent.per_class
    )
    per_coat: Annotated[
        int, Parameter(help="prompts per animal and coat; 0 leaves them out", metavar="N", validator=Number(gte=0))
    ] = Extent.per_coat
    inversions: Annotated[
        int, Parameter(help="photographs to invert; 0 leaves that out", metavar="N", validator=Number(gte=0))
    ] = Extent.inversions
    steps: Annotated[
        int, Parameter(help="DDIM steps of samples and inversions", metavar="N", validator=Number(gte=1, lte=999))
    ] = Extent.steps
    bench_test: Annotated[bool, Parameter(help="also read the split that nobody may tune on")] = False


DEFAULT_EXTENT = ExtentFlags()


def quality(
    folder: Annotated[Path, Parameter(help="captioned pictures with the splits train and test")],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="folder for quality.json and pictures")],
    model: Annotated[Path, Parameter(help="model folder [default the shipped one]", show_default=False)] = SHIPPED,
    guidance_scale: Annotated[
        float | None,
        Parameter(
            help="of the generated pictures; 1 is off [default the model's preset of pix2pix-zero, else 5]",
            metavar="X",
            validator=Number(gte=1, lte=50),
            show_default=False,
        ),
    ] = None,
    amount: ExtentFlags = DEFAULT_EXTENT,
    json: Annotated[bool, Parameter(help="print one JSON object")] = False,
) -> None:
    """Measure a model: what its autoencoder and inversion keep, what its samples show, and how good their judge is."""
    check_apart([("the folder of pictures", folder), ("the model", model)], [output])
    check_no_pipe(model, "a model's folder in diffusers format")
    if not model.is_dir():
        raise ValueError(f"There is no folder {model}; give a model's folder in diffusers format.")
    check_folder(output)
    extent = Extent(**asdict(amount))
    hush_libraries()
    from rich.console import Console

    from zeroshift.miniature.quality.figures import print_report, report

    found = follow(report(model, folder, output, extent, guidance_scale), silent=json)
    if json:
        print(as_json.dumps(found.as_dict()))
    else:
        print_report(found, Console())


def follow(work: "Generator[Progress, None, T]", silent: bool) -> T:
    """Go through the measurements, showing how far they are; return what was found."""
    found: list[T] = []

    def steps() -> "Iterator[Progress]":
        found.append((yield from work))

    for _ in steps() if silent else shown(steps()):
        pass
    return found[0]


def shown(steps: "Iterator[Progress]") -> "Iterator[Progress]":
    """Show every stage on stderr: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        for step, line in with_lines(steps, time.monotonic, PAUSE):
            if line is not None:
                print(line, file=sys.stderr)
            yield step
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<11}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}
        for step in steps:
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.total)
            bars.update(tasks[step.stage], completed=step.done)
            yield step
