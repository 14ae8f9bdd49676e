"""``zeroshift train``."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from pydantic import TypeAdapter, ValidationError

from zeroshift.cli.flags import Given, flags_of, with_flags
from zeroshift.cli.shared import as_app, hush_libraries
from zeroshift.cli.wrong import Wrong
from zeroshift.presets import one_sentence


def command(tokens: Sequence[str]) -> App:
    """Return the verb with the trainer's options."""
    from zeroshift.training.train import TrainOptions

    verb = with_flags(train, flags_of(TrainOptions), "Options of the training")
    return as_app(verb, "train", "train FOLDER [OPTIONS]")


def train(
    folder: Annotated[Path, Parameter(help="captioned pictures: captions.csv and the files that it names")],
    /,
    *,
    run: Annotated[Path, Parameter(help="where checkpoints lie; a killed training goes on from there")] = Path("run"),
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="folder of the finished model")] = Path("model"),
    init: Annotated[Path | None, Parameter(help="saved model to start from")] = None,
    given: Given,
) -> None:
    """Train a miniature text-to-image model on a folder of captioned pictures, in diffusers format."""
    from zeroshift.training import train as trainer

    try:
        options = TypeAdapter(trainer.TrainOptions).validate_python(given)
    except ValidationError as error:
        raise Wrong(one_sentence("train", error)) from error
    hush_libraries()
    job = trainer.Job(options, run, init, lambda line: print(line, file=sys.stderr, flush=True))
    with redirect_stdout(sys.stderr):  # Lightning draws its bars on stdout
        trainer.train(folder, output, job)
    print(output)
