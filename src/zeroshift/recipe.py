"""Recipes: what a picture was made by, as data that is written into its file and read back."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema

from zeroshift.faults import plain
from zeroshift.image import Fit
from zeroshift.image.framing import MOST_SIZE
from zeroshift.image.masks import MOST_SOFT
from zeroshift.sentences import printable

MOST_ROWS = 64
"""pictures that run together at most: a stranger's recipe asks for no more memory than this"""
STUDENT = "student"
"""the method of a picture that a distilled network made"""
Text: TypeAlias = Annotated[str, Field(max_length=10_000)]


def _file_name(name: object) -> str:
    """A name of any bytes: of those that are no UTF-8 pydantic's texts have none."""
    if not isinstance(name, str) or len(name) > 10_000:
        raise ValueError("it is no name of a file")
    return name


FileName: TypeAlias = Annotated[
    str, PlainValidator(_file_name), WithJsonSchema({"type": "string", "maxLength": 10_000})
]
Hash: TypeAlias = Annotated[str, Field(max_length=64)]
Pixel: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]


class ModelOfRecipe(BaseModel):
    """The model that a picture was made with."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: Text
    """the last part of a folder's name, a hub id, or "shipped" """
    sha256: Hash
    """of weights and configuration"""
    revision: Text | None = None
    """of the hub"""
    clip: Text | None = None
    """name of a separate CLIP, if there was one"""
    loras: tuple[Text, ...] = ()
    """names and weights of the LoRAs that were added to it"""


class _Made(BaseModel):
    """What every recipe says. A value that was not set is not written; what a reader does not know is kept."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    zeroshift: Text
    """version"""
    model: ModelOfRecipe
    versions: dict[str, Text]
    """of the libraries that the bits depend on"""
    threads: Annotated[int, Field(ge=1, le=1024)]
    """CPU threads"""
    device: Annotated[str, Field(pattern="^[a-z]{1,16}$")]
    """as torch calls it"""
    machine: Text | None = None
    """name of the GPU, or the widest instructions of the CPU: last bits depend on that"""
    precision: Literal["fp32", "fp16", "bf16", "fp64"]
    compiled: bool = False
    """whether parts of the UNet were compiled"""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    rows: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 1
    """pictures that ran together: the last bits depend on that"""
    row: Annotated[int, Field(ge=0, lt=MOST_ROWS)] = 0
    """which of them this is"""
    tile: Annotated[int, Field(ge=1, le=65536)] | None = None
    """side in pixels of the tiles that passed the VAE, where memory was saved and the picture is larger"""
    restorer_sha256: Hash | None = None
    """of the network that redrew what the model drew; none: it stays as it was drawn"""
    native: bool = False
    """whether the picture has the model's own size"""
    exif: bool = False
    """whether the file has what the camera wrote into the photograph"""

    def written(self) -> dict[str, object]:
        """What goes into the file."""
        return self.model_dump(mode="json", exclude_unset=True)


class EditRecipe(_Made):
    """The recipe of an edited picture."""

    command: Literal["edit"] = "edit"
    method: Text
    options: dict[str, object]
    """of the method, all of them"""
    source: Text
    target: Text
    source_prompt: Text
    target_prompt: Text
    caption: Text | None = None
    """what the model's captioner said of the photograph, where it was asked"""
    direction_sha256: Hash | None = None
    """of the edit direction, if the edit goes along one"""
    direction_path: FileName | None = None
    """of the file that it was read from, as seen from the picture's folder"""
    vgg_sha256: Hash | None = None
    """of VGG16's weights, if the edit looked at them"""
    fit: Fit | None = None
    """how the photograph met the model's frame"""
    region: tuple[Pixel, Pixel, Pixel, Pixel] | None = None
    """the part of the photograph that was edited, where that was not all: left, top, right, bottom in pixels"""
    size: Annotated[int, Field(ge=16, le=MOST_SIZE)] | None = None
    """side in pixels of the square whose pixels the model's frame had, where that was not the model's own"""
    mask: Literal["auto", "grown", "alpha", "given"] | None = None
    """what says which part of the photograph changes: where the subject is (``grown``: in the result, too), its alpha,
    or a picture; none: all of it may"""
    mask_sha256: Hash | None = None
    """of the picture that says it"""
    segmenter_sha256: Hash | None = None
    """of the network that had a part in finding the mask ``auto`` or ``grown``; none: the words alone did"""
    mask_path: FileName | None = None
    """of its file, as seen from the picture's folder"""
    soft: Annotated[int, Field(ge=0, le=MOST_SOFT)] | None = None
    """pixels over which the edit fades in, where that was said"""
    detail: Annotated[float, Field(ge=0, le=1)] = 0.0
    """how much of the photograph's own detail was given back where nothing changed"""
    drift: dict[str, object] | None = None
    """how the edit differs from the photograph, inside and outside of where it was made, and how far it moved"""
    source_sha256: Hash | None = None
    """of the photograph; none where the model generated the source"""
    source_path: FileName = "source"
    """of the photograph, as seen from the picture's folder"""
    inversion_sha256: Hash | None = None
    """of the photograph's inversion"""

    @property
    def method_options(self) -> dict[str, object]:
        """The options without the path of VGG16's weights, which version 0.1 had among those of an extra."""
        extras = self.options.get("extras")
        if not isinstance(extras, list):
            return self.options
        kept = [{k: v for k, v in e.items() if k != "vgg"} if isinstance(e, dict) else e for e in extras]
        return {**self.options, "extras": kept}

    @property
    def needs_vgg(self) -> bool:
        """Whether the edit looked at VGG16's features."""
        extras = self.options.get("extras")
        named = isinstance(extras, list) and any(isinstance(e, dict) and e.get("vgg") is not None for e in extras)
        return named or self.vgg_sha256 is not None


class GenerateRecipe(_Made):
    """The recipe of a picture that was generated from a prompt."""

    command: Literal["generate"] = "generate"
    prompt: Text
    steps: Annotated[int, Field(ge=1, le=999)]
    guidance_scale: Annotated[float, Field(ge=1, le=50)]


Recipe: TypeAlias = EditRecipe | GenerateRecipe
RECIPE: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="command")])


def parse_recipe(written: Mapping[str, object], name: str = "The picture") -> Recipe:
    """Read a recipe as ``image.read_recipe`` finds it in a file; ``name`` is what errors call that.

    Raises:
        ValueError: it is damaged, or of something that cannot be made again.
    """
    command = written.get("command")
    if command not in ("edit", "generate"):
        raise ValueError(f"{name} is no edited or generated picture but a {printable(str(command))}; redo the edit.")
    try:
        recipe = RECIPE.validate_python(dict(written))
    except ValidationError as error:
        why = printable(plain(error, skipped=1))  # of the two kinds of recipes
        raise ValueError(f"The recipe in {name} is damaged ({why}); edit anew.") from error
    if recipe.row >= recipe.rows:
        raise ValueError(f"The recipe in {name} is damaged (row {recipe.row} of {recipe.rows}); edit anew.")
    return recipe


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a written recipe."""
    return RECIPE.json_schema()


def check_rows(rows: int) -> None:
    """Refuse a run of more pictures than a recipe may have.

    Raises:
        ValueError: there are more.
    """
    if rows > MOST_ROWS:
        raise ValueError(f"At most {MOST_ROWS} pictures run together, and these are {rows}; take several runs.")
