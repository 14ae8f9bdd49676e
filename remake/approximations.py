"""What each approximate saving of pix2pix-zero does to pictures: the last column of the table on its page."""

from collections.abc import Generator
from functools import partial

from remake.pages import marks, put
from remake.place import Job, Jobs, Place
from remake.presets import Trial, bench_of, in_numbers, ways, wish
from remake.tuner import Bench, Figures
from zeroshift import Progress
from zeroshift.cli.quality import follow

METHOD = "pix2pix-zero"
PAGE = f"docs/methods/{METHOD}.md"
MARK = "approximate "
"""what begins the name of a cell's mark; the options follow as in "guided-rows prompt, reuse-noise", or "none" """
ALWAYS = "--guidance-scale 4 --lambda-xa 0.03 --lambda-ac {regularisation} --lambda-kl {regularisation}"
"""guided strongly in all steps, so that there is something to save"""
PICTURES = 10


def jobs(pictures: int = PICTURES) -> Jobs:
    return [Job("approximations", partial(make, pictures), with_data=True)]


def make(pictures: int, place: Place) -> str:
    """Edit photographs of ``val`` with each saving and write what came out into its row."""
    found = marks((place.root / PAGE).read_text(encoding="utf-8"))
    savings = [name.removeprefix(MARK) for name in found if name.startswith(MARK)]
    trial = in_numbers(Trial(("",), ALWAYS), place)
    figures = follow(measured(bench_of(place, pictures), trial.always, savings, place.words), silent=False)
    cells = [f"{one.psnr_db:.1f} dB, {one.flipped} of {pictures}" for one in figures]
    return put(place.root, {MARK + name: cell for name, cell in zip(savings, cells, strict=True)})


def measured(
    bench: Bench, always: str, savings: list[str], more: tuple[str, ...]
) -> Generator[Progress, None, list[Figures]]:
    """Return what the edits with each saving are worth."""
    words = [" ".join((always, *more, *options(saving))) for saving in savings]
    animals = [sitter.animal for sitter in bench.sitters]
    wishes = [[wish(METHOD, w, ways(animal, bench.classifier.classes)) for animal in animals] for w in words]
    alone = yield from bench.singles(wishes)
    return [bench.figures(edits) for edits in alone]


def options(saving: str) -> list[str]:
    """Return "--guided-rows prompt" and "--reuse-noise" of "guided-rows prompt, reuse-noise"."""
    return [] if saving == "none" else [f"--{option}" for option in saving.split(", ")]
