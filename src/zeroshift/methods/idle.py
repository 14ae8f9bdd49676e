"""Options that would do nothing beside others: asked for in vain, they are refused instead of being ignored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zeroshift.control import Refinement
from zeroshift.methods.base import Method
from zeroshift.options.errors import OptionError
from zeroshift.options.fields import fields_of

LEARNS_NEGATIVE = ("null-text", "negative-prompt", "redescription", "value-embedding")
"""inversions that put something of their own in the negative prompt's place"""


@dataclass(frozen=True)
class Idle:
    """An option, and when it does nothing."""

    part: str
    name: str
    when: Callable[[Method], bool]
    why: str


def _value(method: Method, part: str, name: str) -> object:
    return getattr(getattr(method, part), name, None)


IDLE = (
    Idle(
        "conditioning",
        "values_until",
        lambda m: m.inversion.kind != "value-embedding",
        "is for what `inversion` value-embedding learns; add that",
    ),
    Idle(
        "conditioning",
        "negative",
        lambda m: m.inversion.kind in LEARNS_NEGATIVE,
        "does nothing where the inversion finds its own negative prompt, as here; take another inversion",
    ),
    Idle(
        "conditioning",
        "empty_schedule",
        lambda m: not _value(m, "conditioning", "empty_share"),
        "is the course of `empty_share`; add that",
    ),
    Idle(
        "conditioning",
        "sentences",
        lambda m: _value(m, "conditioning", "words") == "swap",
        "is for a direction of template sentences, and `words` swap makes one of two prompts; take another `words`",
    ),
    Idle(
        "control",
        "start_seed",
        lambda m: _value(m, "control", "target_start") != "random",
        "is for `target_start` random; add that",
    ),
)


def check_idle(method: Method, given: Mapping[str, object]) -> None:
    """Refuse nested options ``given`` that do nothing in ``method``, which was built with them.

    A value that is the default anyway asks for nothing: all options of a method may be given back to it.

    Raises:
        OptionError: there is one.
    """
    for idle in IDLE:
        if idle.name in chosen(method, given, idle.part) and idle.when(method):
            sentence, value = f"`{idle.name}` {idle.why}, or leave it out.", part_of(given, idle.part)[idle.name]
            raise OptionError(sentence, (idle.part, idle.name), value)


def check_vgg(method: Method, given: bool) -> None:
    """Refuse weights of VGG16 that nothing looks at, and options that look at them where none are ``given``.

    Raises:
        ValueError: there are some.
    """
    refinements = [extra for extra in method.extras if isinstance(extra, Refinement)]
    if given and not refinements:
        raise ValueError("`vgg` has the weights that the extra refinement compares pictures by; add that to `extras`.")
    for refinement in refinements:
        refinement.check_vgg(given)


def chosen(method: Method, given: Mapping[str, object], part: str) -> list[str]:
    """Options of one part that are ``given`` and in ``method`` are other than the defaults."""
    own, usual = getattr(method, part), default_part(type(method), part)
    defaults = {name: info.default for name, info in fields_of(type(own)).items()}
    if type(own) is type(usual):
        defaults = vars(usual)
    return [name for name in part_of(given, part) if getattr(own, name) != defaults[name]]


def default_part(method: type[Method], part: str) -> object:
    """A part of a method with the paper's defaults."""
    found: object = fields_of(method)[part].get_default(call_default_factory=True)
    return found


def part_of(given: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Options of one part among nested options."""
    found = given.get(name, {})
    return found if isinstance(found, Mapping) else {}
