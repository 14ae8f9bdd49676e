"""Which kind or method an option belongs to that a verb does not have."""

from collections.abc import Sequence

from zeroshift.cli.parts import alternatives, guided, where_it_belongs
from zeroshift.cli.shared import method_class, method_named
from zeroshift.options.fields import fields_of
from zeroshift.options.parts import parts_of


def astray(verb: str, option: str, tokens: Sequence[str]) -> str | None:
    """Say what has to be chosen for an option (with underscores) that the verb does not have; None if nothing helps."""
    from zeroshift.methods import METHODS

    method = method_class(method_named(tokens))
    parts = parts_of(method)
    if verb == "invert":
        parts = [part for part in parts if part.name == "inversion"]
    of_scale = verb == "invert" and option == "guidance_scale"
    home = where_it_belongs(parts, guided if of_scale else lambda kind: option in fields_of(kind))
    others = [m.name for m in METHODS if option in fields_of(m) and option not in fields_of(method)]
    if not home and (not others or verb == "invert"):
        return None
    spelled, home = option.replace("_", "-"), home or f"--method {alternatives(others)}"
    return f"--{spelled} is an option of {home}; add that, or leave it out."
