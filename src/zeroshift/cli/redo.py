"""``zeroshift redo``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from zeroshift.cli.output import check_apart, check_picture, tell
from zeroshift.cli.progress import follow, waiting
from zeroshift.cli.recipes import Recipe, original, saved_direction, steps_of
from zeroshift.cli.shared import DEFAULT_LOUDNESS, Loudness, Output, Text, Vgg, as_app
from zeroshift.image import save_image


def command(tokens: Sequence[str]) -> App:
    """Return the verb."""
    return as_app(redo, "redo", "redo EDITED [OPTIONS]")


def redo(
    edited: Annotated[Path, Parameter(help="picture that zeroshift wrote")],
    /,
    *,
    image: Annotated[Path | None, Parameter(help="its source [default where the recipe says, or here]")] = None,
    direction: Annotated[Path | None, Parameter(help="its saved edit direction, if it moved")] = None,
    model: Annotated[Text | None, Parameter(help="its model, if that was a folder")] = None,
    clip: Annotated[Text | None, Parameter(help="its separate CLIP, if that was a folder")] = None,
    cache_dir: Annotated[Path | None, Parameter(help="where hub downloads are kept")] = None,
    vgg: Vgg = None,
    output: Annotated[Output, Parameter(help="file to write [default NAME-redo beside EDITED]")] = None,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Make an edited picture again from the recipe in its file: the same bytes on the same machine."""
    recipe = Recipe.read(edited)
    path = output or edited.with_stem(f"{edited.stem}-redo")
    source = original(recipe, edited, image)
    recipe.check_vgg(vgg)
    told, along = saved_direction(recipe, edited, direction)
    read = [("the edited picture", edited), ("the photograph", source), ("the photograph", image)]
    check_apart([*read, ("the edit direction", told)], [path])
    check_picture(path)
    with waiting("loading the model", loud.silent):
        editor = recipe.model_flags(model, clip, cache_dir).open(vgg)
    recipe.check_model(editor.backbone.identity)
    recipe.check_weights(editor.vgg)
    before = edited.read_bytes()
    last, seconds = follow(steps_of(recipe, editor, source, along), loud.silent)
    result = last.results[recipe.facts.row][0]
    picture = result.native if recipe.facts.native else result.image
    save_image(picture, path, recipe=recipe.with_own(result.recipe))
    same = path.read_bytes() == before
    remark = "the same bytes" if same else recipe.why_different(result.recipe)
    tell(path, seconds, {"same_bytes": same}, loud, f"; {remark}")
