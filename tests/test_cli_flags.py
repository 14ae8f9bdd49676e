"""Options dataclasses become flags, whatever the method."""

from typing import Annotated, ClassVar, Literal

import pytest
from cyclopts import App
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from zeroshift.cli.flags import Given, bare, flags_of, nested, with_flags
from zeroshift.cli.wrong import Wrong
from zeroshift.methods import METHODS

CONFIG = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Fast:
    kind: Literal["fast"] = "fast"
    """name"""
    rate: Annotated[float, Field(gt=0)] = 0.5
    """how
    fast"""
    depth: int = 2
    """how deep"""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Slow:
    kind: Literal["slow"] = "slow"
    """name"""
    depth: int = 2
    """how deep"""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Blend:
    blend: Literal["hard", "soft"] = "soft"
    """kind of edge"""
    again: bool = False
    """twice"""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Made:
    name: ClassVar[str] = "made"
    steps: Annotated[int, Field(ge=1, le=9)] = 5
    """how many"""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """how long"""
    start: Annotated[Fast | Slow, Field(discriminator="kind")] = Slow()
    """where from"""
    mask: Blend = Blend()
    """where to"""


def test_flags_of_a_made_up_method():
    flags = {flag.name: flag for flag in flags_of(Made)}
    assert list(flags) == ["steps", "minutes", "start", "rate", "depth", "blend", "again"]
    assert flags["steps"].help == "how many [1 to 9; default 5]"
    assert (flags["minutes"].hint, flags["minutes"].help) == (float, "how long [above 0]")
    assert flags["start"].help == "where from [fast|slow; default slow]"
    assert (flags["rate"].help, flags["rate"].kinds) == ("how fast [above 0; default 0.5]", ("fast",))
    assert (flags["depth"].path, flags["depth"].kinds) == (("start", "depth"), ("fast", "slow"))
    assert (flags["blend"].help, flags["blend"].kinds) == ("kind of edge [hard|soft; default soft]", ())


def test_a_command_line_reaches_the_dataclass():
    taken: list[Given] = []

    def verb(*, name: str, given: Given) -> None:
        taken.append(given)

    app = App()
    app.default(with_flags(verb, flags_of(Made), "Options"))
    app("--name x --steps 3 --start fast --rate 2 --blend hard --again", result_action="return_value")
    app("--name x", result_action="return_value")
    options = [TypeAdapter(Made).validate_python(given) for given in taken]
    assert options == [Made(steps=3, start=Fast(rate=2), mask=Blend(blend="hard", again=True)), Made()]
    assert taken[1] == {}


def test_an_option_of_another_kind_is_wrong():
    flags = flags_of(Made)
    with pytest.raises(Wrong, match="--rate is an option of --start fast, not of --start slow"):
        nested(flags, {"start": "slow", "rate": 2.0})
    assert nested(flags, {"rate": 2.0}) == {"start": {"rate": 2.0}}


def test_bare_types():
    assert bare(Annotated[float, Field(gt=0)] | None) is float
    assert bare(Literal["a", "b"]) == Literal["a", "b"]
    assert bare(str | None) is str


@pytest.mark.parametrize("method", METHODS)
def test_no_two_options_of_a_method_share_a_flag(method):
    names = [flag.name for flag in flags_of(method)]
    assert len(names) == len(set(names))
    assert all(flag.help for flag in flags_of(method))
