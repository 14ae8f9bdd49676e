"""Options tuned for one model; they lie in ``presets.json`` in its folder, each with what it was chosen by.

They tune the options of a method's own parts and never exchange a part for one of another kind. An entry "NAME, whole
picture" lies over that of the method NAME where an edit is a matter of the whole picture, as styles are.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from os.path import lexists
from pathlib import Path
from typing import TypeGuard

from pydantic import TypeAdapter, ValidationError

from zeroshift.backbones.checkpoint import PRESETS
from zeroshift.backbones.turbo import GUIDANCE, STEPS, is_turbo
from zeroshift.files import read_regular
from zeroshift.methods import METHODS, Method, by_name
from zeroshift.methods.fast import FAST
from zeroshift.options.errors import OptionError, given, option_error

Options = Mapping[str, object]
WHOLE = ", whole picture"
"""after a method's name, in the name of its entry for edits of the whole picture"""
_TABLE = TypeAdapter(dict[str, object])


def read_presets(model_root: Path) -> dict[str, Options]:
    """The options that a model's folder recommends, by method; empty if it recommends none.

    Raises:
        ValueError: its presets are not as they should be, or exchange a part for one of another kind.
    """
    path = model_root / PRESETS
    if not lexists(path):
        return {}
    try:
        table = json.loads(read_regular(path))
        found: dict[str, Options] = {name: _TABLE.validate_python(entry["options"]) for name, entry in table.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f'{path} is not a table such as {{"pix2pix-zero": {{"options": {{}}}}}}; mend it or take it away.'
        ) from error
    for method, whole in product(METHODS, (False, True)):
        preset = recommended(found, method.name, whole)
        check_kinds(method, preset, path)
        try:
            build_method(method.name, preset)
        except ValueError as error:
            raise ValueError(f"{path} recommends what cannot be: {error}") from error
    return found


def recommended(presets: Mapping[str, Options], name: str, whole: bool = False) -> Options:
    """What ``presets`` have for the method ``name``; with ``whole`` for edits of the whole picture."""
    own = presets.get(name, {})
    return overlay(own, presets.get(name + WHOLE, {})) if whole else own


def presets_of(model_root: Path, name: str) -> dict[str, Options]:
    """What a folder recommends, by method; of a Turbo model no guidance and few steps, unless it says otherwise.

    Raises:
        ValueError: its presets are not as they should be.
    """
    own = read_presets(model_root)
    if not is_turbo(model_root, name):
        return own
    few = {"steps": STEPS, "guidance_scale": GUIDANCE}
    return {method.name: overlay(few, own.get(method.name, {})) for method in METHODS}


def check_kinds(method: type[Method], preset: Options, path: Path) -> None:
    """Refuse a preset that is for a part of another kind than the method's own.

    Raises:
        ValueError: there is one.
    """
    for name, own in defaults_of(method).items():
        given = preset.get(name)
        kind = given.get("kind") if isinstance(given, Mapping) else None
        if kind is not None and isinstance(own, Mapping) and kind != own.get("kind"):
            raise ValueError(
                f"{path} gives {method.name} the {name} {kind} instead of {own.get('kind')}, and presets only tune "
                "the options of a method's own parts; take that away."
            )


def defaults_of(method: type[Method]) -> dict[str, object]:
    """A method's paper defaults as nested options."""
    adapter = TypeAdapter(method)
    options: dict[str, object] = adapter.dump_python(adapter.validate_python({}))
    return options


def build_method(name: str, *layers: Options) -> Method:
    """The method ``name`` with its paper's defaults, overlaid by ``layers`` of nested options, last wins.

    Raises:
        ValueError: there is no such method.
        OptionError: there is no such option, or a value is out of range.
    """
    method = by_name(name)
    merged = defaults_of(method)
    for layer in layers:
        if not isinstance(layer, Mapping):
            raise OptionError(f"{name} takes options with their values, as in {{'steps': 20}}, not {given(layer)}.")
        merged = overlay(merged, layer)
    try:
        return TypeAdapter(method).validate_python(merged)
    except ValidationError as error:
        raise option_error(name, method, error) from error


def faster(name: str, preset: Options) -> dict[str, object]:
    """What ``FAST`` makes of a method with a model's ``preset``; where either has a smaller number, that one.

    Raises:
        ValueError: there is no such method.
    """
    return _fewer(overlay(defaults_of(by_name(name)), preset), FAST[name])


def _fewer(below: Options, fast: Options) -> dict[str, object]:
    layer: dict[str, object] = {}
    for key, value in fast.items():
        old = below.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            layer[key] = _fewer(old, value)
        else:
            layer[key] = min(old, value) if isinstance(old, int) and isinstance(value, int) else value
    return layer


def overlay(below: Options, above: Options) -> dict[str, object]:
    """Merge two levels of nested options: a part of the same kind is merged, one of another kind replaces the part.

    A list of parts (``extras``) replaces the list below, except that each part keeps what ``below`` says of its kind.
    """
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if is_list(value) and is_list(old):
            merged[key] = [_over(_same_kind(old, part), part) for part in value]
        else:
            merged[key] = _over(old, value)
    return merged


def difference(below: Options, above: Options) -> dict[str, object]:
    """The nested options that turn ``below`` into ``above``, both of them complete: ``overlay`` of these gives that.

    A part of another kind is given whole, and so is a list of parts that differs.
    """
    return {key: _apart(below.get(key), value) for key, value in above.items() if below.get(key) != value}


def _apart(old: object, value: object) -> object:
    if not (isinstance(old, Mapping) and isinstance(value, Mapping)) or old.get("kind") != value.get("kind"):
        return value
    return difference(old, value)


def options_of(method: Method) -> dict[str, object]:
    """All options of a method, nested, as plain data."""
    options: dict[str, object] = TypeAdapter(type(method)).dump_python(method, mode="json")
    return options


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _over(old: object, value: object) -> object:
    if not (isinstance(old, Mapping) and isinstance(value, Mapping)):
        return value
    return overlay(old, value) if value.get("kind", old.get("kind")) == old.get("kind") else value


def _same_kind(parts: Sequence[object], wanted: object) -> object:
    """The part of the kind of ``wanted``, or nothing."""
    if not isinstance(wanted, Mapping):
        return None
    return next((p for p in parts if isinstance(p, Mapping) and p.get("kind") == wanted.get("kind")), None)
