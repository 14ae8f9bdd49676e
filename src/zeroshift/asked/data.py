"""The types of what is asked of an edit: words, options, edit directions and masks, as data."""

from typing import Annotated, ClassVar, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StrictInt, ValidationError
from pydantic_core import to_jsonable_python

from zeroshift.options.errors import option_error

MOST_SENTENCES = 10_000
"""of one set that an edit direction is made of"""
Options: TypeAlias = Annotated[dict[str, JsonValue], BeforeValidator(to_jsonable_python)]
Seed: TypeAlias = Annotated[StrictInt, Field(ge=0, lt=2**63)]
Prompt: TypeAlias = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
"""longer than any text encoder reads; no control characters but tab and line feed"""
Words: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
Sentences: TypeAlias = Annotated[tuple[Words, ...], Field(min_length=1, max_length=MOST_SENTENCES)]


class Data(BaseModel):
    """Data that nobody changes, with no fields but its own.

    Raises:
        OptionError: made with a value that is missing, unknown or out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    called: ClassVar[str] = "it"
    """what sentences call it"""

    def __init__(self, /, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise option_error(self.called, type(self), error) from error

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # so that reading data does not call it


class DirectionOfWords(Data):
    """An edit direction from one word to another, each in template sentences."""

    called: ClassVar[str] = "a direction"

    source_word: Words
    target_word: Words
    count: Annotated[StrictInt, Field(ge=1, le=2000)] = 1000
    """template sentences per word"""


class DirectionOfSentences(Data):
    """An edit direction from one set of sentences to another."""

    called: ClassVar[str] = "a direction"

    source_sentences: Sentences
    target_sentences: Sentences


class SavedDirection(Data):
    """An edit direction that exists already; its values are passed beside the data."""

    called: ClassVar[str] = "a saved direction"

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """of its values, ``Direction.sha256``"""


class GivenMask(Data):
    """A mask that exists already; its picture is passed beside the data."""

    called: ClassVar[str] = "a given mask"

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """of its file or pixels, ``Photo.sha256``"""


AnyDirection: TypeAlias = DirectionOfWords | DirectionOfSentences | SavedDirection
