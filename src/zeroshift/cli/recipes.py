"""Where the model, the photograph and the direction of a recipe are found. A stranger may have written it."""

from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from zeroshift.backbones.checkpoint import Device, Precision
from zeroshift.cli.shared import ModelFlags
from zeroshift.cli.wrong import Wrong
from zeroshift.files import sha256_of_file
from zeroshift.recipe import EditRecipe, Recipe
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.conditioning.direction import Direction


def model_flags(
    recipe: Recipe,
    edited: Path,
    model: str | None,
    clip: str | None,
    loras: tuple[str, ...],
    cache_dir: Path | None,
) -> ModelFlags:
    """Say which model to load where; only the shipped one is loaded unless it is named on the command line.

    Raises:
        ValueError: the recipe has another one, and none is named.
    """
    made_by = recipe.model
    for kind, given, name in (("model", model, made_by.name), ("clip", clip, made_by.clip)):
        if given is None and name is not None and (kind, name) != ("model", "shipped"):
            raise ValueError(
                f"{edited} was made with the {kind} {printable(name)}; say where that is with --{kind}: a folder or a "
                "hub id that you trust."
            )
    if made_by.loras and not loras:
        named = " and ".join(printable(name) for name in made_by.loras)
        raise ValueError(f"{edited} was made with the LoRA {named}; say where that is with --lora FILE:WEIGHT.")
    device, precision = recipe.device, recipe.precision
    if device not in get_args(Device) or precision not in get_args(Precision):
        raise ValueError(
            f"{edited} was made on {device} in {precision}, which the command line does not run; make it again in "
            "Python, with zeroshift.redo.replay."
        )
    return ModelFlags(
        model=model,
        clip=clip,
        lora=loras,
        revision=made_by.revision if model == made_by.name and not Path(model).is_dir() else None,
        cache_dir=cache_dir,
        device=cast(Device, device),
        precision=cast(Precision, precision),
        compile=recipe.compiled,
        memory="auto" if recipe.tile is None else "low",
        threads=recipe.threads,
    )


def check_vgg(recipe: Recipe, edited: Path, vgg: Path | None) -> None:
    """Refuse weights of VGG16 in vain, and an edit that needs some without.

    Raises:
        Wrong: they are given in vain.
        ValueError: they are missing.
    """
    needed = isinstance(recipe, EditRecipe) and recipe.needs_vgg
    if needed and vgg is None:
        raise ValueError(f"{edited} was made with weights of VGG16; say where those are with --vgg.")
    if vgg is not None and not needed:
        raise Wrong(f"{edited} was made without weights of VGG16, so --vgg means nothing to it; leave that out.")


def original(recipe: Recipe, edited: Path, image: Path | None) -> Path | None:
    """Find the photograph, if there was one: ``image``, or where the recipe says, beside ``edited``, or here.

    Raises:
        Wrong: one is given in vain.
        ValueError: there is no picture of the recipe's hash.
    """
    if not isinstance(recipe, EditRecipe) or recipe.source_sha256 is None:
        if image is not None:
            raise Wrong(f"{edited} was made without a photograph, so --image means nothing to it; leave that out.")
        return None
    stored = Path(recipe.source_path)
    places = [image] if image else [*near(edited, stored), edited.parent / stored.name, Path(stored.name)]
    there = [place for place in places if place.is_file()]
    for place in there:
        if sha256_of_file(place) == recipe.source_sha256:
            return place
    if there:
        raise ValueError(f"{there[0]} is not the picture that {edited} was made from; give that with --image.")
    named = "source_path" in recipe.model_fields_set
    name = image or (name_of(stored, "The photograph") if named else "The photograph")
    raise ValueError(f"{name}, from which {edited} was made, is not there; give it with --image.")


def saved_direction(recipe: Recipe, edited: Path, direction: Path | None) -> "tuple[Path | None, Direction | None]":
    """Find and read the saved edit direction, if the recipe has one.

    Raises:
        Wrong: one is given in vain.
        ValueError: it is not there, or is another one.
    """
    if not isinstance(recipe, EditRecipe) or recipe.direction_path is None:
        if direction is not None:
            raise Wrong(f"{edited} was made without a saved direction, so --direction means nothing to it.")
        return None, None
    from zeroshift.conditioning.direction import load_direction

    places = [direction] if direction else near(edited, Path(recipe.direction_path))
    if not places:
        name = name_of(Path(recipe.direction_path), "of an unknown name")
        raise ValueError(f"{edited} was made with the edit direction {name}, far from here; give it with --direction.")
    found = load_direction(places[0])
    if found.sha256 != recipe.direction_sha256:
        raise ValueError(
            f"{printable(str(places[0]))} is not the edit direction that {edited} was made with; give that with "
            "--direction."
        )
    return places[0], found


def mask_of(recipe: Recipe, edited: Path, mask: Path | None) -> Path | None:
    """Find the picture of the mask, if the recipe has one: ``mask``, or where the recipe says.

    Raises:
        Wrong: one is given in vain.
        ValueError: there is no picture of the recipe's hash.
    """
    if not isinstance(recipe, EditRecipe) or recipe.mask_sha256 is None:
        if mask is not None:
            raise Wrong(
                f"{edited} was made without a picture of a mask, so --mask means nothing to it; leave that out."
            )
        return None
    stored = Path(recipe.mask_path or "mask.png")
    for place in [mask] if mask else near(edited, stored):
        if place.is_file() and sha256_of_file(place) == recipe.mask_sha256:
            return place
    name = name_of(stored, "of an unknown name")
    raise ValueError(f"{edited} was made with the mask {name}, which is not there; give it with --mask.")


def name_of(stored: Path, otherwise: str) -> str:
    """How a sentence calls a file of a recipe, where a stranger may have written a path that ends in no name."""
    return printable(stored.name) if stored.name.strip(" .") else otherwise


def near(edited: Path, stored: Path) -> list[Path]:
    """The place that a recipe names, if that lies under the picture's folder or under this one; else nothing."""
    place = edited.parent / stored
    homes = (edited.parent.resolve(), Path.cwd())
    return [place] if any(place.resolve().is_relative_to(home) for home in homes) else []
