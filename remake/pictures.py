"""The pictures on the pages, as ``pictures.toml`` describes them."""

import tomllib
from functools import partial, reduce
from pathlib import Path
from typing import Literal, TypeAlias

from PIL import Image
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from remake.asked import asked
from remake.place import Job, Jobs, Place
from remake.sitting import Sitting
from zeroshift.cli.output import relative
from zeroshift.image import before_after, frame, load_image, save_image

MANIFEST = Path(__file__).with_name("pictures.toml")
Show: TypeAlias = Literal["photograph", "edit", "reconstruction"]
Recipe: TypeAlias = dict[str, object]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Picture:
    """One picture: panels side by side."""

    name: str
    file: str
    """where it is written, from the checkout's root; so is the photograph"""
    photograph: str
    words: str
    """of ``zeroshift edit``, common to all panels"""
    panels: tuple[str, ...]
    height: int | None = None
    """of the panels in pixels, if they are the model's own pictures, enlarged; None is the photograph's size"""


def jobs(manifest: Path = MANIFEST) -> Jobs:
    """One job per picture."""
    return [Job(f"pictures/{picture.name}", partial(make, picture)) for picture in read(manifest)]


def read(manifest: Path) -> list[Picture]:
    """Read a manifest.

    Raises:
        ValueError: it is not as it should be.
    """
    rows = tomllib.loads(manifest.read_text(encoding="utf-8"))["picture"]
    renamed = [{"words" if key == "with" else key: value for key, value in row.items()} for row in rows]
    return TypeAdapter(list[Picture]).validate_python(renamed)


def make(picture: Picture, place: Place) -> str:
    """Make a picture and write it, with the recipes of its panels in the metadata."""
    sitting = Sitting(place.editor(), [load_image(place.root / picture.photograph)])
    path = place.root / picture.file
    drawn = [panel(picture, text, sitting) for text in picture.panels]
    recipes = [recipe for _, recipe in drawn]
    facts = {"command": "remake", "panels": recipes, "source_path": relative(place.root / picture.photograph, path)}
    save_image(reduce(before_after, [image for image, _ in drawn]), path, recipe=facts)
    return picture.file


def panel(picture: Picture, text: str, sitting: Sitting) -> tuple[Image.Image, Recipe]:
    """One panel with its recipe.

    Raises:
        ValueError: it is of no known kind.
    """
    show, _, words = text.partition(" ")
    kind, wish = TypeAdapter[Show](Show).validate_python(show), asked(f"{picture.words} {words}")
    (source,) = sitting.sources
    if kind == "photograph":
        size, multiple = sitting.editor.backbone.size, sitting.editor.backbone.multiple
        framed, _ = frame(source.image, wish.fit or sitting.editor.default_fit, size=size, multiple=multiple)
        return (source.image if picture.height is None else enlarged(framed, picture.height)), {"panel": text}
    (result,) = sitting.edit(wish, reconstruct=kind == "reconstruction")
    image, recipe = result.image, {**result.recipe, "panel": text}
    if kind == "edit" and picture.height is None:
        return image, recipe
    native = result.native if kind == "edit" else result.reconstruction
    assert native is not None  # a photograph's source branch is walked where it is asked for
    return enlarged(native, picture.height or source.image.height), recipe


def enlarged(image: Image.Image, height: int) -> Image.Image:
    """A picture at another height."""
    return image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS)
