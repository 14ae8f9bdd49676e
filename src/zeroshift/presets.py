"""Options tuned for one model; they lie in ``presets.json`` in its folder, each with what it was chosen by."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from zeroshift.methods import Method, by_name

Options = Mapping[str, object]
_TABLE = TypeAdapter(dict[str, object])


def read_presets(model_root: Path) -> dict[str, Options]:
    """Return the options that a model's folder recommends, by method; empty if it recommends none.

    Raises:
        ValueError: its presets are not as they should be.
    """
    path = model_root / "presets.json"
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return {name: _TABLE.validate_python(entry["options"]) for name, entry in table.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} is not a table such as {{"pix2pix-zero": {{"options": {{}}}}}}; mend it or take it away.'
        ) from error


def build_method(name: str, *layers: Options) -> Method:
    """Return the method ``name`` with its paper's defaults, overlaid by ``layers`` of nested options, last wins.

    Raises:
        ValueError: there is no such method or option, or a value is out of range.
    """
    merged: dict[str, object] = {}
    for layer in layers:
        merged = overlay(merged, layer)
    method = by_name(name)
    try:
        return TypeAdapter(method).validate_python(_with_kinds(method, merged))
    except ValidationError as error:
        raise ValueError(one_sentence(name, error)) from error


def overlay(below: Options, above: Options) -> dict[str, object]:
    """Merge two levels of nested options; a part of another kind replaces the part below instead of mixing with it."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        mix = (
            isinstance(old, Mapping)
            and isinstance(value, Mapping)
            and value.get("kind", old.get("kind")) == old.get("kind")
        )
        merged[key] = overlay(old, value) if mix else value  # type: ignore[arg-type]
    return merged


def one_sentence(name: str, error: ValidationError) -> str:
    """Say what is wrong with the first bad option."""
    first = error.errors()[0]
    if first["type"] == "value_error":  # options that do not go together; the method's own sentence
        return str(first["ctx"]["error"])
    option = str(first["loc"][-1]).replace("_", "-")
    if first["type"] == "unexpected_keyword_argument":
        return f"{name} has no option --{option}; see: zeroshift edit --method {name} --help."
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"--{option} of {name}: {message}, not {first['input']!r}."


def _with_kinds(method: type[Method], options: Options) -> dict[str, object]:
    """Name the default kind of every part whose kind the options leave open."""
    named = dict(options)
    for key, value in options.items():
        if isinstance(value, Mapping) and "kind" not in value:
            default = getattr(method(), key)
            if hasattr(default, "kind"):
                named[key] = {"kind": default.kind, **value}
    return named
