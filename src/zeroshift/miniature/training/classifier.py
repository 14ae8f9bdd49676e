"""Train the classifier that judges the text-to-image model; the two share pictures of one split and nothing else.

    python -m zeroshift.miniature.training.classifier FOLDER OUT

trains one on the pictures of ``train`` whose column ``species`` says cat or dog, and, where there is a column ``coat``,
a second head on the coats that enough of them have. A third head tells photographs from renderings in other styles,
which are made of a share of every batch. ``val`` chooses the threshold, and the figures that are printed and kept are
those of ``val`` and ``bench-val``; ``zeroshift quality`` reads ``test``. How many steps fit into a time limit depends
on the machine, so another run makes another network of about the same accuracy.
"""

from argparse import ArgumentParser
from pathlib import Path

from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.training.classifier_job import ClassifierOptions, train_classifier
from zeroshift.miniature.training.command import add_options, at_work, options_of, parser_of, print_figures


def arguments() -> ArgumentParser:
    """The command line; the options of the training are those of ``ClassifierOptions``, which reads them."""
    parser = parser_of(
        "python -m zeroshift.miniature.training.classifier",
        "Train the classifier that judges generated pictures: cats and dogs.",
    )
    parser.add_argument("folder", type=Path, help="captioned pictures with the column species, and perhaps coat")
    parser.add_argument("out", type=Path, help="folder of the finished classifier")
    parser.add_argument(
        "--run", type=Path, default=Path("run-classifier"), help="where checkpoints lie; a killed training goes on"
    )
    parser.add_argument("--init", type=Path, help="folder of a trained classifier to start from")
    add_options(parser, ClassifierOptions)
    return parser


def main(words: list[str] | None = None) -> None:
    """Read the command line, train, and print the figures."""
    given = arguments().parse_args(words)
    with at_work(given.out):
        options = options_of(ClassifierOptions, given, "the classifier")
        data = CaptionedFolder.open(given.folder)
        trained = train_classifier(data, given.out, run=given.run, options=options, init=given.init)
    print_figures(trained.figures)


if __name__ == "__main__":
    main()
