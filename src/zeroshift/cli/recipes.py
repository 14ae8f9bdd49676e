"""A recipe read back: what it was made from, and the run that makes it again."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroshift.backbones.base import Identity
from zeroshift.cli.shared import ModelFlags
from zeroshift.conditioning.task import is_prompt, make_task
from zeroshift.image import Source, load_image, read_recipe

if TYPE_CHECKING:
    from zeroshift.editor import Editor
    from zeroshift.translate import Progress

OWN = ("source_path", "direction_path", "native", "rows", "row")
"""what the command line adds to a recipe, kept as it is"""


@dataclass(frozen=True)
class Recipe:
    """The recipe of a picture."""

    facts: dict[str, Any]
    name: str
    """the file's"""

    @staticmethod
    def read(edited: Path) -> "Recipe":
        """Read the recipe in a file.

        Raises:
            ValueError: it has none, or it is of something that cannot be made again.
        """
        facts = read_recipe(edited)
        if facts.get("command") not in ("edit", "generate"):
            raise ValueError(f"{edited} is no edited or generated picture but a {facts.get('command')}; redo the edit.")
        return Recipe(facts, str(edited))

    @property
    def photograph(self) -> bool:
        """Tell whether the source was a photograph."""
        return "source_sha256" in self.facts

    @property
    def rows(self) -> int:
        """Return how many pictures the batch had."""
        return int(self.facts.get("rows", 1))

    @property
    def row(self) -> int:
        """Return which of them this was."""
        return int(self.facts.get("row", 0))

    def model_flags(self, model: str | None, cache_dir: Path | None) -> ModelFlags:
        """Return which model to load where.

        Raises:
            ValueError: it was a folder, and the recipe does not know where that is.
        """
        made_by = self.facts["model"]
        name = model or (None if made_by["name"] == "shipped" else made_by["name"])
        if model is None and name is not None and "/" not in name and not Path(name).is_dir():
            raise ValueError(f"{self.name} was made with the model {name}, a folder; say where that is with --model.")
        return ModelFlags(
            model=name,
            revision=made_by["revision"],
            cache_dir=cache_dir,
            device=self.facts["device"],
            precision=self.facts["precision"],
            threads=self.facts["threads"],
        )

    def check_model(self, identity: Identity) -> None:
        """Refuse another model.

        Raises:
            ValueError: its weights or configuration differ.
        """
        wanted = self.facts["model"]
        if identity.sha256 != wanted["sha256"]:
            raise ValueError(
                f"{self.name} was made with another model ({wanted['name']}, {wanted['sha256'][:12]}) than "
                f"{identity.name} ({identity.sha256[:12]}); name the right one with --model."
            )

    def with_own(self, recipe: dict[str, object]) -> dict[str, object]:
        """Return a new recipe with what the command line had added to this one and the model's name in it."""
        kept = {name: self.facts[name] for name in OWN if name in self.facts}
        return {**recipe, **kept, "model": self.facts["model"]}

    def why_different(self) -> str:
        """Say why the bytes may differ."""
        changed = [
            f"{name} {old} then, {version(name)} now"
            for name, old in {**self.facts["versions"], "zeroshift": self.facts["zeroshift"]}.items()
            if version(name) != old
        ]
        return f"its bytes differ: {', '.join(changed) or 'another format, machine or file'}"


def original(recipe: Recipe, edited: Path, image: Path | None) -> Source:
    """Find and read the source picture: ``image``, or where the recipe says, beside ``edited``, or here.

    Raises:
        ValueError: there is no picture of the recipe's hash.
    """
    stored = Path(recipe.facts.get("source_path", "source"))
    places = [image] if image else [edited.parent / stored, edited.parent / stored.name, Path(stored.name)]
    there = [place for place in places if place.is_file()]
    for place in there:
        if hashlib.sha256(place.read_bytes()).hexdigest() == recipe.facts["source_sha256"]:
            return load_image(place, max_megapixels=float("inf"))
    if there:
        raise ValueError(f"{there[0]} is not the picture that {edited} was made from; give that with --image.")
    raise ValueError(f"{image or stored.name}, from which {edited} was made, is not there; give it with --image.")


def saved_direction(recipe: Recipe, edited: Path, direction: Path | None) -> Path | None:
    """Find the saved edit direction, if the recipe has one.

    Raises:
        ValueError: it is not there, or is another one.
    """
    if "direction_path" not in recipe.facts:
        return None
    from zeroshift.conditioning.direction import load_direction

    place = direction or edited.parent / recipe.facts["direction_path"]
    if load_direction(place).sha256 != recipe.facts["direction_sha256"]:
        raise ValueError(f"{place} is not the edit direction that {edited} was made with; give that with --direction.")
    return place


def steps_of(recipe: Recipe, editor: "Editor", source: Source | None, direction: Path | None) -> "Iterator[Progress]":
    """Return the run that makes the picture again, in a batch of the same size: the last bits depend on that."""
    from zeroshift.presets import build_method
    from zeroshift.request import Request
    from zeroshift.translate import generate

    facts = recipe.facts
    if facts["command"] == "generate":
        prompts = [facts["prompt"]] * recipe.rows
        scale = facts["guidance_scale"]
        return generate(editor.backbone, prompts, seed=facts["seed"], steps=facts["steps"], guidance_scale=scale)
    prompt = None if is_prompt(facts["source"]) else facts["source_prompt"]
    task = make_task(facts["source"], facts["target"], prompt, direction)
    request = Request(task, build_method(facts["method"], facts["options"]))
    if source is None:
        return editor.run_generated([request], seed=facts["seed"])
    return editor.run([source] * recipe.rows, [request], seed=facts["seed"], fit=facts["fit"])
