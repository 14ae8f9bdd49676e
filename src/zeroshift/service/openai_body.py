"""What OpenAI's ``images.edit`` sends, and what it asks of this package."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from zeroshift.asked.checks import at
from zeroshift.asked.data import GivenMask, Prompt, SavedDirection
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.instructions import Instruction, read_instruction
from zeroshift.conditioning.direction import Direction
from zeroshift.image import Fit, Photo
from zeroshift.service.bodies import plain_json, validated
from zeroshift.service.pictures import Background, Output, OutputFormat, quality_of, size_of

Quality: TypeAlias = Literal["low", "medium", "high", "xhigh", "max", "auto", "standard"]
PICTURES = ("image", "images", "mask")
LOSSY = "A JPEG changes every pixel a little, also where nothing was edited; take png for an exact background."


class ImageEdit(BaseModel):
    """An edit as OpenAI's clients ask for it, and what this service takes beside."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    prompt: Prompt
    """what to do, "cat -> dog" or "make the cat a dog"; or what the picture shall show, "dog" or "a dog on a sofa" """
    model: Annotated[str, Field(max_length=200)] | None = None
    """one of those at /v1/models; by default the first"""
    n: Annotated[int, Field(ge=1, le=10)] = 1
    """pictures of each photograph, with one seed after another"""
    size: Annotated[str, Field(max_length=20)] = "auto"
    """of the result, WIDTHxHEIGHT: the photograph is cut to these proportions; auto is its own"""
    quality: Quality = "auto"
    """low takes fewer passes of the network, the others are as the model recommends"""
    output_format: OutputFormat = "png"
    output_compression: Annotated[int, Field(ge=0, le=100)] = 100
    """of JPEG and WebP: 100 is the best"""
    response_format: Literal["b64_json", "url"] = "b64_json"
    """url is an address of this service, for some minutes"""
    background: Background = "auto"
    """transparent and auto keep the alpha that a photograph has, opaque lays it over white"""
    input_fidelity: Literal["high", "low"] | None = None
    """high keeps all pixels outside of what is edited, low none; by default as suits the model and the words"""
    stream: bool = False
    """whether to answer with events while the edit is made"""
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0
    """unfinished pictures of each, in a stream"""
    source: Prompt | None = None
    """what the picture shows: a word, or a whole prompt; goes before what ``prompt`` says"""
    target: Prompt | None = None
    """what it shall show: a word, or a whole prompt; goes before what ``prompt`` says"""
    method: Annotated[str, Field(max_length=100)] | None = None
    """one of those at /v1/methods"""
    options: dict[str, Any] | None = None
    """nested options of the method, as in {"steps": 20}"""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """of the first picture"""
    fast: bool | None = None
    """fewer passes of the network"""
    region: Annotated[str, Field(max_length=100)] | None = None
    """the part that is edited: "X,Y,W,H" in pixels or percent, "auto" or "none" """
    fit: Fit | None = None
    """how the picture meets the model's frame"""
    soft: int | None = None
    """pixels over which the edit fades in, inside the mask"""
    detail: float | None = None
    """how much of the photograph's own detail is given back, 0 to 1"""
    restore: bool | None = None
    """whether the model's restorer redraws what the model drew; by default where the mask is ``grown``"""
    strict: bool | None = None
    """whether words that the model does not know are refused"""
    direction: Annotated[str, Field(max_length=200)] | None = None
    """name or hash of one of those at /v1/directions"""

    @property
    def output(self) -> Output:
        """How the pictures are written.

        Raises:
            Refusal: the size makes no sense.
        """
        quality = quality_of(self.output_format, self.output_compression)
        return Output(self.output_format, quality, self.background, size_of(self.size))

    @property
    def instruction(self) -> Instruction:
        """What is asked for in words.

        Raises:
            OptionError: the prompt is not understood.
        """
        if self.target is not None:
            return Instruction(self.target, self.source)
        with at("prompt"):
            said = read_instruction(self.prompt)
        return Instruction(said.target, said.source if self.source is None else self.source)

    def spec(self, mask: Photo | None, direction: Direction | None) -> EditSpec:
        """The edit as data.

        Raises:
            OptionError: something of it makes no sense.
        """
        said = self.instruction
        where: GivenMask | str | None = None if mask is None else GivenMask(sha256=mask.sha256)
        if mask is None and self.input_fidelity is not None:
            where = "auto" if self.input_fidelity == "high" else "none"
        given = {
            "target": said.target,
            "source": said.source,
            "method": self.method,
            "options": self.options,
            "seed": self.seed,
            "fast": self.quality == "low" if self.fast is None else self.fast,
            "region": self.region,
            "fit": self.fit,
            "soft": self.soft,
            "detail": self.detail,
            "restore": self.restore,
            "strict": self.strict,
            "mask": where,
            "direction": None if direction is None else SavedDirection(sha256=direction.sha256),
        }
        return EditSpec.parse({name: value for name, value in given.items() if value is not None})

    @property
    def warnings(self) -> list[str]:
        """What of the request has no effect, or not all that it may be thought to have."""
        said = [f"`{name}` is not known here and has no effect." for name in sorted(self.model_extra or {})]
        if self.target is not None and self.prompt.strip():
            said.append("`prompt` has no effect where `target` is given.")
        if self.partial_images and not self.stream:
            said.append("`partial_images` has no effect without `stream`.")
        if self.output_format == "png" and self.output_compression != 100:
            said.append("`output_compression` has no effect on png.")
        exact = self.output_format == "png" or (self.output_format == "webp" and self.output_compression == 100)
        if self.input_fidelity == "high" and not exact:
            said.append(LOSSY)
        return said


def image_edit(fields: Mapping[str, Any]) -> ImageEdit:
    """The fields of a body without its pictures; what is null is left out, as OpenAI has it.

    Raises:
        OptionError: one is missing or wrong.
    """
    plain = {name: value for name, value in fields.items() if name not in PICTURES and value is not None}
    if isinstance(text := plain.get("options"), str):
        plain["options"] = plain_json(text)
    return validated(ImageEdit, plain)
