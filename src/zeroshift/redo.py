"""A picture made again from its recipe."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from zeroshift.asked.request import Request
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import is_prompt, make_task
from zeroshift.editor import Editor
from zeroshift.image import Photo, encode_image
from zeroshift.image.masks import ALPHA
from zeroshift.image.regions import Region
from zeroshift.image.save import Format
from zeroshift.installed import version, versions_of_pictures
from zeroshift.presets import build_method
from zeroshift.recipe import EditRecipe, GenerateRecipe, Recipe
from zeroshift.restoring import Restorer, restorer_for
from zeroshift.results import Result
from zeroshift.running.from_noise import generate
from zeroshift.running.walking import Progress
from zeroshift.sentences import printable

KEPT = ("source_path", "direction_path", "mask_path", "native", "exif", "caption", "rows", "row")
"""what a shell has added to a recipe, or what the run of one picture does not know"""


def replay(
    editor: Editor,
    recipe: Recipe,
    photo: Photo | None = None,
    direction: Direction | None = None,
    mask: Photo | None = None,
) -> Iterator[Progress]:
    """Make a picture again, in a batch of the same size; ``result_of`` the last step is the picture.

    Args:
        editor: the recipe's model, with its separate CLIP and VGG16 if it had them.
        recipe: what to follow.
        photo: the photograph, if there was one.
        direction: the edit direction, if one was passed to the edit.
        mask: the picture of its mask, if one was.

    Raises:
        ValueError: the model, the photograph, the mask, the direction or VGG16 is another one, or an option does not
            exist.
    """
    check_model(editor, recipe)
    restorer = restorer_of(recipe, editor)
    if isinstance(recipe, GenerateRecipe):
        prompts, seeds = [recipe.prompt] * recipe.rows, [recipe.seed] * recipe.rows
        return generate(
            editor.backbone,
            prompts,
            seeds=seeds,
            steps=recipe.steps,
            guidance_scale=recipe.guidance_scale,
            restorer=restorer,
        )
    check_inputs(recipe, photo, direction, mask)
    editor = with_segmenter_of(recipe, editor)
    prompt = None if is_prompt(recipe.source) else recipe.source_prompt
    task = make_task(recipe.source, recipe.target, prompt, direction)
    method = build_method(recipe.method, recipe.method_options)
    request = Request(
        task,
        method,
        auto_mask=recipe.mask in ("auto", "grown"),
        grown=recipe.mask == "grown",
        restored=restorer is not None,
        soft=recipe.soft,
        detail=recipe.detail,
        words_alone=recipe.zeroshift.startswith("0.1."),
    )
    if photo is None:
        return editor.run_generated([request], seeds=[recipe.seed] * recipe.rows)
    region = None if recipe.region is None else Region.of(recipe.region)
    pictures, shown = [photo] * recipe.rows, ALPHA if recipe.mask == "alpha" else mask
    return editor.run(
        pictures, [request], seed=recipe.seed, fit=recipe.fit, region=region, size=recipe.size, mask=shown
    )


def check_model(editor: Editor, recipe: Recipe) -> None:
    """Refuse another model than the recipe's, or other weights of VGG16.

    Raises:
        ValueError: its weights or configuration differ.
    """
    identity, wanted = editor.backbone.identity, recipe.model
    if identity.sha256 != wanted.sha256:
        raise ValueError(
            f"This picture was made with another model ({printable(wanted.name)}, {printable(wanted.sha256[:12])}) "
            f"than {identity.name} ({identity.sha256[:12]}); load the right one (`model`)."
        )
    if isinstance(recipe, EditRecipe) and recipe.vgg_sha256 is not None:
        if editor.vgg is None or editor.vgg.sha256 != recipe.vgg_sha256:
            raise ValueError("This picture was made with other weights of VGG16; give those (`vgg`).")


def with_segmenter_of(recipe: EditRecipe, editor: Editor) -> Editor:
    """The editor with the recipe's segmentation network: without its model's own where the words alone were asked.

    Raises:
        ValueError: it is another one, is missing, or plays no part.
    """
    own = editor.segmenter is not None and not editor.segmenter.strict
    if own and recipe.segmenter_sha256 is None:
        return replace(editor, segmenter=None)
    given = None if editor.segmenter is None else editor.segmenter.sha256
    if given != recipe.segmenter_sha256:
        needed = "without a segmentation network" if recipe.segmenter_sha256 is None else "with another one"
        raise ValueError(
            f"Where this picture was edited was found {needed}; give what it was made with (`segmenter`), or leave "
            "that out for the model's own."
        )
    return editor


def restorer_of(recipe: Recipe, editor: Editor) -> Restorer | None:
    """The restorer of a recipe; none, where it names none.

    Raises:
        ValueError: the model has another one, or none.
    """
    if recipe.restorer_sha256 is None:
        return None
    given = None if editor.restorer is None else editor.restorer.sha256
    prompt = recipe.prompt if isinstance(recipe, GenerateRecipe) else recipe.target_prompt
    if recipe.restorer_sha256 != given or restorer_for(editor.restorer, prompt, True) is None:
        has = "has no restorer" if given is None else "has another restorer"
        raise ValueError(
            f"This picture was redrawn by a restorer ({printable(recipe.restorer_sha256[:12])}), and the model "
            f"{editor.backbone.identity.name} {has}; give the model as it was then (`model`), or make it anew."
        )
    return editor.restorer


def check_inputs(
    recipe: EditRecipe, photo: Photo | None, direction: Direction | None, mask: Photo | None = None
) -> None:
    """Refuse another photograph, direction or mask than the recipe's.

    Raises:
        ValueError: it is another one, is missing, or plays no part.
    """
    if (None if photo is None else photo.sha256) != recipe.source_sha256:
        needed = "without a photograph" if recipe.source_sha256 is None else "from another photograph"
        raise ValueError(f"This picture was made {needed}; give what its recipe names.")
    if direction is not None and direction.sha256 != recipe.direction_sha256:
        raise ValueError("This picture was made with another edit direction; give that.")
    if (None if mask is None else mask.sha256) != recipe.mask_sha256:
        needed = "without a picture of a mask" if recipe.mask_sha256 is None else "with another mask"
        raise ValueError(f"This picture was made {needed}; give what its recipe names.")


def result_of(recipe: Recipe, last: Progress) -> Result:
    """The picture made again, of the last step of ``replay``."""
    return last.results[recipe.row][0]


def remade_bytes(
    recipe: Recipe,
    written: Mapping[str, object],
    result: Result,
    before: bytes,
    format: Format | str,
    photo: Photo | None = None,
) -> bytes:
    """The file of a picture made again: the old one's bytes where nothing but versions has changed.

    Args:
        recipe: what was followed.
        written: the same, as ``read_recipe`` found it.
        result: what ``result_of`` gave.
        before: bytes of the old file.
        format: of the new one, as ``encode_image`` takes it.
        photo: the photograph, of which the recipe may say that the file has its ``capture``.

    Raises:
        ImageError: the format cannot hold the picture.
    """
    picture = result.native if recipe.native else result.image
    capture = photo.capture if photo is not None and recipe.exif else b""
    if same_facts(result.recipe, written) and encode_image(picture, format, written, capture=capture) == before:
        return before  # another version makes the same of the same: the old recipe is true of that, too
    return encode_image(picture, format, remade(result.recipe, written), capture=capture)


def same_facts(made: Mapping[str, object], written: Mapping[str, object]) -> bool:
    """Whether a new recipe says what an old one did, versions aside; its options are what was followed."""
    both = made.keys() & written.keys() - {*KEPT, "zeroshift", "versions", "model", "options"}
    return all(made[name] == written[name] for name in both)


def remade(made: Mapping[str, object], written: Mapping[str, object]) -> dict[str, object]:
    """The recipe of a picture made again: the new one, with what the old one has from elsewhere."""
    return {**made, **{name: written[name] for name in (*KEPT, "model") if name in written}}


def why_different(recipe: Recipe, made: Mapping[str, object]) -> str:
    """Say why the bytes of a picture made again may differ; ``made`` is its new recipe."""
    installed = {**versions_of_pictures(), "zeroshift": version("zeroshift")}
    then = {**recipe.versions, "zeroshift": recipe.zeroshift}
    changed = [
        f"{name} {printable(then[name])} then, {found} now"
        for name, found in installed.items()
        if then.get(name, found) != found
    ]
    for kind in ("machine", "threads"):
        old, now = getattr(recipe, kind), made.get(kind)
        if old not in (None, now):
            changed.append(f"{kind} {printable(str(old))} then, {now} now")
    if isinstance(recipe, EditRecipe) and made.get("inversion_sha256") != recipe.inversion_sha256:
        changed.append("another inversion")
    return f"its bytes differ: {', '.join(changed) or 'another format, machine or file'}"
