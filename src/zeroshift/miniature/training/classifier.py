"""Train the classifier that judges the text-to-image model; the two share pictures of one split and nothing else.

    python -m zeroshift.miniature.training.classifier FOLDER OUT

trains one on the pictures of ``train`` whose column ``species`` says cat or dog, and, where there is a column ``coat``,
a second head on the coats that enough of them have. A third head tells photographs from renderings in other styles,
which are made of a share of every batch. ``val`` chooses the threshold, and the figures that are printed and kept are
those of ``val`` and ``bench-val``; ``zeroshift quality`` reads ``test``. How many steps fit into a time limit depends
on the machine, so another run makes another network of about the same accuracy.
"""

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.training.classifier_job import ClassifierOptions, train_classifier
from zeroshift.options.errors import option_error, respelled
from zeroshift.options.fields import fields_of, limits


def arguments() -> argparse.ArgumentParser:
    """The command line; the options of the training are those of ``ClassifierOptions``, which reads them."""
    parser = argparse.ArgumentParser(
        prog="python -m zeroshift.miniature.training.classifier",
        description="Train the classifier that judges generated pictures: cats and dogs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="captioned pictures with the column species, and perhaps coat")
    parser.add_argument("out", type=Path, help="folder of the finished classifier")
    parser.add_argument(
        "--run", type=Path, default=Path("run-classifier"), help="where checkpoints lie; a killed training goes on"
    )
    parser.add_argument("--init", type=Path, help="folder of a trained classifier to start from")
    for name, field in fields_of(ClassifierOptions).items():
        text = f"{field.description} [{limits(field)}]" if limits(field) else field.description
        parser.add_argument(f"--{name.replace('_', '-')}", default=field.default, help=text)
    return parser


def main(words: list[str] | None = None) -> None:
    """Read the command line, train, and print the figures."""
    given = arguments().parse_args(words)
    try:
        asked = {name: getattr(given, name) for name in fields_of(ClassifierOptions)}
        options = TypeAdapter(ClassifierOptions).validate_python(asked)
        data = CaptionedFolder.open(given.folder)
        with redirect_stdout(sys.stderr):  # Lightning draws its bars on stdout
            trained = train_classifier(data, given.out, run=given.run, options=options, init=given.init)
    except ValidationError as error:
        sys.exit(complaint(option_error("the classifier", ClassifierOptions, error)))
    except ValueError as error:
        sys.exit(complaint(error))
    except OSError as error:
        place = error.filename or given.out
        sys.exit(f"error: {place} cannot be read or written ({error.strerror}); choose another place.")
    print(*(f"{name} {value:.4f}" for name, value in trained.figures.items()), sep="\n")


def complaint(error: ValueError) -> str:
    """What is said of an error, options as flags."""
    return f"error: {respelled(str(error), lambda name: '--' + name.replace('_', '-'))}"


if __name__ == "__main__":
    main()
