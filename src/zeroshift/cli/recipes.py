"""A recipe read back: what it was made from, and the run that makes it again."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from zeroshift.backbones.checkpoint import Device, Precision
from zeroshift.cli.shared import ModelFlags
from zeroshift.cli.wrong import Wrong
from zeroshift.conditioning.task import is_prompt, make_task
from zeroshift.diffusion.backbone import Identity
from zeroshift.image import Fit, load_image, read_recipe

if TYPE_CHECKING:
    from zeroshift.conditioning.direction import Direction
    from zeroshift.control.perceptual import Vgg
    from zeroshift.editor import Editor
    from zeroshift.translate import Progress

OWN = ("source_path", "direction_path", "native", "rows", "row", "caption")
"""what the command line adds to a recipe, kept as it is"""


class MadeBy(BaseModel):
    """The model of a recipe."""

    name: str
    sha256: str
    revision: str | None
    clip: str | None = None
    """of a separate CLIP, if there was one"""


class Facts(BaseModel):
    """What every recipe that can be followed again says."""

    model_config = ConfigDict(frozen=True)

    model: MadeBy
    zeroshift: str
    versions: dict[str, str]
    threads: Annotated[int, Field(ge=1, le=4096)]
    device: Device
    precision: Precision
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    rows: Annotated[int, Field(ge=1)] = 1
    """pictures of the batch"""
    row: Annotated[int, Field(ge=0)] = 0
    """which of them this was"""
    native: bool = False
    source_sha256: str | None = None
    """of the photograph, if there was one"""
    source_path: Path = Path("source")
    direction_path: Path | None = None


class EditFacts(Facts):
    """The recipe of an edit."""

    command: Literal["edit"]
    method: str
    options: dict[str, object]
    source: str
    target: str
    source_prompt: str
    direction_sha256: str | None = None
    vgg_sha256: str | None = None
    fit: Fit | None = None


class GenerateFacts(Facts):
    """The recipe of a generated picture."""

    command: Literal["generate"]
    prompt: str
    steps: Annotated[int, Field(ge=1, le=999)]
    guidance_scale: Annotated[float, Field(ge=1, le=50)]


def vgg_in(options: Mapping[str, object]) -> bool:
    """Tell whether options of version 0.1 name a file of VGG16's weights."""
    extras = options.get("extras")
    return isinstance(extras, list) and any(isinstance(e, dict) and e.get("vgg") is not None for e in extras)


def without_vgg(options: Mapping[str, object]) -> dict[str, object]:
    """Leave out that file, which version 0.1 had among the options of an extra."""
    extras = options.get("extras")
    if not isinstance(extras, list):
        return dict(options)
    kept = [{k: v for k, v in e.items() if k != "vgg"} if isinstance(e, dict) else e for e in extras]
    return {**options, "extras": kept}


READER: TypeAdapter[EditFacts | GenerateFacts] = TypeAdapter(
    Annotated[EditFacts | GenerateFacts, Field(discriminator="command")]
)


@dataclass(frozen=True)
class Recipe:
    """The recipe of a picture."""

    facts: EditFacts | GenerateFacts
    written: Mapping[str, object]
    """the same as it lies in the file"""
    name: str
    """the file's"""

    @staticmethod
    def read(edited: Path) -> "Recipe":
        """Read the recipe in a file.

        Raises:
            ValueError: it has none, it is damaged, or it is of something that cannot be made again.
        """
        written = read_recipe(edited)
        command = written.get("command")
        if command not in ("edit", "generate"):
            raise ValueError(f"{edited} is no edited or generated picture but a {command}; redo the edit.")
        try:
            facts = READER.validate_python(written)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"][1:])
            raise ValueError(f"The recipe in {edited} is damaged ({where}: {first['msg']}); edit anew.") from error
        if facts.row >= facts.rows:
            raise ValueError(f"The recipe in {edited} is damaged (row {facts.row} of {facts.rows}); edit anew.")
        return Recipe(facts, written, str(edited))

    def model_flags(self, model: str | None, clip: str | None, cache_dir: Path | None) -> ModelFlags:
        """Return which model to load where.

        Raises:
            ValueError: it was a folder, and the recipe does not know where that is.
        """
        made_by = self.facts.model
        name = model or self._findable("model", None if made_by.name == "shipped" else made_by.name)
        return ModelFlags(
            model=name,
            clip=clip or self._findable("clip", made_by.clip),
            revision=None if name is None or Path(name).is_dir() else made_by.revision,
            cache_dir=cache_dir,
            device=self.facts.device,
            precision=self.facts.precision,
            threads=self.facts.threads,
        )

    def _findable(self, kind: str, name: str | None) -> str | None:
        if name is not None and "/" not in name and not Path(name).is_dir():
            raise ValueError(f"{self.name} was made with the {kind} {name}, a folder; say where that is with --{kind}.")
        return name

    def check_model(self, identity: Identity) -> None:
        """Refuse another model.

        Raises:
            ValueError: its weights or configuration differ.
        """
        wanted = self.facts.model
        if identity.sha256 != wanted.sha256:
            raise ValueError(
                f"{self.name} was made with another model ({wanted.name}, {wanted.sha256[:12]}) than "
                f"{identity.name} ({identity.sha256[:12]}); name the right one with --model."
            )

    def check_vgg(self, vgg: Path | None) -> None:
        """Refuse weights of VGG16 in vain, and an edit that needs some without.

        Raises:
            Wrong: they are given in vain.
            ValueError: they are missing.
        """
        needed = isinstance(self.facts, EditFacts) and (self.facts.vgg_sha256 or vgg_in(self.facts.options))
        if needed and vgg is None:
            raise ValueError(f"{self.name} was made with weights of VGG16; say where those are with --vgg.")
        if vgg is not None and not needed:
            raise Wrong(f"{self.name} was made without weights of VGG16, so --vgg means nothing to it; leave that out.")

    def check_weights(self, vgg: "Vgg | None") -> None:
        """Refuse other weights of VGG16.

        Raises:
            ValueError: these are.
        """
        wanted = self.facts.vgg_sha256 if isinstance(self.facts, EditFacts) else None
        if vgg is not None and wanted is not None and vgg.sha256 != wanted:
            raise ValueError(f"{self.name} was made with other weights of VGG16; give those with --vgg.")

    def with_own(self, recipe: dict[str, object]) -> dict[str, object]:
        """Return a new recipe with what the command line had added to this one and the model's name in it."""
        return {**recipe, **{name: self.written[name] for name in (*OWN, "model") if name in self.written}}

    def why_different(self, made: Mapping[str, object]) -> str:
        """Say why the bytes may differ; ``made`` is the recipe of the picture made anew."""
        changed = [
            f"{name} {old} then, {version(name)} now"
            for name, old in {**self.facts.versions, "zeroshift": self.facts.zeroshift}.items()
            if version(name) != old
        ]
        if made.get("inversion_sha256") != self.written.get("inversion_sha256"):
            changed.append("another inversion")
        return f"its bytes differ: {', '.join(changed) or 'another format, machine or file'}"


def original(recipe: Recipe, edited: Path, image: Path | None) -> Path | None:
    """Find the photograph, if there was one: ``image``, or where the recipe says, beside ``edited``, or here.

    Raises:
        Wrong: one is given in vain.
        ValueError: there is no picture of the recipe's hash.
    """
    stored, wanted = recipe.facts.source_path, recipe.facts.source_sha256
    if wanted is None:
        if image is not None:
            raise Wrong(f"{edited} was made without a photograph, so --image means nothing to it; leave that out.")
        return None
    places = [image] if image else [edited.parent / stored, edited.parent / stored.name, Path(stored.name)]
    there = [place for place in places if place.is_file()]
    for place in there:
        if hashlib.sha256(place.read_bytes()).hexdigest() == wanted:
            return place
    if there:
        raise ValueError(f"{there[0]} is not the picture that {edited} was made from; give that with --image.")
    raise ValueError(f"{image or stored.name}, from which {edited} was made, is not there; give it with --image.")


def saved_direction(recipe: Recipe, edited: Path, direction: Path | None) -> "tuple[Path | None, Direction | None]":
    """Find and read the saved edit direction, if the recipe has one.

    Raises:
        Wrong: one is given in vain.
        ValueError: it is not there, or is another one.
    """
    facts = recipe.facts
    if not isinstance(facts, EditFacts) or facts.direction_path is None:
        if direction is not None:
            raise Wrong(f"{edited} was made without a saved direction, so --direction means nothing to it.")
        return None, None
    from zeroshift.conditioning.direction import load_direction

    place = direction or edited.parent / facts.direction_path
    found = load_direction(place)
    if found.sha256 != facts.direction_sha256:
        raise ValueError(f"{place} is not the edit direction that {edited} was made with; give that with --direction.")
    return place, found


def steps_of(
    recipe: Recipe, editor: "Editor", image: Path | None, direction: "Direction | None"
) -> "Iterator[Progress]":
    """Return the run that makes the picture again, in a batch of the same size: the last bits depend on that."""
    from zeroshift.presets import build_method
    from zeroshift.request import Request
    from zeroshift.translate import generate

    facts = recipe.facts
    if isinstance(facts, GenerateFacts):
        prompts, scale = [facts.prompt] * facts.rows, facts.guidance_scale
        return generate(
            editor.backbone, prompts, seeds=[facts.seed] * facts.rows, steps=facts.steps, guidance_scale=scale
        )
    prompt = None if is_prompt(facts.source) else facts.source_prompt
    task = make_task(facts.source, facts.target, prompt, direction)
    request = Request(task, build_method(facts.method, without_vgg(facts.options)))
    if image is None:
        return editor.run_generated([request], seed=facts.seed)
    source = load_image(image, max_megapixels=float("inf"))
    return editor.run([source] * facts.rows, [request], seed=facts.seed, fit=facts.fit)
