"""Train the finder of heads that comes with the text-to-image model: where in a photograph it shall edit.

    python -m zeroshift.miniature.training.finder FOLDER OUT --classifier CLASSIFIER

trains one on the portraits of ``train``, starting from the first levels of the trained classifier; ``val`` chooses from
which agreement on a head is taken to be there. The figures that are printed and kept are those of ``val`` and
``bench-val``. How many steps fit into a time limit depends on the machine, so another run makes another network.
"""

from argparse import ArgumentParser
from pathlib import Path

from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.training.command import add_options, at_work, options_of, parser_of, print_figures
from zeroshift.miniature.training.finder_job import FinderOptions, train_finder


def arguments() -> ArgumentParser:
    """The command line; the options of the training are those of ``FinderOptions``, which reads them."""
    parser = parser_of(
        "python -m zeroshift.miniature.training.finder", "Train the finder of the heads of cats and dogs."
    )
    parser.add_argument("folder", type=Path, help="captioned portraits, perhaps with the column frame")
    parser.add_argument("out", type=Path, help="folder of the finished finder")
    parser.add_argument("--classifier", type=Path, required=True, help="folder of the trained classifier")
    parser.add_argument(
        "--run", type=Path, default=Path("run-finder"), help="where checkpoints lie; a killed training goes on"
    )
    add_options(parser, FinderOptions)
    return parser


def main(words: list[str] | None = None) -> None:
    """Read the command line, train, and print the figures."""
    given = arguments().parse_args(words)
    with at_work(given.out):
        options = options_of(FinderOptions, given, "the finder")
        data = CaptionedFolder.open(given.folder)
        trained = train_finder(data, given.out, classifier=given.classifier, run=given.run, options=options)
    print_figures(trained.figures)


if __name__ == "__main__":
    main()
