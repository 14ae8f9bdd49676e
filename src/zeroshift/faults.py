"""What is wrong with a file that somebody wrote, in plain words: libraries speak to programmers."""

import json
import re
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_SAFETENSORS = (
    (r"(does not contain tensor|Tensor not found:?) (?P<name>\S+)", "it has no tensor {name}"),
    (r"incomplete|not (entirely|fully) cover", "it is cut short"),
    (r"header", "it does not begin as a .safetensors file does"),
)
_STATE = (
    (r'Missing key\(s\) in state_dict: "(?P<name>[^"]+)"', "there are no weights {name}"),
    (r"size mismatch for (?P<name>[^:]+):", "the weights {name} have another shape"),
    (r'Unexpected key\(s\) in state_dict: "(?P<name>[^"]+)"', "there are weights {name}, which have no place"),
    (r"could not convert string to float: (?P<name>.+)", "{name} is no number"),
    (r"invalid literal for int\(\) with base \d+: (?P<name>.+)", "{name} is no whole number"),
)
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "names with their values",
    "mapping": "names with their values",
    "model": "names with their values",
    "dataclass": "names with their values",
    "none": "nothing",
    "finite": "a finite number",
}
"""by the first word of pydantic's types of errors"""
_BOUNDS = {
    "greater_than_equal": ("ge", "of at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "of at most"),
    "less_than": ("lt", "below"),
}
_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}
_LONGEST = 40
"""characters of what stands there that a sentence repeats"""


def plain(error: Exception, skipped: int = 0) -> str:
    """What is wrong, in a few words that can stand between brackets.

    Of a value inside of others is said where it stands, without the outermost ``skipped`` steps.
    """
    match error:
        case ValidationError():
            return _of_model(error.errors()[0], skipped)
        case json.JSONDecodeError():
            return f"it is no JSON from line {error.lineno}, column {error.colno} on" if error.doc else "it is empty"
        case UnicodeDecodeError():
            return "it is no text in UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case OSError() if error.strerror:
            return error.strerror[0].lower() + error.strerror[1:]
        case KeyError():
            return f"it has no {error.args[0] if error.args else 'such name'}"
    if type(error).__name__ == "SafetensorError":
        return _matched(str(error), _SAFETENSORS) or "its tensors are damaged"
    return _matched(str(error), _STATE) or first_sentence(error)


def first_sentence(error: Exception) -> str:
    """An error's first sentence, without what it advises programmers."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = " ".join(lines[: 1 + lines[0].endswith(":")]).partition(". ")[0].replace("`", "")
    return said.rstrip(".")


def _matched(text: str, patterns: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, words in patterns:
        if found := re.search(pattern, text):
            return words.format(**found.groupdict())
    return None


def _of_model(first: ErrorDetails, skipped: int) -> str:
    """What pydantic found wrong, and where."""
    where = ".".join(str(step) for step in first["loc"][skipped:])
    kind, context = first["type"], first.get("ctx", {})
    if kind == "json_invalid":
        return "it is no JSON"
    if kind == "missing":
        return f"{where} is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where} does not belong there"
    name = where or "it"
    if kind in ("value_error", "assertion_error"):
        return f"{name}: {first_sentence(context['error'])}"
    written = repr(first["input"])
    shown = written if len(written) <= _LONGEST else f"{written[:_LONGEST]}..."
    return f"{name} is {shown}, expected {_expected(kind, context)}"


def _expected(kind: str, context: Mapping[str, object]) -> str:
    """What pydantic's error of a ``kind`` waited for."""
    if kind in _BOUNDS:
        mark, words = _BOUNDS[kind]
        return f"a number {words} {context[mark]}"
    if (length := kind.removeprefix("string_")) in _LENGTHS:
        mark, words = _LENGTHS[length]
        return f"{words} {context[mark]} {'characters' if kind.startswith('string_') else 'entries'}"
    if kind == "string_pattern_mismatch":
        return f"text of the form {context['pattern']}"
    if kind in ("literal_error", "enum"):
        return f"one of: {context['expected']}"
    return _KINDS.get(kind.partition("_")[0], "something else")
