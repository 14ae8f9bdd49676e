"""A wrong value of an option: the sentence says what was given and what there is to give, not how pydantic puts it."""

from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from zeroshift import EditSpec
from zeroshift.asked.data import DirectionOfWords, GivenMask
from zeroshift.cli.flags import Flag, flags_of, of_kind
from zeroshift.distillation.editing import StudentSpec
from zeroshift.methods import METHODS
from zeroshift.options.errors import OptionError, option_error
from zeroshift.options.fields import fields_of, limits
from zeroshift.options.parts import parts_of
from zeroshift.presets import build_method


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Options:
    closed: Annotated[float, Field(ge=0, le=1)] = 0.5
    open: Annotated[float, Field(gt=0, lt=2)] | None = None
    half_open: Annotated[float, Field(gt=0, le=1)] = 0.5
    from_zero: Annotated[int, Field(ge=0)] = 0
    counted: Annotated[int, Field(ge=1, le=999)] = 50
    even: Annotated[int, Field(ge=2, le=8, multiple_of=2)] = 2
    free: float = 0.0
    course: Literal["linear", "cosine"] = "linear"
    on: bool = False
    text: str | None = None
    shares: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (0.5,)
    words: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("closed", 9, "`closed` of x takes a number from 0 to 1, not 9."),  # less_than_equal
        ("closed", -0.5, "`closed` of x takes a number from 0 to 1, not -0.5."),  # greater_than_equal
        ("closed", "much", "`closed` of x takes a number from 0 to 1, not 'much'."),  # float_parsing
        ("closed", float("nan"), "`closed` of x takes a number from 0 to 1, not nan."),
        ("open", 2, "`open` of x takes a number above 0 and below 2, not 2."),  # less_than
        ("open", 0.0, "`open` of x takes a number above 0 and below 2, not 0.0."),  # greater_than
        ("half_open", 0, "`half_open` of x takes a number above 0 and at most 1, not 0."),
        ("from_zero", -1, "`from_zero` of x takes a whole number of at least 0, not -1."),
        ("counted", "many", "`counted` of x takes a whole number from 1 to 999, not 'many'."),  # int_parsing
        ("counted", 2.5, "`counted` of x takes a whole number from 1 to 999, not 2.5."),  # int_from_float
        ("even", 3, "`even` of x takes a whole number from 2 to 8 and a multiple of 2, not 3."),  # multiple_of
        ("free", [], "`free` of x takes a number, not none."),  # float_type
        ("course", "cubic", "`course` of x takes one of: linear, cosine, not 'cubic'."),  # literal_error
        ("on", "perhaps", "`on` of x takes true or false, not 'perhaps'."),  # bool_parsing
        ("on", None, "`on` of x takes true or false, not none."),  # bool_type
        ("text", 5, "`text` of x takes text, not 5."),  # string_type
        ("shares", (0.5, 1), "`shares` of x takes one or more numbers above 0 and below 1, not 1."),
        ("shares", (), "`shares` of x takes one or more numbers above 0 and below 1, not none."),  # too_short
        ("words", (5,), "`words` of x takes texts, not 5."),
    ],
)
def test_a_value_out_of_place(option, value, said):
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(Options).validate_python({option: value})
    error = option_error("x", Options, refusal.value)
    assert str(error) == said
    assert error.path[0] == option and error.pointer.startswith(f"/{option}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "`steps` of ddim takes a whole number from 1 to 999, not 0."),
        ({"inversion": {"kind": "noised", "noise_strength": 2}}, "`noise_strength` of ddim takes a number above 0 and"),
        ({"extras": [{"kind": "sampling-noise", "eta": 9}]}, "`eta` of ddim takes a number from 0 to 1, not 9."),
        ({"inversion": 3}, '`inversion` of ddim takes {"kind": "ddim"} and the like, not 3.'),
        ({"extras": 3}, '`extras` of ddim takes [{"kind": "clip-guidance"}] and the like, not 3.'),
        ({"extras": [{"eta": 1}]}, '`extras` of ddim takes [{"kind": "clip-guidance"}] and the like, not {'),
        ({"control": {"kind": "magic"}}, '`control` has no kind "magic"; choose one of: attention-guidance, '),
        ({"control": {"kind": "none", "power": 3}}, 'ddim has no option `power` here; "none" has none.'),
        ({"inversion": {"kind": "noised", "power": 3}}, "ddim has no option `power` here; there are: `noise_strength`"),
        (
            {"strength": 0.5},
            "ddim has no option `strength` here; it belongs in `conditioning`, "
            'as in {"conditioning": {"strength": ...}}.',
        ),
        (
            {"conditioning": {"strength": 0.5, "noise_strength": 1}},
            "ddim has no option `noise_strength` here; there are: ",
        ),
    ],
)
def test_of_a_method(options, said):
    with pytest.raises(OptionError, match="^[^\n]*$") as refusal:
        build_method("ddim", options)
    assert str(refusal.value).startswith(said)


WORDS = {"source_word": "a", "target_word": "b"}


@pytest.mark.parametrize(
    ("asked", "path", "said"),
    [
        (
            {"mask": "/etc/passwd"},
            ("mask",),
            "`mask` of an edit takes one of: none, auto, grown, alpha, or {\"sha256\": ...}, not '/etc/passwd'.",
        ),
        (
            {"direction": {"path": "x"}},
            ("direction",),
            '`direction` of an edit takes {"source_word": ..., "target_word": ...}, or {"source_sentences": ..., '
            "\"target_sentences\": ...}, or {\"sha256\": ...}, not {'path': 'x'}.",
        ),
        (
            {"direction": {**WORDS, "count": 0}},
            ("direction", "count"),
            "`count` of an edit takes a whole number from 1 to 2000, not 0.",
        ),
        (
            {"mask": {"sha256": "q"}},
            ("mask", "sha256"),
            "`sha256` of an edit takes text of the form ^[0-9a-f]{64}$, not 'q'.",
        ),
        (
            {"prompt": "x" * 5000},
            ("prompt",),
            "`prompt` of an edit takes text of at most 2000 characters without control characters, not "
            f"'{'x' * 59}... (5000 characters).",
        ),
        ({"options": [1]}, ("options",), "`options` of an edit takes names with their values, not [1]."),
        ({"\ud800": 1}, (), "an edit takes names with their values, not '\\ud800'."),
    ],
)
def test_of_an_edit(asked, path, said):
    with pytest.raises(OptionError) as refusal:
        EditSpec.parse({"target": "dog", **asked})
    assert (str(refusal.value), refusal.value.path) == (said, path)


@pytest.mark.parametrize(
    ("made", "values", "said"),
    [
        (EditSpec, {"target": ["dog"]}, "`target` of an edit takes text of at most 2000 characters"),
        (
            EditSpec,
            {"target": "dog", "fit": "x"},
            "`fit` of an edit takes one of: crop, pad, stretch, aspect, not 'x'.",
        ),
        (
            StudentSpec,
            {"target": "dog", "intensity": 2.0},
            "`intensity` of a student's edit takes a number from 0 to 1",
        ),
        (GivenMask, {"sha256": 3}, "`sha256` of a given mask takes text of the form"),
        (DirectionOfWords, {**WORDS, "count": 0}, "`count` of a direction takes a whole number from 1 to 2000, not 0."),
    ],
)
def test_of_data_that_is_made_in_python(made, values, said):
    with pytest.raises(OptionError, match="^[^\n]*$") as refusal:
        made(**values)
    assert str(refusal.value).startswith(said)


NOISED = {"kind": "noised", "noise_strength": 2}


@pytest.mark.parametrize(
    ("options", "pointer", "given", "expected"),
    [
        ({"steps": 0}, "/steps", 0, {"type": "integer", "minimum": 1, "maximum": 999}),
        (
            {"inversion": NOISED},
            "/inversion/noise_strength",
            2,
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        ),
        ({"extras": [{"kind": "sampling-noise", "eta": 9}]}, "/extras/0/eta", 9, {"type": "number", "maximum": 1}),
        (
            {"inversion": {"kind": "ddim", "grid": "odd"}},
            "/inversion/grid",
            "odd",
            {"enum": ["aligned", "diffusers", "official", "source", "multistep"]},
        ),
        ({"extras": [{"eta": 1}]}, "/extras/0", {"eta": 1}, {"type": "array"}),
        ({"control": {"kind": "none", "a/b": 3}}, "/control/a~1b", 3, {"enum": []}),
        ({"strength": 0.5}, "/strength", 0.5, {"enum": ["conditioning"]}),
    ],
)
def test_what_is_wrong_as_data(options, pointer, given, expected):
    """For shells: a page marks the widget, a service answers with the pointer and a schema."""
    with pytest.raises(OptionError) as refusal:
        build_method("ddim", options)
    error = refusal.value
    assert (error.pointer, error.given) == (pointer, given)
    assert expected.items() <= error.expected.items()


def test_options_that_do_not_go_together_have_their_place():
    guidance = {"kind": "clip-guidance", "clip_from": 0.9, "clip_until": 0.1}
    with pytest.raises(
        OptionError, match="^CLIP guidance ends before it begins; give `clip_until` a larger"
    ) as refusal:
        build_method("ddim", {"extras": [guidance]})
    assert (refusal.value.pointer, refusal.value.expected) == ("/extras/0", {})
    with pytest.raises(OptionError, match="take `conditioning` rich and `control` fused-guidance") as refusal:
        build_method("ddim", {"conditioning": {"kind": "rich"}})
    assert refusal.value.path == ()


def every_flag() -> Iterator[Flag]:
    yield from (flag for flag in flags_of(METHODS[0]) if len(flag.path) == 1 and flag.several is None)
    for part in parts_of(METHODS[0]):
        for kind in part.kinds:
            yield from of_kind(part, kind)


def test_no_option_is_a_path():
    """Options come over HTTP and out of pictures' metadata; neither may name files of this machine."""
    parts = [kind for part in parts_of(METHODS[0]) for kind in part.kinds.values()]
    for options in (*METHODS, *parts):
        for name, info in fields_of(options).items():
            assert "Path" not in repr(info.annotation), (options, name)


def misplaced(flag: Flag, value: object) -> str:
    """Return what is said of a wrong value of an option."""
    *parts, name = flag.path
    kind = flag.home.split()[-1] if flag.home else ""
    inner: object = {"kind": kind, name: value} if parts else value
    options = {parts[0]: [inner] if len(parts) == 2 else inner} if parts else {name: value}
    with pytest.raises(ValueError, match="^[^\n]*$") as refusal:
        build_method(METHODS[0].name, options)
    return str(refusal.value)


@pytest.mark.parametrize("flag", every_flag(), ids=lambda flag: f"{flag.home}{flag.spelled}".replace(" ", "-"))
def test_every_option_of_every_part_has_its_sentence(flag):
    said = misplaced(flag, {})
    assert said.startswith(f"`{flag.name}` of pix2pix-zero takes ") and said.endswith(", not {}.")
    assert "nput" not in said
    for bound in limits_of(flag):
        assert bound in said


def limits_of(flag: Flag) -> list[str]:
    """Return the words of an option's range as its help has them."""
    *_, name = flag.path
    options = (
        METHODS[0]
        if len(flag.path) == 1
        else next(part.kinds[flag.home.split()[-1]] for part in parts_of(METHODS[0]) if part.name == flag.path[0])
    )
    return [words for words in limits(options.__pydantic_fields__[name]).split(", ") if words]
