"""What was asked for, read from the recipe of what became of it."""

from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec
from zeroshift.conditioning.task import is_prompt
from zeroshift.image.masks import Said
from zeroshift.image.regions import Region
from zeroshift.model import Model
from zeroshift.options.errors import OptionError
from zeroshift.presets import build_method, difference, options_of
from zeroshift.recipe import EditRecipe
from zeroshift.restoring import restorer_for


def asked_again(recipe: EditRecipe, editor: Model) -> EditSpec:
    """The edit that a recipe describes, for ``editor``: on the same photograph it gives the same picture.

    What the model found or saw then is said: region, size of the frame, source. Of the options are given those in
    which the method differs from what ``editor`` does by itself.

    Raises:
        OptionError: it went along an edit direction from elsewhere, which no recipe holds.
        ValueError: its options do not exist.
    """
    if recipe.direction_path is not None:
        sentence = "The picture was made along a saved edit direction, which no recipe holds; give that beside."
        raise OptionError(sentence, ("direction",))
    method = build_method(recipe.method, recipe.method_options)
    by_itself = 0 < method.strength < 1 and recipe.detail == 1 - method.strength
    bare = EditSpec(
        target=recipe.target,
        source=recipe.source,
        prompt=None if is_prompt(recipe.source) else recipe.source_prompt,
        method=recipe.method,
        seed=recipe.seed,
        fit=recipe.fit,
        region="none" if recipe.region is None else str(Region.of(recipe.region)),
        size=recipe.size,
        mask=mask_of(recipe),
        soft=recipe.soft,
        detail=0.0 if by_itself else recipe.detail,
    )
    usual = options_of(bare.built(editor))
    redrawn = recipe.restorer_sha256 is not None
    as_usual = redrawn == (restorer_for(editor.restorer, recipe.target_prompt, bare.restores(editor)) is not None)
    said = {"options": difference(usual, options_of(method)), "restore": None if as_usual else redrawn}
    spec = EditSpec.parse({**dict(bare), **said})
    # the recipe is of what was taken: other tries, in the part where that was made, might be taken in its place
    return spec.model_copy(update={"second_try": False}) if spec.tries(editor) else spec


def mask_of(recipe: EditRecipe) -> Said | GivenMask:
    """What said where the photograph might change."""
    if recipe.mask == "given":
        return GivenMask(sha256=recipe.mask_sha256 or "")
    return recipe.mask or "none"
