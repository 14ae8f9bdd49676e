"""``zeroshift redo``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from PIL import Image

from zeroshift.cli.output import check_apart, check_picture, tell
from zeroshift.cli.progress import follow, waiting
from zeroshift.cli.recipes import check_vgg, model_flags, original, saved_direction
from zeroshift.cli.shared import DEFAULT_LOUDNESS, Loudness, Output, Text, Vgg, as_app
from zeroshift.image import encode_image, load_image, read_recipe, save_image
from zeroshift.image.save import FORMATS
from zeroshift.recipe import EditRecipe, parse_recipe
from zeroshift.redo import remade, replay, result_of, same_facts, why_different


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(redo, "redo", "redo EDITED [OPTIONS]")


def redo(
    edited: Annotated[Path, Parameter(help="picture that zeroshift wrote")],
    /,
    *,
    image: Annotated[Path | None, Parameter(help="its source [default where the recipe says, or here]")] = None,
    direction: Annotated[Path | None, Parameter(help="its saved edit direction, if it moved")] = None,
    model: Annotated[Text | None, Parameter(help="its model, if that is not the shipped one")] = None,
    clip: Annotated[Text | None, Parameter(help="its separate CLIP, if it had one")] = None,
    cache_dir: Annotated[Path | None, Parameter(help="where hub downloads are kept")] = None,
    vgg: Vgg = None,
    output: Annotated[Output, Parameter(help="file to write [default NAME-redo beside EDITED]")] = None,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Make an edited picture again from the recipe in its file: the same bytes on the same machine."""
    written = read_recipe(edited)
    recipe = parse_recipe(written, str(edited))
    path = output or edited.with_stem(f"{edited.stem}-redo")
    source = original(recipe, edited, image)
    check_vgg(recipe, edited, vgg)
    told, along = saved_direction(recipe, edited, direction)
    read = [("the edited picture", edited), ("the photograph", source), ("the photograph", image)]
    check_apart([*read, ("the edit direction", told)], [path])
    check_picture(path)
    with waiting("loading the model", loud.silent):
        editor = model_flags(recipe, edited, model, clip, cache_dir).open(vgg, edits=isinstance(recipe, EditRecipe))
    photo = None if source is None else load_image(source, max_megapixels=float("inf"))
    last, seconds = follow(replay(editor, recipe, photo, along), loud.silent)
    result = result_of(recipe, last)
    picture, before = result.native if recipe.native else result.image, edited.read_bytes()
    # where another version makes the same of the same, the old recipe is true of that, too
    true = same_facts(result.recipe, written) and encoded(picture, path, written) == before
    save_image(picture, path, recipe=written if true else remade(result.recipe, written))
    same = path.read_bytes() == before
    remark = "the same bytes" if same else why_different(recipe, result.recipe)
    tell(path, seconds, {"same_bytes": same}, loud, f"; {remark}")


def encoded(picture: Image.Image, path: Path, recipe: Mapping[str, object]) -> bytes:
    """Bytes of a file of this name."""
    return encode_image(picture, FORMATS[path.suffix.lower()], recipe)
