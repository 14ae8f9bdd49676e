"""``zeroshift redo``."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from zeroshift.cli.cache import DEFAULT_CACHE, CacheFlags
from zeroshift.cli.output import check_apart, check_picture, put, settled, tell
from zeroshift.cli.progress import follow, waiting
from zeroshift.cli.recipes import check_vgg, mask_of, model_flags, original, saved_direction
from zeroshift.cli.shared import DEFAULT_LOUDNESS, Loras, Loudness, Output, Overwrite, Text, Vgg, as_app
from zeroshift.cli.streams import STDOUT
from zeroshift.cli.wrong import Wrong
from zeroshift.files import read_regular
from zeroshift.image import load_image, read_recipe
from zeroshift.image.save import FORMATS
from zeroshift.recipe import STUDENT, EditRecipe, parse_recipe
from zeroshift.redo import remade_bytes, replay, result_of, why_different
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.image import Photo
    from zeroshift.results import Result


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(redo, "redo", "redo EDITED [OPTIONS]")


def redo(
    edited: Annotated[Path, Parameter(help="picture that zeroshift wrote")],
    /,
    *,
    image: Annotated[Path | None, Parameter(help="its source [default where the recipe says, or here]")] = None,
    direction: Annotated[Path | None, Parameter(help="its saved edit direction, if it moved")] = None,
    mask: Annotated[Path | None, Parameter(help="the picture of its mask, if it moved")] = None,
    segmenter: Annotated[
        Path | None,
        Parameter(
            help="the segmentation model that found its mask, if not the model's own", metavar="FOLDER|FILE|words"
        ),
    ] = None,
    student: Annotated[Path | None, Parameter(help="the student that made it, if one did", metavar="FOLDER")] = None,
    model: Annotated[Text | None, Parameter(help="its model, if that is not the shipped one")] = None,
    clip: Annotated[Text | None, Parameter(help="its separate CLIP, if it had one")] = None,
    lora: Loras = (),
    cache_dir: Annotated[Path | None, Parameter(help="where hub downloads are kept")] = None,
    vgg: Vgg = None,
    cache: CacheFlags = DEFAULT_CACHE,
    output: Annotated[Output, Parameter(help="file to write, or - [default NAME-redo beside EDITED]")] = None,
    overwrite: Overwrite = False,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Make an edited picture again from the recipe in its file: the same bytes on the same machine."""
    written = read_recipe(edited)
    recipe = parse_recipe(written, str(edited))
    path = output or edited.with_stem(f"{edited.stem}-redo")
    kept = edited if path == STDOUT else path
    source = original(recipe, edited, image)
    check_vgg(recipe, edited, vgg)
    told, along = saved_direction(recipe, edited, direction)
    shown = mask_of(recipe, edited, mask)
    read = [("the edited picture", edited), ("the photograph", source), ("the photograph", image)]
    check_apart([*read, ("the edit direction", told), ("the mask", shown)], [path])
    (path,) = settled([path], overwrite, loud)
    check_picture(path)
    photo = None if source is None else load_image(source, max_megapixels=float("inf"))
    where = None if shown is None else load_image(shown, max_megapixels=float("inf"))
    if isinstance(recipe, EditRecipe) and recipe.method == STUDENT:
        begun = time.perf_counter()
        result, seconds = by_student(recipe, edited, student, model, photo, where), time.perf_counter() - begun
    else:
        from zeroshift.loading import open_segmenter

        with waiting("loading the model", loud.silent):
            editor = model_flags(recipe, edited, model, clip, lora, cache_dir).open(vgg, cache.place)
        if segmenter is not None:
            editor = replace(editor, segmenter=open_segmenter(segmenter, editor.backbone.device))
        last, seconds = follow(replay(editor, recipe, photo, along, where), loud.silent)
        result = result_of(recipe, last)
    before = read_regular(edited)
    again = remade_bytes(recipe, written, result, before, FORMATS.get(kept.suffix.lower(), "PNG"), photo)
    put(again, path)
    same = again == before
    remark = "the same bytes" if same else why_different(recipe, result.recipe)
    tell(path, seconds, {"same_bytes": same}, loud, f"; {remark}")


def by_student(
    recipe: EditRecipe,
    edited: Path,
    student: Path | None,
    model: str | None,
    photo: "Photo | None",
    mask: "Photo | None",
) -> "Result":
    """The picture of a student made again.

    Raises:
        Wrong: the student is not named.
        ValueError: the student, the photograph or the mask is another one.
    """
    from zeroshift.distillation.editing import replayed
    from zeroshift.distillation.opening import open_editor
    from zeroshift.distillation.students import SHIPPED_NAME

    if student is None and recipe.model.name == SHIPPED_NAME:
        student = Path(SHIPPED_NAME)
    if student is None:
        name = printable(recipe.model.name)
        raise Wrong(f"{edited} was made by the student {name}; say where that is with --student: a folder.")
    if photo is None:
        raise ValueError(f"{edited} was made of a photograph that its recipe does not name; edit anew.")
    return replayed(open_editor(student, recipe.threads, model=model), recipe, photo, mask)
