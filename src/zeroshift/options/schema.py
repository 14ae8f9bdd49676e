"""JSON Schemas of options as they are given: any of them may be left out, and so may the kind of a part as it is."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from zeroshift.options.fields import fields_of

Schema = dict[str, Any]


def options_schema(options: type) -> tuple[Schema, Schema]:
    """Schema of nested options that overlay the defaults of an options dataclass, and the definitions it refers to.

    A part without ``kind`` is of the default's kind; in a list of parts every one says its kind.
    """
    schema = TypeAdapter(options).json_schema(ref_template="#/$defs/{model}")
    definitions = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        if "oneOf" in field:
            usual = type(fields_of(options)[name].default).__name__
            field["anyOf"] = [one if one["$ref"] == f"#/$defs/{usual}" else _named(one) for one in field.pop("oneOf")]
            field.pop("discriminator")
        elif "oneOf" in field.get("items", {}):
            field["items"] = {"anyOf": [_named(one) for one in field["items"]["oneOf"]]}
    return schema, definitions


def _named(part: Schema) -> Schema:
    return {**part, "required": ["kind"]}


def with_options(schema: Schema, choices: Mapping[str, type], *, by: str, under: str, usual: str) -> Schema:
    """A schema whose property ``under`` depends on the name that the property ``by`` has.

    Args:
        schema: of the whole.
        choices: options dataclasses by their names.
        by: what chooses one of them.
        under: where its options stand.
        usual: the name where nothing is chosen.
    """
    rules, definitions = [], dict(schema.get("$defs", {}))
    for name, options in choices.items():
        own, needed = options_schema(options)
        definitions |= needed
        required = [] if name == usual else [by]
        chosen = {"properties": {by: {"const": name}}, "required": required}
        rules.append({"if": chosen, "then": {"properties": {under: own}}})
    properties = {**schema["properties"], by: {**schema["properties"][by], "enum": list(choices)}}
    return {**schema, "properties": properties, "$defs": definitions, "allOf": rules}
