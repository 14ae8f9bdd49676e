"""Options dataclasses become flags, whatever the method and the kinds of its parts."""

from dataclasses import is_dataclass
from inspect import signature
from itertools import combinations
from typing import Annotated, ClassVar, Literal, get_args, get_origin

import pytest
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from zeroshift.cli.edit import edit
from zeroshift.cli.flags import Given, flags_of, of_kind, taken, with_flags
from zeroshift.cli.parts import chosen, where_it_belongs
from zeroshift.cli.shared import as_app
from zeroshift.cli.wrong import Wrong, as_flags
from zeroshift.methods import METHODS
from zeroshift.options.fields import bare, fields_of, kind_of
from zeroshift.options.parts import Part, parts_of

CONFIG = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Fast:
    """As fast as can be.

    Faster than that.
    """

    kind: Literal["fast"] = "fast"
    """name"""
    rate: Annotated[float, Field(gt=0)] = 0.5
    """how
    fast"""
    depth: int = 2
    """how deep"""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Slow:
    """Slow."""

    kind: Literal["slow"] = "slow"
    """name"""
    depth: int = 2
    """how deep"""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Grain:
    """Grain."""

    kind: Literal["grain"] = "grain"
    """name"""
    size: Annotated[int, Field(ge=1)] = 1
    """how coarse"""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Tint:
    """Tint."""

    kind: Literal["tint"] = "tint"
    """name"""
    colours: tuple[Annotated[float, Field(le=1)], ...] = (0.5, 1.0)
    """which"""
    named: tuple[str, ...] = ()
    """what they are called"""
    table: str | None = None
    """where they stand"""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Blend:
    blend: Literal["hard", "soft"] = "soft"
    """kind of edge"""
    again: bool = False
    """twice"""


Either = Annotated[Fast | Slow, Field(discriminator="kind")]
Start = Annotated[Either, Field(description="where from")]
Extra = Annotated[Grain | Tint, Field(discriminator="kind")]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Made:
    name: ClassVar[str] = "made"
    steps: Annotated[int, Field(ge=1, le=9)] = 5
    """how many"""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """how long"""
    start: Start = Slow(depth=3)
    mask: Blend = Blend()
    """where to"""
    extras: Annotated[tuple[Extra, ...], Field(description="what else")] = ()


def test_flags_of_a_made_up_method():
    flags = {flag.name: flag for flag in flags_of(Made)}
    assert list(flags) == ["steps", "minutes", "start", "extras", "depth", "blend", "again"]
    assert flags["steps"].help == "how many [1 to 9; default 5]"
    assert (flags["minutes"].hint, flags["minutes"].help) == (float, "how long [above 0]")
    assert (flags["start"].help, flags["extras"].help) == (
        "where from: fast, slow [default slow]",
        "what else: grain, tint",
    )
    assert (flags["depth"].path, flags["depth"].home) == (("start", "depth"), "--start slow")
    assert flags["depth"].help == "how deep [default 3]"  # the method's own, not the kind's
    assert (flags["blend"].help, flags["blend"].home) == ("kind of edge [hard|soft; default soft]", "")


def test_flags_of_chosen_kinds():
    flags = {flag.name: flag for flag in flags_of(Made, {"start": ("fast",), "extras": ("tint", "grain")})}
    parts = ["rate", "depth", "blend", "again", "colours", "named", "table", "size"]
    assert list(flags) == ["steps", "minutes", "start", "extras", *parts]
    assert (flags["rate"].help, flags["rate"].about) == ("how fast [above 0; default 0.5]", "As fast as can be.")
    assert (flags["colours"].path, flags["colours"].home) == (("extras", "tint", "colours"), "--extras tint")
    assert (flags["colours"].metavar, flags["colours"].help) == ("X,X", "which [at most 1; default 0.5,1]")
    assert [flags[name].metavar for name in ("named", "table", "size")] == ["TEXT", "TEXT", "N"]


def given(line: str) -> Given:
    """Return what a command line gives of the made-up method."""
    taken_in: list[Given] = []

    def verb(*, name: str, given: Given) -> None:
        taken_in.append(given)

    app = as_app(with_flags(verb, flags_of(Made, chosen(Made, line.split())), "Options of made"), "made", "made")
    app(line, result_action="return_value", exit_on_error=False, print_error=False)
    return taken_in[0]


def test_a_command_line_reaches_the_dataclass():
    line = "--name x --steps 3 --start fast --rate 2 --blend hard --again"
    built = TypeAdapter(Made).validate_python(given(line))
    assert built == Made(steps=3, start=Fast(rate=2), mask=Blend(blend="hard", again=True))
    assert given("--name x") == {}
    assert given("--name x --no-again") == {"mask": {"again": False}}
    assert given("--name x --start=slow") == {"start": {"kind": "slow"}}


def test_several_kinds_at_once():
    line = "--name x --extras tint,grain --size 4 --colours 0.1,0.2 --named a,b --named c --table t.csv"
    options = given(line)
    tint = Tint(colours=(0.1, 0.2), named=("a,b", "c"), table="t.csv")
    assert TypeAdapter(Made).validate_python(options) == Made(extras=(tint, Grain(size=4)))
    assert given("--name x --extras grain") == {"extras": [{"kind": "grain"}]}


def test_kinds_are_read_before_the_rest():
    assert chosen(Made, ["--extras=grain, tint"]) == {"start": ("slow",), "mask": ("",), "extras": ("grain", "tint")}
    assert chosen(Made, ["--extras", ""])["extras"] == ()
    with pytest.raises(Wrong, match='^--start has no kind "quick"; choose one of: fast, slow.$'):
        chosen(Made, ["--start", "quick"])
    with pytest.raises(Wrong, match='--extras has no kind "fast"; choose one of: grain, tint'):
        chosen(Made, ["--extras", "grain,fast"])


def test_where_an_option_belongs():
    homes = {"rate": "--start fast", "depth": "--start fast or slow", "size": "--extras grain", "steps": ""}
    parts = parts_of(Made)
    assert {name: where_it_belongs(parts, lambda kind, n=name: n in fields_of(kind)) for name in homes} == homes


def test_two_options_of_one_name_are_a_mistake_of_ours():
    def verb(*, steps: int, given: Given) -> None: ...

    with pytest.raises(TypeError, match=r"verb would have two options called \['steps'\]"):
        with_flags(verb, flags_of(Made), "Options")


def test_bare_types():
    assert bare(Annotated[float, Field(gt=0)] | None) is float
    assert bare(Literal["a", "b"]) == Literal["a", "b"]
    assert bare(str | None) is str
    assert bare(tuple[float, ...] | None) == tuple[float, ...]
    assert bare(int | Literal["all"]) is str


@pytest.mark.parametrize("method", METHODS)
def test_no_two_options_that_can_be_chosen_together_share_a_flag(method):
    """Kinds of one part may share names, extras may not: all of them can be chosen at once."""
    own = {*taken_by_edit(), *(flag.name for flag in flags_of(method) if not flag.home)} - {
        "strength"
    }  # edit's takes all
    shared = []
    for one, other in combinations([group for part in parts_of(method) for group in together(part)], 2):
        shared += sorted(one & other)
    assert not shared
    assert not [name for part in parts_of(method) for group in together(part) for name in group if name in own]


def together(part: Part) -> list[set[str]]:
    """Return the names of the options of a part's kinds, in one set for all kinds of which one is chosen."""
    names = [{flag.name for flag in of_kind(part, kind)} for kind in part.kinds]
    return names if part.several else [set().union(*names)]


def taken_by_edit() -> set[str]:
    return set(taken([p for p in signature(edit, eval_str=True).parameters.values() if p.name != "given"]))


@pytest.mark.parametrize("method", METHODS)
def test_every_option_can_be_read_and_is_explained(method):
    for part in parts_of(method):
        for kind, options in part.kinds.items():
            assert is_dataclass(options) and kind_of(options) == kind
            for flag in of_kind(part, kind):
                assert flag.help and flag.about
                one = bare(get_args(flag.hint)[0]) if get_origin(flag.hint) is tuple else flag.hint
                assert one in (str, int, float, bool) or get_origin(one) is Literal


def test_sentences_of_the_core_name_options_as_flags_here():
    said = "Take `guided_layers` all, not `Dog` nor `a b`."
    assert as_flags(said) == "Take --guided-layers all, not `Dog` nor `a b`."
