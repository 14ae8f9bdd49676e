"""What the entries of a comparison cost: passes of the network, counted, and seconds of one edit alone, timed."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.markdown import lined
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Item
from zeroshift.bench.running import warm_up
from zeroshift.cost.estimate import measure
from zeroshift.cost.looks import words_asked
from zeroshift.methods import METHODS
from zeroshift.presets import build_method

if TYPE_CHECKING:
    from zeroshift.editor import Editor

PHOTOGRAPH = Path(__file__).parent.parent / "examples/cat.png"
HEADS = ("SF", "first edit", "further edit of the picture", "first edit of SD 1.5 at 512 px by the paper's defaults")
CAT = Item("cat", PHOTOGRAPH, "cat", "dog", "a photo of a cat", "a photo of a dog", "cat-dog")


@dataclass(frozen=True)
class EntryCost:
    """What one edit by an entry takes of the shipped model."""

    entry: str
    first_sf: float
    """forward passes of the UNet on one sample, of an optimisation at most; looks of the mask ``auto`` are in it"""
    further_sf: float
    """of another edit of the same photograph"""
    sd15_sf: float
    """of a first edit of Stable Diffusion 1.5 by the paper's defaults; NaN of what is no method as it is"""
    seconds: float
    """of the processor, for a first edit alone by a model that has made one before"""


def costs(editor: "Editor", entries: Sequence[Entry]) -> Iterator[EntryCost]:
    """Count and time entries one after another, on ``examples/cat.png``; ``editor`` has the shipped model."""
    counted, names = cache(lambda method: measure(method, model=SHIPPED)), {method.name for method in METHODS}
    warm_up(editor, CAT)
    for entry in entries:
        spec = entry.spec(CAT, 0)
        found = counted(spec.built(editor))
        looks = found.auto_mask_sf * words_asked(spec, editor)
        plain = measure(build_method(entry.name)).first_edit_sf if entry.name in names else math.nan
        editor.edit(CAT.picture, spec)  # what is made once, such as a direction, is in no entry's seconds
        begun = time.process_time()
        editor.edit(CAT.picture, spec)
        seconds = time.process_time() - begun
        yield EntryCost(entry.name, found.first_edit_sf + looks, found.further_edit_sf + looks, plain, seconds)


def cost_table(found: Mapping[str, EntryCost]) -> list[str]:
    """A table in Markdown: a line per method as it is, the cheapest first."""
    own = sorted((one for one in found.values() if not math.isnan(one.sd15_sf)), key=lambda one: one.first_sf)
    return lined(
        HEADS,
        [[one.entry, *(f"{count:.0f}" for count in (one.first_sf, one.further_sf, one.sd15_sf))] for one in own],
    )
