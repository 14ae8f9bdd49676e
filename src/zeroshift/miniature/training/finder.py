"""Train the finder of heads that comes with the text-to-image model: where in a photograph it shall edit.

    python -m zeroshift.miniature.training.finder FOLDER OUT --classifier CLASSIFIER

trains one on the portraits of ``train``, starting from the first levels of the trained classifier; ``val`` chooses from
which agreement on a head is taken to be there. The figures that are printed and kept are those of ``val`` and
``bench-val``. How many steps fit into a time limit depends on the machine, so another run makes another network.
"""

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.training.classifier import complaint
from zeroshift.miniature.training.finder_job import FinderOptions, train_finder
from zeroshift.options.errors import option_error
from zeroshift.options.fields import fields_of, limits


def arguments() -> argparse.ArgumentParser:
    """The command line; the options of the training are those of ``FinderOptions``, which reads them."""
    parser = argparse.ArgumentParser(
        prog="python -m zeroshift.miniature.training.finder",
        description="Train the finder of the heads of cats and dogs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="captioned portraits, perhaps with the column frame")
    parser.add_argument("out", type=Path, help="folder of the finished finder")
    parser.add_argument("--classifier", type=Path, required=True, help="folder of the trained classifier")
    parser.add_argument(
        "--run", type=Path, default=Path("run-finder"), help="where checkpoints lie; a killed training goes on"
    )
    for name, field in fields_of(FinderOptions).items():
        text = f"{field.description} [{limits(field)}]" if limits(field) else field.description
        parser.add_argument(f"--{name.replace('_', '-')}", default=field.default, help=text)
    return parser


def main(words: list[str] | None = None) -> None:
    """Read the command line, train, and print the figures."""
    given = arguments().parse_args(words)
    try:
        asked = {name: getattr(given, name) for name in fields_of(FinderOptions)}
        options = TypeAdapter(FinderOptions).validate_python(asked)
        data = CaptionedFolder.open(given.folder)
        with redirect_stdout(sys.stderr):  # Lightning draws its bars on stdout
            trained = train_finder(data, given.out, classifier=given.classifier, run=given.run, options=options)
    except ValidationError as error:
        sys.exit(complaint(option_error("the finder", FinderOptions, error)))
    except ValueError as error:
        sys.exit(complaint(error))
    except OSError as error:
        place = error.filename or given.out
        sys.exit(f"error: {place} cannot be read or written ({error.strerror}); choose another place.")
    print(*(f"{name} {value:.4f}" for name, value in trained.figures.items()), sep="\n")


if __name__ == "__main__":
    main()
