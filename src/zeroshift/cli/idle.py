"""Options that would do nothing beside others: asked for in vain, they are refused instead of being ignored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zeroshift.cli.flags import Given
from zeroshift.cli.wrong import Wrong
from zeroshift.methods import Method

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
        "is for what --inversion value-embedding learns; add that",
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
        "is the course of --empty-share; add that",
    ),
    Idle(
        "control",
        "start_seed",
        lambda m: _value(m, "control", "target_start") != "random",
        "is for --target-start random; add that",
    ),
)


def check_idle(method: Method, given: Given) -> None:
    """Refuse options of ``given`` that do nothing in ``method``.

    Raises:
        Wrong: there is one.
    """
    for idle in IDLE:
        part = given.get(idle.part)
        if isinstance(part, Mapping) and idle.name in part and idle.when(method):
            raise Wrong(f"--{idle.name.replace('_', '-')} {idle.why}, or leave it out.")
