"""What is asked of an edit, as data: the same in Python, on the command line, in a request body, in a manifest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
)

from zeroshift.asked.checks import at, check_directed, check_mask, check_region, check_run, check_soft, check_source
from zeroshift.asked.data import (
    AnyDirection,
    Data,
    DirectionOfSentences,
    DirectionOfWords,
    GivenMask,
    Options,
    Prompt,
    SavedDirection,
    Seed,
)
from zeroshift.asked.request import Request
from zeroshift.captioning import Nearing, Rating, Scope, Varying, Vocabulary
from zeroshift.conditioning.direction import Direction, direction_of_words, make_direction
from zeroshift.conditioning.direction import doubts as doubts_of_direction
from zeroshift.conditioning.task import Task, check_target, complete_source, make_task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.image import Fit, Photo
from zeroshift.image.framing import MOST_SIZE, WHOLE_BOX, Within
from zeroshift.image.masks import MOST_SOFT, Said
from zeroshift.methods import METHODS, TRIES, USUAL, Method, by_name
from zeroshift.methods.idle import check_idle, check_vgg
from zeroshift.model import Model
from zeroshift.options.errors import OptionError, option_error
from zeroshift.options.fields import fields_of
from zeroshift.options.schema import with_options
from zeroshift.presets import build_method, faster
from zeroshift.restoring import restorer_for
from zeroshift.sentences import contains_word, template_sentences
from zeroshift.words import DoubtfulWords

WHOLE_PROMPTS = (
    "Sentences are made about words, and these are whole prompts: the edit goes along the difference of the two; give "
    "the words that differ as source and target, and the sentence as `prompt`."
)
"""what is said where sentences were asked for and play no part"""
NOT_RESTORED = "`restore` does nothing: the model has no restorer, or none that knows what the edit shows."
"""what is said where it was asked for and plays no part"""
NO_DIRECTION = "Sentences are for a method that goes along an edit direction, such as pix2pix-zero; this one has none."
"""the same of a method that goes along no direction"""
NOT_THERE = "The edit direction {} is not there; pass it beside what is asked for."


class EditSpec(Data):
    """One edit of any picture. It names no file and holds no tensor, and its JSON is read back as the same."""

    called: ClassVar[str] = "an edit"

    target: Prompt
    """what the picture shall show: a word that takes the source's place, or a whole prompt"""
    source: Prompt | None = None
    """what it shows: a word of ``prompt``, or a whole prompt; by default the model's captioner says it"""
    prompt: Prompt | None = None
    """the picture in words, with the word ``source`` among them; default "a photo of a SOURCE" """
    method: str = USUAL
    options: Options = {}
    """nested options of the method, as in {"steps": 20, "control": {"lambda_xa": 0.1}}"""
    paper_defaults: StrictBool = False
    """whether what the model recommends is left out"""
    second_try: StrictBool = True
    """whether other ways are tried where the target is not clear to the model in what the default method made of the
    subject without ``options``, or does not look good to it: also kinds of the target, such as breeds; the best result
    is taken"""
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
    """where the picture may change, inside the part that is edited: "auto" is where the subject is, "grown" there and
    where the result has grown beyond that, and all of ears that stand out of the part, "alpha" where it is transparent,
    "none" all of it; all else keeps its pixels. By default "grown" where the model finds the part"""
    soft: Annotated[StrictInt, Field(ge=0, le=MOST_SOFT)] | None = None
    """pixels over which the edit fades in, inside the mask; by default 1/60 of the shorter side"""
    detail: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.0
    """how much of the photograph's own detail is given back where the edit changes nothing"""
    restore: StrictBool | None = None
    """whether the model's restorer redraws what the model drew, if it knows the target; by default where the mask is
    ``grown``, and what is generated"""
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
            raise option_error(cls.called, cls, error) from error

    def check(
        self,
        *,
        photograph: bool = True,
        inverted: bool = True,
        directed: bool = False,
        vgg: bool | None = None,
        by: Method | None = None,
    ) -> None:
        """Refuse all that can be refused before a model is loaded.

        Args:
            photograph: whether a photograph is edited, not a picture that the model generates.
            inverted: whether the photograph is inverted in this run; False where it comes with a saved inversion.
            directed: whether an edit direction is passed beside this.
            vgg: whether there are VGG16's weights for this edit; None where that is not known yet.
            by: a method that takes the place of the named one and its options.

        Raises:
            OptionError: a word, an option or a value makes no sense, or an option would do nothing; paths begin at
                this.
        """
        with at("target"):
            check_target(self.target)
        check_source(self, photograph)
        if self.region is not None:
            check_region(self.region)
        check_mask(self, photograph)
        with at("method"):
            by_name(self.method)
        with at("options"):
            method = self.bare_method
            check_idle(method, self.options)
            if vgg is not None:
                check_vgg(method, vgg)
        check_run(self, method, photograph, inverted)
        if directed or self.direction is not None:
            check_directed({} if by else self.options, by or method)
        if isinstance(self.direction, SavedDirection) and not directed:
            raise OptionError(NOT_THERE.format(self.direction.sha256[:12]), ("direction",))
        if self.source is not None:  # a part that speaks of words looks whether they stand in the prompts
            with at("source" if self.prompt is None else "prompt"):
                complete_source(self.source, self.prompt)
            with at("target"):
                task = make_task(self.source, self.target, self.prompt)
            with at("options"):
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

    def changes_all(self, vocabulary: Vocabulary) -> bool:
        """Whether the target is a matter of the whole picture, such as a style, to those who know its words."""
        return isinstance(vocabulary, Scope) and vocabulary.changes_all(self.source_prompt, self.target)

    def within(self, vocabulary: Vocabulary) -> Within:
        """What is edited of the part that is found around the subject."""
        return vocabulary.within(self.target) if isinstance(vocabulary, Nearing) else WHOLE_BOX

    def built(self, editor: Model) -> Method:
        """The named method with ``editor``'s presets and the options.

        Raises:
            ValueError: an option or a value makes no sense, or would do nothing.
        """
        whole = self.changes_all(editor.vocabulary)
        return editor.method(self.method, self.options, self.paper_defaults, self.fast, whole)

    def looks(self, editor: Model) -> int:
        """How often words say where a photograph may change: 0; 1, before the edit; or 2, when there is a result, too.

        That is as the mask asks for, else 2 where the model finds the subject.
        """
        if self.mask is not None:
            return {"auto": 1, "grown": 2}.get(str(self.mask), 0)
        found = editor.finder is not None and self.fit is None and self.region in (None, "auto")
        return 2 if found and (self.region == "auto" or not self.changes_all(editor.vocabulary)) else 0

    def restores(self, editor: Model) -> bool:
        """Whether a photograph's edit is redrawn by the model's restorer, if that knows what it shows."""
        return self.looks(editor) > 1 if self.restore is None else self.restore

    def tries(self, editor: Model) -> tuple[Method, ...]:
        """What is tried where the target is not clear in a result of the default method."""
        chosen = self.options or self.paper_defaults or self.direction is not None
        if not self.second_try or chosen or self.method != USUAL or not isinstance(editor.judge, Rating):
            return ()
        tried = TRIES if self.looks(editor) == 2 else ()
        return tuple(editor.method(name, options, fast=self.fast) for name, options in tried)

    def kinds(self, vocabulary: Vocabulary, caption: str | None = None) -> tuple[Task, ...]:
        """Edits into kinds of the target but the source's, of a picture with this ``caption`` where none is given."""
        shown = (caption or "") if self.source is None else f"{self.source} {self.prompt or ''}"
        known = vocabulary.kinds(self.target) if isinstance(vocabulary, Varying) else ()
        others = [kind for kind in known if not contains_word(shown, kind)]
        tasks = [self.model_copy(update={"target": kind}).task(vocabulary, caption) for kind in others]
        source = self.task(vocabulary, caption).source_prompt  # they share its inversion
        return tuple(task for task in tasks if task.source_prompt == source)

    @property
    def source_prompt(self) -> str | None:
        """The source in a whole sentence; None where none is named."""
        return None if self.source is None else complete_source(self.source, self.prompt)

    def task(self, vocabulary: Vocabulary, caption: str | None = None) -> Task:
        """The edit in words; of a picture with this ``caption`` where no source is given.

        Raises:
            ValueError: a word makes no sense, or there is neither source nor caption.
        """
        check_source(self, caption is not None)
        if self.source is None:
            return vocabulary.retarget(caption or "", self.target)
        return make_task(self.source, self.target, self.prompt)

    def resolve(
        self,
        editor: Model,
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
        looks = self.looks(editor) if photograph else 0
        check_soft(self, looks > 0 or self.mask is not None)
        # the weaker an edit, the nearer to the photograph: what the model loses of it is given back as far
        detail = max(self.detail, 1 - by.strength) if photograph and 0 < by.strength < 1 else self.detail
        restored = self.restores(editor) if photograph else self.restore is not False
        request = Request(
            replace(task, direction=along),
            by,
            auto_mask=looks > 0,
            grown=looks > 1,
            detail=detail,
            restored=restored,
            soft=self.soft,
        )
        if photograph and method is None and along is None:
            tries = self.tries(editor)
            again = self.within(editor.vocabulary).again
            judged = tries and editor.critic is not None and editor.critic.knows(task.target_prompt)
            kinds = self.kinds(editor.vocabulary, caption) if judged else ()
            request = replace(request, tries=tries, kinds=kinds, nearer=again) if tries else request
        seen = (caption or "") if self.source is None else ""
        doubts = editor.doubts(request.texts, [*request.sentences, *self.given_sentences], seen)
        if self.restore and restorer_for(editor.restorer, task.target_prompt, restored) is None:
            doubts = (*doubts, NOT_RESTORED)
        if along is not None:
            doubts = (*doubts, *doubts_of_direction(along, editor.backbone, task.source, task.target))
        elif editor.directions is not None and task.words is None and "sentences" in fields_of(type(by.conditioning)):
            doubts = (*doubts, WHOLE_PROMPTS)
        elif editor.directions is not None and "sentences" not in fields_of(type(by.conditioning)):
            doubts = (*doubts, NO_DIRECTION)
        if doubts and self.strict:
            raise DoubtfulWords(" ".join(doubts))
        whole = self.changes_all(editor.vocabulary)
        return replace(request, whole=whole, doubts=doubts, unknown=editor.unknown(request.texts, seen))

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
                raise ValueError(NOT_THERE.format(sha256[:12]))
            case DirectionOfWords(source_word=source, target_word=target, count=count) if given is None:
                return direction_of_words(backbone, source, target, count)
            case DirectionOfSentences(source_sentences=source, target_sentences=target) if given is None:
                return make_direction(backbone, source, target, ("source", "target"), "sentences")
        return given


def spec_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of an ``EditSpec``, with the options of each method; ``check`` refuses what that cannot."""
    usual, methods = EditSpec.model_fields["method"].default, {method.name: method for method in METHODS}
    return with_options(EditSpec.model_json_schema(), methods, by="method", under="options", usual=usual)
