"""What is asked of an edit, as data: the same in Python, on the command line, in a request body, in a manifest."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
)
from pydantic_core import to_jsonable_python

from zeroshift.captioning import Scope, Vocabulary
from zeroshift.conditioning.direction import Direction, direction_of_words, make_direction
from zeroshift.conditioning.direction import doubts as doubts_of_direction
from zeroshift.conditioning.task import Task, check_target, complete_source, make_task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.frames import Told
from zeroshift.image import Fit, ImageError, Photo
from zeroshift.image.framing import MOST_SIZE
from zeroshift.image.masks import MOST_SOFT, Said
from zeroshift.image.regions import Region
from zeroshift.methods import METHODS, Method, by_name
from zeroshift.methods.idle import check_idle, check_vgg, chosen, default_part, part_of
from zeroshift.options.errors import OptionError, option_error
from zeroshift.options.fields import fields_of
from zeroshift.options.schema import with_options
from zeroshift.presets import build_method, faster
from zeroshift.request import Request
from zeroshift.sentences import template_sentences
from zeroshift.words import DoubtfulWords

if TYPE_CHECKING:
    from zeroshift.editor import Editor

MOST_SENTENCES = 10_000
"""of one set that an edit direction is made of"""
WHOLE_PROMPTS = (
    "Sentences are made about words, and these are whole prompts: the edit goes along the difference of the two; give "
    "the words that differ as source and target, and the sentence as `prompt`."
)
"""what is said where sentences were asked for and play no part"""
Options: TypeAlias = Annotated[dict[str, JsonValue], BeforeValidator(to_jsonable_python)]
Seed: TypeAlias = Annotated[StrictInt, Field(ge=0, lt=2**63)]
Prompt: TypeAlias = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
"""longer than any text encoder reads; no control characters but tab and line feed"""
Words: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
Sentences: TypeAlias = Annotated[tuple[Words, ...], Field(min_length=1, max_length=MOST_SENTENCES)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DirectionOfWords(_Data):
    """An edit direction from one word to another, each in template sentences."""

    source_word: Words
    target_word: Words
    count: Annotated[StrictInt, Field(ge=1, le=2000)] = 1000
    """template sentences per word"""


class DirectionOfSentences(_Data):
    """An edit direction from one set of sentences to another."""

    source_sentences: Sentences
    target_sentences: Sentences


class SavedDirection(_Data):
    """An edit direction that exists already; its values are passed beside the data."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """of its values, ``Direction.sha256``"""


class GivenMask(_Data):
    """A mask that exists already; its picture is passed beside the data."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """of its file or pixels, ``Photo.sha256``"""


AnyDirection: TypeAlias = DirectionOfWords | DirectionOfSentences | SavedDirection


class EditSpec(_Data):
    """One edit of any picture. It names no file and holds no tensor, and its JSON is read back as the same."""

    target: Prompt
    """what the picture shall show: a word that takes the source's place, or a whole prompt"""
    source: Prompt | None = None
    """what it shows: a word of ``prompt``, or a whole prompt; by default the model's captioner says it"""
    prompt: Prompt | None = None
    """the picture in words, with the word ``source`` among them; default "a photo of a SOURCE" """
    method: str = "pix2pix-zero"
    options: Options = {}
    """nested options of the method, as in {"steps": 20, "control": {"lambda_xa": 0.1}}"""
    paper_defaults: StrictBool = False
    """whether what the model recommends is left out"""
    fast: StrictBool = False
    """whether fewer passes of the network are made, by what is known of the method; ``options`` go before it"""
    seed: Seed = 0
    """seed of everything random"""
    fit: Fit | None = None
    """how the picture meets the model's frame; by default the model's way"""
    region: Annotated[str, Field(max_length=100)] | None = None
    """the part that is edited: "X,Y,W,H" in pixels or percent of the picture, "auto" (where the subject is) or "none"
    (all of it); by default what suits the model and the words"""
    size: Annotated[StrictInt, Field(ge=16, le=MOST_SIZE)] | None = None
    """side in pixels of the square whose pixels the model's frame has; by default the model's own size, and of a whole
    picture that a small model edits up to twice that"""
    mask: Said | GivenMask | None = None
    """where the picture may change, inside the part that is edited: "auto" is where the words look, "alpha" where it is
    transparent, "none" all of it; all else keeps its pixels. By default "auto" where the model finds the part"""
    soft: Annotated[StrictInt, Field(ge=0, le=MOST_SOFT)] | None = None
    """pixels over which the edit fades in, inside the mask; by default 1/60 of the shorter side"""
    detail: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.0
    """how much of the photograph's own detail is given back where the edit changes nothing"""
    direction: AnyDirection | None = None
    """what to use instead of a direction made of ``source`` and ``target``"""
    strict: StrictBool = False
    """whether words that the model does not know or does not see, in prompts that are too long, are refused"""

    @classmethod
    def parse(cls, data: Mapping[str, object] | str | bytes) -> Self:
        """Read what somebody asks for, as a mapping or as JSON.

        Raises:
            OptionError: a value is missing, unknown or out of range; its path begins at this.
        """
        try:
            return cls.model_validate_json(data) if isinstance(data, (str, bytes)) else cls.model_validate(data)
        except ValidationError as error:
            raise option_error("an edit", cls, error) from error

    def check(
        self, *, photograph: bool = True, inverted: bool = True, directed: bool = False, vgg: bool | None = None
    ) -> None:
        """Refuse all that can be refused before a model is loaded.

        Args:
            photograph: whether a photograph is edited, not a picture that the model generates.
            inverted: whether the photograph is inverted in this run; False where it comes with a saved inversion.
            directed: whether an edit direction is passed beside this.
            vgg: whether there are VGG16's weights for this edit; None where that is not known yet.

        Raises:
            OptionError: a word, an option or a value makes no sense, or an option would do nothing; paths begin at
                this.
        """
        with _at("target"):
            check_target(self.target)
        self._check_source(photograph)
        if self.region is not None:
            check_region(self.region)
        self._check_mask(photograph)
        with _at("method"):
            by_name(self.method)
        with _at("options"):
            method = self.bare_method
            check_idle(method, self.options)
            if vgg is not None:
                check_vgg(method, vgg)
        self._check_run(method, photograph, inverted)
        if directed or self.direction is not None:
            self._check_directed(method)
        if isinstance(self.direction, SavedDirection) and not directed:
            sentence = (
                f"The edit direction {self.direction.sha256[:12]} is not there; pass it beside what is asked for."
            )
            raise OptionError(sentence, ("direction",))
        if self.source is not None:  # a part that speaks of words looks whether they stand in the prompts
            with _at("source" if self.prompt is None else "prompt"):
                complete_source(self.source, self.prompt)
            with _at("target"):
                task = make_task(self.source, self.target, self.prompt)
            with _at("options"):
                Request(task, method)

    def given_mask(self, picture: Photo | None) -> Photo | None:
        """The picture of a ``GivenMask``; None where no such mask is asked for.

        Raises:
            OptionError: it is another one or missing, or is passed although nothing asks for it.
        """
        if not isinstance(self.mask, GivenMask):
            if picture is not None:
                raise OptionError("A mask is passed, and `mask` does not ask for it; leave one of them out.", ("mask",))
            return None
        if picture is None or picture.sha256 != self.mask.sha256:
            sentence = f"The mask {self.mask.sha256[:12]} is not there; pass it beside what is asked for."
            raise OptionError(sentence, ("mask",))
        return picture

    @property
    def bare_method(self) -> Method:
        """The method without a model's presets.

        Raises:
            ValueError: there is no such method, or an option is wrong.
        """
        return build_method(self.method, faster(self.method, {}) if self.fast else {}, self.options)

    def _check_source(self, photograph: bool) -> None:
        if self.source is None and self.prompt is not None:
            sentence = "`prompt` is a sentence with the word `source` in it; give both, or leave both out."
            raise OptionError(sentence, ("prompt",), self.prompt)
        if self.source is None and not photograph:
            sentence = "Without a photograph there is nothing to look at; say with `source` what shall be generated."
            raise OptionError(sentence, ("source",))

    def _check_mask(self, photograph: bool) -> None:
        if self.mask == "none":
            self._check_soft(masked=False)
        if self.detail and not photograph:
            sentence = "`detail` is a photograph's, and none is given; give one, or leave it out."
            raise OptionError(sentence, ("detail",), self.detail)
        if self.mask not in (None, "none") and not photograph:
            sentence = "`mask` says where a photograph changes, and none is given; give one, or leave it out."
            raise OptionError(sentence, ("mask",))

    def _check_soft(self, masked: bool) -> None:
        if self.soft is not None and not masked:
            raise OptionError("`soft` is how far an edit fades into a `mask`, and there is none.", ("soft",), self.soft)

    def _check_run(self, method: Method, photograph: bool, inverted: bool) -> None:
        usual = default_part(type(method), "inversion")
        if not photograph and "inversion" in self.options and method.inversion != usual:
            raise OptionError(
                "`inversion` and its options are for a photograph, and none is given; give one, or leave them out.",
                ("options", "inversion"),
            )
        if getattr(method.control, "maps_from", "") == "inversion" and not (photograph and inverted):
            raise OptionError(
                "`maps_from` inversion takes maps while a photograph is inverted, and none is in this run; give one "
                "without a saved inversion, or leave that out.",
                ("options", "control", "maps_from"),
                "inversion",
            )

    def _check_directed(self, method: Method) -> None:
        conditioning = method.conditioning
        if "sentences" not in fields_of(type(conditioning)):
            sentence = f"`direction` means nothing to `conditioning` {conditioning.kind}; leave one of them out."
            raise OptionError(sentence, ("direction",))
        if made := [name for name in ("words", "sentences") if name in chosen(method, self.options, "conditioning")]:
            idle = " and ".join(f"`{name}`" for name in made)
            sentence = f"{idle} say how a direction is made, and `direction` gives another; choose one."
            raise OptionError(sentence, ("options", "conditioning", made[0]))

    def changes_all(self, vocabulary: Vocabulary) -> bool:
        """Whether the target is a matter of the whole picture, such as a style, to those who know its words."""
        return isinstance(vocabulary, Scope) and vocabulary.changes_all(self.source_prompt, self.target)

    def built(self, editor: "Editor") -> Method:
        """The named method with ``editor``'s presets and the options.

        Raises:
            ValueError: an option or a value makes no sense, or would do nothing.
        """
        whole = self.changes_all(editor.vocabulary)
        return editor.method(self.method, self.options, self.paper_defaults, self.fast, whole)

    def masked_by_words(self, editor: "Editor") -> bool:
        """Whether words say where a photograph may change: as is asked for, else where the model finds the subject."""
        if self.mask is not None:
            return self.mask == "auto"
        found = editor.finder is not None and self.fit is None and self.region in (None, "auto")
        return found and (self.region == "auto" or not self.changes_all(editor.vocabulary))

    @property
    def source_prompt(self) -> str | None:
        """The source in a whole sentence; None where none is named."""
        return None if self.source is None else complete_source(self.source, self.prompt)

    def task(self, vocabulary: Vocabulary, caption: str | None = None) -> Task:
        """The edit in words; of a picture with this ``caption`` where no source is given.

        Raises:
            ValueError: a word makes no sense, or there is neither source nor caption.
        """
        self._check_source(photograph=caption is not None)
        if self.source is None:
            return vocabulary.retarget(caption or "", self.target)
        return make_task(self.source, self.target, self.prompt)

    def resolve(
        self,
        editor: "Editor",
        caption: str | None = None,
        direction: Direction | None = None,
        *,
        method: Method | None = None,
        photograph: bool = True,
    ) -> Request:
        """What ``editor`` is to do.

        Args:
            caption: what the picture shows; needed where no source is given.
            direction: one to use instead of a direction made of the words; the values of a ``SavedDirection``.
            method: one to take in place of the named one with the model's presets and the options.
            photograph: whether a photograph is edited, and not a picture that the model generates.

        Raises:
            DoubtfulWords: the model does not know or see all words, or the direction is of others, and this is
                ``strict``.
            ValueError: a word, an option or a value makes no sense, or the direction is another one.
        """
        along = self.made_direction(editor.backbone, direction)
        task = self.task(editor.vocabulary, caption)
        by = method or self.built(editor)
        if along is None and editor.directions is not None:
            along = by.conditioning.generated(task, editor.directions)
        looks = photograph and self.masked_by_words(editor)
        self._check_soft(masked=looks or self.mask is not None)
        # the weaker an edit, the nearer to the photograph: what the model loses of it is given back as far
        detail = max(self.detail, 1 - by.strength) if photograph and 0 < by.strength < 1 else self.detail
        request = Request(replace(task, direction=along), by, auto_mask=looks, soft=self.soft, detail=detail)
        seen = (caption or "") if self.source is None else ""
        doubts = editor.doubts(request.texts, [*request.sentences, *self.given_sentences], seen)
        if along is not None:
            doubts = (*doubts, *doubts_of_direction(along, editor.backbone, task.source, task.target))
        elif editor.directions is not None and task.words is None and "sentences" in fields_of(type(by.conditioning)):
            doubts = (*doubts, WHOLE_PROMPTS)
        if doubts and self.strict:
            raise DoubtfulWords(" ".join(doubts))
        return replace(request, doubts=doubts, unknown=editor.unknown(request.texts, seen))

    @property
    def given_sentences(self) -> list[str]:
        """The sentences of the edit direction that is asked for; none where it is saved or made of the words."""
        match self.direction:
            case DirectionOfWords(source_word=source, target_word=target, count=count):
                return [text for word in (source, target) for text in template_sentences(word, count)]
            case DirectionOfSentences(source_sentences=source, target_sentences=target):
                return [*source, *target]
        return []

    def made_direction(self, backbone: Backbone, given: Direction | None = None) -> Direction | None:
        """The edit direction to use instead of one made of the words; None if nothing else is asked for.

        One that is ``given`` goes before what is asked for.

        Raises:
            ValueError: a saved one is asked for, and given is another one or none.
        """
        match self.direction:
            case SavedDirection(sha256=sha256) if given is None or given.sha256 != sha256:
                raise ValueError(f"The edit direction {sha256[:12]} is not there; pass it beside what is asked for.")
            case DirectionOfWords(source_word=source, target_word=target, count=count) if given is None:
                return direction_of_words(backbone, source, target, count)
            case DirectionOfSentences(source_sentences=source, target_sentences=target) if given is None:
                return make_direction(backbone, source, target, ("source", "target"), "sentences")
        return given


@contextmanager
def _at(*before: str) -> Iterator[None]:
    """Lengthen the paths of wrong options, and say of what else is wrong that it stands here."""
    try:
        yield
    except OptionError as error:
        raise OptionError(str(error), (*before, *error.path), error.given, error.expected) from error
    except ValueError as error:
        raise OptionError(str(error), before) from error


def check_region(region: str) -> None:
    """Refuse what is no region.

    Raises:
        OptionError: it is none.
    """
    if region in get_args(Told):
        return
    try:
        Region.parse(region)
    except ImageError as error:
        raise OptionError(str(error), ("region",), region) from error


def spread(spec: EditSpec, strengths: Sequence[float]) -> list[EditSpec]:
    """The same edit at each of several strengths.

    Raises:
        ValueError: its conditioning has no strength, or the options have one already.
    """
    given = part_of(spec.options, "conditioning")
    if "strength" in given:
        sentence = "The options have a `strength`, and others are asked for; give one of them."
        raise OptionError(sentence, ("options", "conditioning", "strength"), given["strength"])
    with _at("method"):
        by_name(spec.method)
    with _at("options"):
        conditioning = spec.bare_method.conditioning
    if "strength" not in fields_of(type(conditioning)):
        sentence = f"`conditioning` {conditioning.kind} has no `strength`; leave it out."
        raise OptionError(sentence, ("options", "conditioning"))
    return [
        spec.model_copy(update={"options": {**spec.options, "conditioning": {**given, "strength": strength}}})
        for strength in strengths
    ]


def check_together(specs: Sequence[EditSpec], *, directed: bool = False) -> None:
    """Refuse edits that make no sense beside each other: an edit direction that is passed leads to one target.

    Raises:
        OptionError: it is passed for several targets.
    """
    targets = {spec.target for spec in specs}
    if directed and len(targets) > 1:
        sentence = f"`direction` leads to one target, and these are {len(targets)}; give one, or leave it out."
        raise OptionError(sentence, ("direction",))


def seeds_in_vain(specs: Sequence[EditSpec]) -> list[str]:
    """Sentences about methods among edits of photographs with several seeds that give the same with every one."""
    seeds = len({spec.seed for spec in specs})
    methods = {spec.method: spec.bare_method for spec in specs} if seeds > 1 else {}
    idle = [name for name, method in methods.items() if not method.inversion.seeded]
    return [f"{name} draws nothing at random: an edit of a photograph is the same with every seed." for name in idle]


def spec_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of an ``EditSpec``, with the options of each method; ``check`` refuses what that cannot."""
    usual, methods = EditSpec.model_fields["method"].default, {method.name: method for method in METHODS}
    return with_options(EditSpec.model_json_schema(), methods, by="method", under="options", usual=usual)
