"""``zeroshift distill train``."""

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import TypeAdapter, ValidationError

from zeroshift.cli.flags import Given, flags_of, with_flags
from zeroshift.cli.output import check_apart, check_folder
from zeroshift.cli.shared import OUTPUT, Text
from zeroshift.cli.wrong import Wrong
from zeroshift.options.errors import option_error


def train_verb() -> Callable[..., None]:
    """The sub-verb with the options of the training."""
    from zeroshift.distillation.options import DistillOptions

    return with_flags(train, flags_of(DistillOptions), "Options of the training")


def train(
    *pairs: Annotated[Path, Parameter(help="folders that distill collect has filled, one for each direction or more")],
    output: Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="folder of the finished student")],
    run: Annotated[
        Path, Parameter(help="where checkpoints and strips of samples lie; a killed training goes on from there")
    ] = Path("run"),
    reals: Annotated[
        tuple[Text, ...],
        Parameter(
            help="real photographs of a target or a source, as in dog=photos/dogs; may be given again for another word "
            "[default the photographs of pairs whose source it is]",
            metavar="WORD=FOLDER",
            show_default=False,
        ),
    ] = (),
    given: Given,
) -> None:
    """Train a student on collected pairs; called again after a kill, it goes on, with the pairs that there are then."""
    from lightning.pytorch.utilities import rank_zero_only as once

    from zeroshift.distillation.options import DistillOptions
    from zeroshift.distillation.training import train as trained

    try:
        options = TypeAdapter(DistillOptions).validate_python(given)
    except ValidationError as error:
        raise Wrong(str(option_error("distill train", DistillOptions, error))) from error
    folders = dict[str, Path]()
    for word, folder in map(_named, reals):
        if word in folders:
            raise Wrong(f"--reals names {word} twice; put its photographs into one folder.")
        folders[word] = folder
    check_apart([("the folder of pairs", one) for one in pairs], [run, output])
    for place in (run, output.resolve().parent):
        check_folder(place)
    say = once(lambda line: print(line, file=sys.stderr, flush=True))
    try:
        with redirect_stdout(sys.stderr):  # Lightning draws its bars on stdout
            trained(pairs, output, run, options, say, folders)
    except SystemExit as ended:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from ended
    once(print)(output)


def _named(text: str) -> tuple[str, Path]:
    word, mark, folder = text.partition("=")
    if not mark or not word or not folder:
        raise Wrong(f"--reals takes a word and a folder, as in dog=photos/dogs, not {text!r}.")
    return word, Path(folder)
