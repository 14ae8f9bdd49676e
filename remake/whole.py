"""Whole photographs, edited by the README's plain command, before and after; its first picture has three."""

from collections.abc import Sequence

from PIL import Image, ImageOps

from remake.place import Job, Jobs, Place
from zeroshift.image import Photo, before_after, load_image, save_image

FILE = "docs/whole.png"
EDITS: Sequence[tuple[str, str]] = (
    ("cat_abyssinian_106", "dog"),
    ("cat_abyssinian_137", "dog"),
    ("cat_abyssinian_145", "dog"),
    ("cat_abyssinian_29", "dog"),
    ("cat_abyssinian_44", "dog"),
    ("cat_abyssinian_51", "dog"),
    ("cat_bengal_182", "dog"),
    ("dog_american_bulldog_125", "cat"),
    ("dog_american_bulldog_43", "cat"),
)
"""photographs of ``demo`` in the data folder, chosen before they were edited, and what they become"""
FIRST_FILE = "docs/first.png"
FIRST = ("cat_abyssinian_137", "cat_abyssinian_145", "cat_abyssinian_29")
"""those of the first picture"""
COLUMNS, SIDE, GAP = 3, 232, 8
"""pairs in a row, and pixels: a photograph's width, and the white between pairs"""


def jobs() -> Jobs:
    return [Job("whole", make, with_data=True)]


def make(place: Place) -> str:
    """Edit all of them and lay the pairs out."""
    assert place.data is not None  # the job says that it needs it
    editor = place.editor()
    photos = [load_image(place.data / "demo" / f"{name}.jpg") for name, _ in EDITS]
    results = [editor.edit(photo, target=target) for photo, (_, target) in zip(photos, EDITS, strict=True)]
    pairs = [pair(photo, result.image) for photo, result in zip(photos, results, strict=True)]
    recipes = [{**result.recipe, "photograph": name} for result, (name, _) in zip(results, EDITS, strict=True)]
    save_image(laid_out(pairs), place.root / FILE, recipe={"command": "remake", "panels": recipes})
    chosen = [k for k, (name, _) in enumerate(EDITS) if name in FIRST]
    facts = {"command": "remake", "panels": [recipes[k] for k in chosen]}
    save_image(laid_out([pairs[k] for k in chosen]), place.root / FIRST_FILE, recipe=facts)
    return f"{FILE}, {FIRST_FILE}"


def pair(photo: Photo, edited: Image.Image) -> Image.Image:
    """Before and after, each in a square of ``SIDE`` pixels that shows its middle."""
    square = (SIDE, SIDE)
    return before_after(*(ImageOps.fit(image, square, Image.Resampling.LANCZOS) for image in (photo.image, edited)))


def laid_out(pairs: Sequence[Image.Image], columns: int = COLUMNS) -> Image.Image:
    """Pairs of one size in rows on white."""
    width, height = pairs[0].size
    rows = -(-len(pairs) // columns)
    table = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for k, picture in enumerate(pairs):
        table.paste(picture, (k % columns * (width + GAP), k // columns * (height + GAP)))
    return table
