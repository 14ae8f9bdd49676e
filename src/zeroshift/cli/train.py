"""``zeroshift train``."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from pydantic import TypeAdapter, ValidationError

from zeroshift.cli.flags import Given, flags_of, with_flags
from zeroshift.cli.output import check_apart, check_folder
from zeroshift.cli.shared import as_app, hush_libraries
from zeroshift.cli.wrong import Wrong
from zeroshift.options.errors import option_error


def command(tokens: Sequence[str]) -> App:
    """The verb with the trainer's options."""
    hush_libraries()
    from zeroshift.miniature.training.job import TrainOptions

    verb = with_flags(train, flags_of(TrainOptions), "Options of the training")
    return as_app(verb, "train", "train FOLDER [OPTIONS]")


def train(
    folder: Annotated[Path, Parameter(help="captioned pictures: captions.csv and the files that it names")],
    /,
    *,
    run: Annotated[Path, Parameter(help="where checkpoints lie; a killed training goes on from there")] = Path("run"),
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="folder of the finished model")] = Path("model"),
    init: Annotated[
        Path | None,
        Parameter(help="saved model to start from; parts beside it that the pictures cannot teach come along"),
    ] = None,
    given: Given,
) -> None:
    """Train a miniature text-to-image model, and what stands beside it, on a folder of captioned pictures."""
    hush_libraries()
    from lightning.pytorch.utilities import rank_zero_only as once

    from zeroshift.miniature.training.job import Job, TrainOptions
    from zeroshift.miniature.training.train import train as run_training

    try:
        options = TypeAdapter(TrainOptions).validate_python(given)
    except ValidationError as error:
        raise Wrong(str(option_error("train", TrainOptions, error))) from error
    check_apart([("the folder of pictures", folder), ("the model to start from", init)], [run, output])
    for place in (run, output.resolve().parent):
        check_folder(place)
    job = Job(options, run, init, once(lambda line: print(line, file=sys.stderr, flush=True)))
    try:
        with redirect_stdout(sys.stderr):  # Lightning draws its bars on stdout
            run_training(folder, output, job)
    except SystemExit as ended:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from ended
    once(print)(output)
