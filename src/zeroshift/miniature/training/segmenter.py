"""Train the segmenter that comes with the text-to-image model: where in a picture the animal is.

    python -m zeroshift.miniature.training.segmenter FOLDER OUT

trains one on the pictures that have a trimap beside them, on top of the first levels of an EfficientNet-Lite0 trained
on ImageNet (the extra ``textures``). The figures that are printed and kept are of a sixth of the pictures that it does
not learn from.
"""

from argparse import ArgumentParser
from pathlib import Path

from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.training.command import add_options, at_work, options_of, parser_of, print_figures
from zeroshift.miniature.training.segmenter_job import SegmenterOptions, train_segmenter


def arguments() -> ArgumentParser:
    """The command line; the options of the training are those of ``SegmenterOptions``, which reads them."""
    parser = parser_of("python -m zeroshift.miniature.training.segmenter", "Train the segmenter of cats and dogs.")
    parser.add_argument("folder", type=Path, help="captioned pictures, some with trimaps of their names as PNG")
    parser.add_argument("out", type=Path, help="folder of the finished segmenter")
    parser.add_argument(
        "--model", type=Path, help="folder of a model whose drawings of the pictures it learns from, too"
    )
    parser.add_argument(
        "--run", type=Path, default=Path("run-segmenter"), help="where checkpoints lie; a killed training goes on"
    )
    add_options(parser, SegmenterOptions)
    return parser


def main(words: list[str] | None = None) -> None:
    """Read the command line, train, and print the figures."""
    given = arguments().parse_args(words)
    with at_work(given.out):
        options = options_of(SegmenterOptions, given, "the segmenter")
        data = CaptionedFolder.open(given.folder)
        trained = train_segmenter(data, given.out, run=given.run, options=options, model=given.model)
    print_figures(trained.figures)


if __name__ == "__main__":
    main()
