"""Edits beside each other: one edit at several strengths, and what several cannot share."""

from collections.abc import Sequence

from zeroshift.asked.checks import at
from zeroshift.asked.edits import EditSpec
from zeroshift.methods import by_name
from zeroshift.methods.idle import part_of
from zeroshift.options.errors import OptionError
from zeroshift.options.fields import fields_of


def spread(spec: EditSpec, strengths: Sequence[float]) -> list[EditSpec]:
    """The same edit at each of several strengths.

    Raises:
        ValueError: its conditioning has no strength, or the options have one already.
    """
    given = part_of(spec.options, "conditioning")
    if "strength" in given:
        sentence = "The options have a `strength`, and others are asked for; give one of them."
        raise OptionError(sentence, ("options", "conditioning", "strength"), given["strength"])
    with at("method"):
        by_name(spec.method)
    with at("options"):
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
