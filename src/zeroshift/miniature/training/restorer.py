"""Train the restorer that comes with the text-to-image model: what it draws, made as sharp as photographs.

    python -m zeroshift.miniature.training.restorer FOLDER MODEL OUT

trains one on what the model draws from the pictures of the split train, by what an EfficientNet-Lite0 trained on
ImageNet sees (the extra ``textures``). The figures that are printed and kept are of the split val, by the extra
``eval``.
"""

from argparse import ArgumentParser
from pathlib import Path

from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.training.command import add_options, at_work, options_of, parser_of, print_figures
from zeroshift.miniature.training.restorer_job import RestorerOptions, train_restorer


def arguments() -> ArgumentParser:
    """The command line; the options of the training are those of ``RestorerOptions``, which reads them."""
    parser = parser_of("python -m zeroshift.miniature.training.restorer", "Train the restorer of a model's pictures.")
    parser.add_argument("folder", type=Path, help="captioned pictures with the column species")
    parser.add_argument("model", type=Path, help="folder of the model whose pictures it restores")
    parser.add_argument("out", type=Path, help="folder of the finished restorer")
    parser.add_argument(
        "--run", type=Path, default=Path("run-restorer"), help="where checkpoints lie; a killed training goes on"
    )
    add_options(parser, RestorerOptions)
    return parser


def main(words: list[str] | None = None) -> None:
    """Read the command line, train, and print the figures."""
    given = arguments().parse_args(words)
    with at_work(given.out):
        options = options_of(RestorerOptions, given, "the restorer")
        data = CaptionedFolder.open(given.folder)
        trained = train_restorer(data, given.model, given.out, run=given.run, options=options)
    print_figures(trained.figures)


if __name__ == "__main__":
    main()
