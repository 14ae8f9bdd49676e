"""What a training learns from: photographs, what is said of them, and pictures made from them."""

from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture, load_pictures
from zeroshift.miniature.renderings import RENDERINGS
from zeroshift.miniature.training.captions import scene_in
from zeroshift.miniature.training.photo_attributes import background, blurry, light
from zeroshift.miniature.vocabulary import Scene

ZOOM = 1.4
"""how much a close-up enlarges"""
USUAL, NONE = "species", "none"
"""the column by which draws are balanced if nothing else is asked for, and what is asked for to draw all rows alike"""


@dataclass(frozen=True, eq=False)
class Material:
    """Pictures, their captions, and how often they are drawn."""

    pictures: Tensor
    """uint8 (N, 3, S, S)"""
    scenes: list[Scene | str]
    """what is said of each; sentences of another form than "a photo of a ..." as they are"""
    weights: Tensor
    """how often each picture is drawn, relative (N,)"""

    def __add__(self, other: "Material") -> "Material":
        pictures, weights = torch.cat([self.pictures, other.pictures]), torch.cat([self.weights, other.weights])
        return Material(pictures, self.scenes + other.scenes, weights)

    def weighing(self, share: float) -> "Material":
        """The same with weights that sum to ``share``."""
        return replace(self, weights=self.weights / self.weights.sum() * share)


def gathered(table: CaptionedFolder, size: int, balance: str | None, close_ups: float, styles: float) -> Material:
    """The photographs of ``train`` with details and renderings, which take their shares of the draws.

    ``balance`` is what ``column_of`` takes.

    Raises:
        ValueError: the table has no such column, the split is empty or a picture cannot be read.
    """
    column = column_of(table, balance)
    pictures, rows = load_pictures(table, "train", size)
    plain = Material(pictures, [scene_in(row) for row in rows], balanced(rows, column))
    made = described(plain).weighing(1 - close_ups - styles)
    if close_ups:
        made += details(plain, table.read(rows, round(size * ZOOM))).weighing(close_ups)
    able = styles and any(isinstance(scene, Scene) for scene in plain.scenes)
    return made + renderings(plain).weighing(styles) if able else made


def column_of(table: CaptionedFolder, asked: str | None) -> str:
    """The column to balance by, or ``NONE``; by default ``USUAL``, if the table has it.

    Raises:
        ValueError: the table has no such column.
    """
    columns = table.pictures[0].labels
    if asked is None:
        return USUAL if USUAL in columns else NONE
    if asked != NONE and asked not in columns:
        known = ", ".join(columns) or "none but file, caption and split"
        raise ValueError(
            f"captions.csv of {table.root} has no column {asked} to balance by; there is {known}; name one with "
            "`balance`, or none."
        )
    return asked


def balanced(rows: list[CaptionedPicture], column: str) -> Tensor:
    """Sampling weights that make the column's values equally likely; all alike for ``NONE``."""
    values = ["" if column == NONE else row.labels[column] for row in rows]
    counts = Counter(values)
    return torch.tensor([1 / counts[value] for value in values])


def described(plain: Material) -> Material:
    """Add to what is said of photographs what can be measured: light, blur, and the background's colour."""
    pictures = plain.pictures
    measured = zip(plain.scenes, light(pictures), blurry(pictures), background(pictures), strict=True)
    return replace(plain, scenes=[_with_measured(*one) for one in measured])


def _with_measured(scene: Scene | str, lit: str, blurred: bool, behind: str) -> Scene | str:
    """A photograph's scene with one word for its light or blur; closeness, where it is known, is the word."""
    if isinstance(scene, str):
        return scene
    medium = scene.medium if scene.medium != "photo" else lit if lit != "photo" else "blurry" if blurred else "photo"
    return replace(scene, medium=medium, background=behind)


def details(plain: Material, enlarged: Tensor) -> Material:
    """A detail of every picture, under words that say so; ``enlarged`` holds them at ``ZOOM`` times the size.

    Real photographs come closer than portraits do, and words that own the closeness keep it out of the others.
    """
    size, room = plain.pictures.shape[-1], enlarged.shape[-1] - plain.pictures.shape[-1]
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(room // 4, room - room // 4 + 1, (len(enlarged), 2), generator=generator).tolist()
    cut = torch.stack([p[:, y : y + size, x : x + size] for p, (y, x) in zip(enlarged, corners, strict=True)])
    scenes = [replace(s, medium="close") if isinstance(s, Scene) else f"{s}, close-up" for s in plain.scenes]
    return Material(cut, scenes, plain.weights)


def renderings(plain: Material) -> Material:
    """Every picture whose caption is a scene in one of the other styles, each style equally often."""
    able = [k for k, scene in enumerate(plain.scenes) if isinstance(scene, Scene)]
    order = torch.tensor(able)[torch.randperm(len(able), generator=torch.Generator().manual_seed(0))]
    shares = zip(RENDERINGS, order.tensor_split(len(RENDERINGS)), strict=True)
    parts = [_rendered(plain, chosen, style) for style, chosen in shares if len(chosen)]  # few pictures, few styles
    return sum(parts[1:], parts[0])


def _rendered(plain: Material, chosen: Tensor, style: str) -> Material:
    pictures = torch.cat([RENDERINGS[style](part) for part in plain.pictures[chosen].split(256)])
    scenes = [replace(s, medium=style) for k in chosen.tolist() if isinstance(s := plain.scenes[k], Scene)]
    return Material(pictures, list(scenes), plain.weights[chosen])
