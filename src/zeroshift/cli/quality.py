"""``zeroshift quality``."""

import json as as_json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.backbones.locate import SHIPPED
from zeroshift.cli.output import check_apart, check_folder
from zeroshift.cli.progress import waiting
from zeroshift.cli.shared import as_app, hush_libraries


def command(tokens: Sequence[str]) -> App:
    """Return the verb."""
    return as_app(quality, "quality", "quality FOLDER -o OUT [OPTIONS]")


def quality(
    folder: Annotated[Path, Parameter(help="captioned pictures with the splits train, val and test")],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="folder for quality.json and samples.png")],
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
    per_class: Annotated[int, Parameter(help="prompts per class", metavar="N", validator=Number(gte=1))] = 100,
    bench_test: Annotated[bool, Parameter(help="also read the split that nobody may tune on")] = False,
    json: Annotated[bool, Parameter(help="print one JSON object")] = False,
) -> None:
    """Measure a model: reconstruction, its judge, and how often pictures agree with their prompts."""
    check_apart([("the folder of pictures", folder), ("the model", model)], [output])
    check_folder(output)
    hush_libraries()
    from rich.console import Console

    from zeroshift.evaluation.quality import print_report, report

    with waiting("measuring", json):
        figures = report(
            model, folder, output, bench_test=bench_test, guidance_scale=guidance_scale, per_class=per_class
        )
    if json:
        print(as_json.dumps(figures))
    else:
        print_report(figures, Console())
