"""What measurements of edits of one animal into another are asked for, and the photographs that they are of.

Photographs are those of Pets-Edit (``python -m benchmarks.pets_edit DATA pets --splits bench-val bench-test``), with
masks of their animals, which serve for measuring alone; the splits val and test have none, and will do where no
background is measured. Both ways, cat to dog and dog to cat, are measured by default, by all methods on all
photographs.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import zeroshift
from zeroshift.bench.items import Item, picture_of, read_plain
from zeroshift.cli.shared import hush_libraries
from zeroshift.evaluation.imagenet import ImageNetJudge, Seen, open_judge
from zeroshift.image.registration import Mask
from zeroshift.methods import METHODS

WAYS = ("cat-dog", "dog-cat")
FEWEST = 50
"""pixels of subject or background from which on a picture counts"""


@dataclass(frozen=True, eq=False)
class Way:
    """The photographs of one animal that are turned into another."""

    source: str
    target: str
    items: Sequence[Item]
    judge: ImageNetJudge

    @property
    def name(self) -> str:
        return f"{self.source}-{self.target}"

    @property
    def files(self) -> list[Path]:
        return [item.picture for item in self.items]

    @cached_property
    def photographs(self) -> list[Image.Image]:
        return [picture_of(item) for item in self.items]

    @cached_property
    def subjects(self) -> list[Mask]:
        """Where each animal is, with its outline, (H, W)."""
        return [found for item in self.items if (found := item.region("corrected")) is not None]

    @cached_property
    def before(self) -> Seen:
        """What the ImageNet network sees in the photographs."""
        return self.judge.look(self.photographs)


def parser(name: str, split: str, *, by_method: bool = True) -> argparse.ArgumentParser:
    """The command line of ``python -m benchmarks.NAME``."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    made.add_argument("pets", type=Path, help="folder that benchmarks.pets_edit made")
    made.add_argument("--split", default=split, metavar="NAME", help=f"photographs of which split [default {split}]")
    made.add_argument("--ways", nargs="+", default=list(WAYS), metavar="SOURCE-TARGET", help="[default both]")
    made.add_argument("--count", type=int, metavar="N", help="photographs each way [default all]")
    made.add_argument("--model", type=Path, metavar="FOLDER", help="another model than the shipped one")
    made.add_argument(
        "--segmenter", metavar="FOLDER|FILE|words", help="what finds masks [default the model's own, else words]"
    )
    if by_method:
        every = [method.name for method in METHODS]
        made.add_argument("--methods", nargs="+", default=every, choices=every, metavar="NAME", help="[default all]")
    return made


def opened(given: argparse.Namespace, *, masks: bool = False) -> tuple[zeroshift.Editor, list[Way]]:
    """The model and the photographs of every way; ends the program with a sentence where they are not there.

    With ``masks`` every photograph has to have one: what is measured is of its animal, or of its background.
    One thread computes, so that CPU seconds are those of one core and results do not depend on the machine.
    """
    torch.set_num_threads(1)
    hush_libraries()
    try:
        pets = read_plain(given.pets).of_tasks([f"{given.split} {way}" for way in given.ways])
        judge = open_judge()
        items = pets.drawn(given.count or len(pets.items)).items
        return zeroshift.load(given.model, device="cpu", segmenter=given.segmenter), [
            *ways_of(items, judge, masks=masks)
        ]
    except ValueError as error:
        raise SystemExit(f"{error}") from error


def ways_of(items: Sequence[Item], judge: ImageNetJudge, *, masks: bool) -> Iterator[Way]:
    """Items by source and target.

    Raises:
        ValueError: one has no mask, with ``masks``.
    """
    if masks and (bare := [item.name for item in items if item.mask is None]):
        raise ValueError(f"{bare[0]} has no mask of its animal; take the split bench-val or bench-test.")
    for source, target in dict.fromkeys((item.source, item.target) for item in items):
        yield Way(source, target, [one for one in items if (one.source, one.target) == (source, target)], judge)


def pooled(ways: Sequence[Way], figures: Sequence[Sequence[Sequence[float]]]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every way's name with how many photographs it has, and its figures (photographs, columns); then of all."""
    for way, own in zip(ways, figures, strict=True):
        yield f"{way.name}, {len(own)}", np.array(own, np.float64)
    if len(ways) > 1:
        every = [one for own in figures for one in own]
        yield f"all {len(every)}", np.array(every, np.float64)
