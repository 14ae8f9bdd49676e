"""Photographs and results that are brought to the page, and where on them it shall change."""

import base64
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from time import monotonic_ns
from typing import Any

import numpy as np
from PIL import Image

from zeroshift.asked.edits import EditSpec
from zeroshift.captioning import Seen
from zeroshift.editor import Editor
from zeroshift.image import ImageError, Photo, load_image, read_recipe
from zeroshift.masks.masking import allowed_in
from zeroshift.recipe import EditRecipe, parse_recipe
from zeroshift.running.looking import look
from zeroshift.ui import work
from zeroshift.ui.asking import where_of
from zeroshift.ui.desk import Desk, Made, Where, file_name, region_of
from zeroshift.ui.pictures import inline, small

EXAMPLES = Path(__file__).parent / "examples"
MOST_MASK = 20_000_000
"""characters of a painted mask"""
CREDITS = {
    "cat.png": ("A cat", "Chelsea, by Stefan van der Walt, CC0, from scikit-image"),
    "cat-sketch.png": ("A sketch", "Rendered from Chelsea, CC0"),
}
"""examples by their file: what they show, and where they come from"""


@cache
def examples() -> list[dict[str, str]]:
    """What the page offers to begin with."""
    return [
        {"name": name, "label": label, "credit": credit, "src": inline(Image.open(EXAMPLES / name), 160)}
        for name, (label, credit) in CREDITS.items()
    ]


def recipe_in(file: Path, called: str | None = None) -> EditRecipe | None:
    """The recipe of a file that is the result of an edit of a photograph; None of any other picture.

    Args:
        file: as it lies here.
        called: its name where it comes from, by which errors name it.

    Raises:
        ValueError: the recipe is damaged.
    """
    try:
        written = read_recipe(file)
    except ImageError:
        return None
    if written.get("command") != "edit" or written.get("source_sha256") is None:
        return None
    recipe = parse_recipe(written, called or file.name)
    assert isinstance(recipe, EditRecipe)
    return recipe


def photograph_of(desk: Desk, recipe: EditRecipe) -> tuple[Photo | None, str]:
    """The photograph of a recipe and its name, if it lies on the desk or among the examples."""
    if desk.photo is not None and desk.photo.sha256 == recipe.source_sha256:
        return desk.photo, desk.name
    for one in desk.made:
        if one.source is not None and one.source.sha256 == recipe.source_sha256:
            return one.photo, one.name
    for name in CREDITS:
        photo = load_image(EXAMPLES / name)
        if photo.sha256 == recipe.source_sha256:
            return photo, name
    return None, file_name(recipe.source_path)


def result_brought(desk: Desk, file: Path, called: str, recipe: EditRecipe, spec: EditSpec) -> Made:
    """A result's file, dropped under the name ``called``, with all that it was made with: ``spec`` is its edit."""
    photo, name = photograph_of(desk, recipe)
    masks = [one.mask for one in desk.made if one.mask is not None]
    mask = next((mask.photo for mask in masks if mask.sha256 == recipe.mask_sha256), None)
    return work.brought(desk, file, called=called, name=name, spec=spec, photo=photo, where=where_of(spec, photo, mask))


def look_at_photo(editor: Editor, desk: Desk) -> tuple[Seen | None, str | None, Any]:
    """What is seen in a desk's photograph, which part is looked at, in words and as shares of its sides.

    Raises:
        ValueError: the part that was drawn is no part of it.
    """
    photo, where = desk.photo, desk.where
    assert photo is not None
    said = where.asked(photo)
    fit, region = said.get("fit"), said.get("region")
    mask = where.painted
    (frame,) = look(
        editor,
        [photo],
        fit=fit,  # type: ignore[arg-type]
        region=region,  # type: ignore[arg-type]
        caption=editor.captioner is not None,
        allowed=None if mask is None else lambda one: allowed_in(one, mask),
    )
    width, height = photo.image.size
    left, top, right, bottom = frame.region or frame.framing.box
    found = (left / width, top / height, (right - left) / width, (bottom - top) / height)
    return frame.seen, frame.part, None if found == (0.0, 0.0, 1.0, 1.0) else found


def shown(desk: Desk, found: Any = None) -> dict[str, Any]:
    """What the picture of the page shows."""
    if desk.photo is None:
        return {"examples": examples(), "tick": monotonic_ns()}
    picture, where = small(desk.photo.image), desk.where
    return {
        "src": inline(picture),
        "key": desk.photo.sha256,
        "width": picture.width,
        "height": picture.height,
        "mode": where.mode,
        "box": where.box,
        "found": found,
        "mask": None if where.mask is None else painted_url(where.mask, picture.size),
        "examples": examples(),
        "tick": monotonic_ns(),  # a browser draws what differs from before
    }


def painted_url(mask: Photo, size: tuple[int, int]) -> str:
    """A mask as the page paints it, transparent where nothing may change."""
    small_mask = mask.image.convert("L").resize(size)
    colour = Image.new("RGBA", size, "#ff5a1f")
    colour.putalpha(small_mask)
    file = io.BytesIO()
    colour.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def placed(desk: Desk, said: Mapping[str, Any]) -> Where:
    """Where somebody drew that the photograph shall change.

    Raises:
        ImageError: the box or the mask is none.
    """
    assert desk.photo is not None
    mode, box, mask = said.get("mode"), said.get("box"), said.get("mask")
    match mode:
        case "box" if isinstance(box, list) and len(box) == 4:
            where = Where("box", (float(box[0]), float(box[1]), float(box[2]), float(box[3])))
            assert where.box is not None
            region_of(where.box, desk.photo).box(desk.photo.image.size)
            return where
        case "brush":
            return Where("brush", mask=None if mask is None else painted(str(mask), desk.photo.image.size))
        case "whole":
            return Where("whole")
    return Where()


def painted(url: str, size: tuple[int, int]) -> Photo | None:
    """The mask that a browser painted, of the photograph's size; None where nothing is painted.

    Raises:
        ImageError: it is no PNG, or too large.
    """
    head, _, data = url.partition(",")
    if head != "data:image/png;base64" or len(data) > MOST_MASK:
        raise ImageError("What was painted is no mask that can be read; clear it and paint again.")
    layer = load_image(base64.b64decode(data))
    if layer.alpha is None:
        return None
    plane = np.asarray(layer.alpha.resize(size, Image.Resampling.BILINEAR)) >= 128
    if not plane.any():
        return None
    file = io.BytesIO()
    Image.fromarray(plane.astype(np.uint8) * 255).save(file, "PNG")
    return load_image(file.getvalue())
