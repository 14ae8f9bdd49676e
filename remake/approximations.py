"""What each approximate saving of pix2pix-zero does to pictures: the last column of the table on its page."""

from functools import partial

from remake.bench import bench_of, regularisation
from remake.pages import marks, put
from remake.place import Job, Jobs, Place
from zeroshift.cli.quality import follow

METHOD = "pix2pix-zero"
PAGE = f"docs/methods/{METHOD}.md"
MARK = "approximate "
"""what begins the name of a cell's mark; the options follow as in "guided-rows prompt, reuse-noise", or "none" """
WORDS = f"--method {METHOD} --paper-defaults --guidance-scale 4 --lambda-xa 0.03"
"""guided strongly in all steps, so that there is something to save"""
PICTURES = 10


def jobs(pictures: int = PICTURES) -> Jobs:
    return [Job("approximations", partial(make, pictures), with_data=True)]


def make(pictures: int, place: Place) -> str:
    """Edit photographs of ``val`` with each saving and write what came out into its row."""
    found = marks((place.root / PAGE).read_text(encoding="utf-8"))
    savings = [name.removeprefix(MARK) for name in found if name.startswith(MARK)]
    bench, amount = bench_of(place, pictures), regularisation(place)
    always = f"{WORDS} --lambda-ac {amount:g} --lambda-kl {amount:g}"
    ways = [" ".join((always, *place.words, *options(saving))) for saving in savings]
    figures = [bench.figures(edits) for edits in follow(bench.edited(ways), silent=False)]
    cells = [f"{one.psnr_db:.1f} dB, {one.flipped} of {pictures}" for one in figures]
    return put(place.root, {MARK + name: cell for name, cell in zip(savings, cells, strict=True)})


def options(saving: str) -> list[str]:
    """ "--guided-rows prompt" and "--reuse-noise" of "guided-rows prompt, reuse-noise"."""
    return [] if saving == "none" else [f"--{option}" for option in saving.split(", ")]
