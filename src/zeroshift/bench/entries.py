"""What is compared: methods with their options, each under a name of its own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import spread
from zeroshift.bench.items import Item
from zeroshift.faults import plain
from zeroshift.files import read_regular
from zeroshift.image.masks import Said
from zeroshift.presets import overlay

STRENGTHS = (0.7, 1.0)
"""what methods are compared at unless others are named: two are a curve, and the second is the method as it is"""
NAME = re.compile(r"\w[\w.+@-]*")


@dataclass(frozen=True)
class Entry:
    """A method with options, as it stands in tables."""

    name: str
    """also that of the folder of its edits"""
    method: str = "pix2pix-zero"
    options: Mapping[str, object] = field(default_factory=dict)
    """nested options, over the model's presets"""
    paper_defaults: bool = False
    """whether the model's presets are left out"""
    blend: bool = False
    """whether Prompt-to-Prompt blends and amplifies (by 2) the words that an item names, as PIE-Bench's authors do"""
    intensity: float | None = None
    """how much is edited: entries of one method that differ in it are a curve"""
    mask: Said | None = None
    """where the photograph may change, as "auto": where the subject is; by default all of it"""
    seed: int | None = None
    """seed of everything random; by default the run's"""
    model: str | None = None
    """checkpoint that it is for, a hub id or the name of a folder; by default any"""

    def spec(self, item: Item, seed: int) -> EditSpec:
        """What is asked for, of the whole picture; ``seed`` is the run's.

        Raises:
            OptionError: the method has no such option.
        """
        spec = EditSpec(
            target=item.target,
            source=item.source or None,
            prompt=None if item.source == item.source_prompt else item.source_prompt,
            method=self.method,
            options=self._options(item),
            paper_defaults=self.paper_defaults,
            seed=seed if self.seed is None else self.seed,
            region="none",
            second_try=False,  # an entry is the method that it names
            restore=False,
            mask=self.mask,
        )
        spec.check()
        return spec

    def _options(self, item: Item) -> dict[str, object]:
        if not self.blend or item.blended is None:
            return dict(self.options)
        source, target = item.blended
        own = {"blend_words": f"{source},{target}", "amplify": f"{target}=2"}
        return overlay(self.options, {"control": own})


_ENTRIES = TypeAdapter(list[Entry])


def read_plan(path: Path) -> list[Entry]:
    """Entries from a JSON file: a list of objects with ``name``, ``method``, ``options``, ``intensity``.

    Raises:
        ValueError: it is no such list, two entries have one name, or a name is no name of a folder.
    """
    try:
        entries = _ENTRIES.validate_json(read_regular(path))
    except (OSError, ValidationError) as error:
        raise ValueError(f"{path} is no list of methods to compare: {plain(error)}.") from error
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"{path} names an entry twice, or none; give each its own name.")
    if wrong := [name for name in names if not NAME.fullmatch(name)]:
        raise ValueError(
            f'The name "{wrong[0]}" in {path} is also a folder\'s: take letters, digits and . + @ - alone.'
        )
    return entries


def of_model(entries: Sequence[Entry], model: str) -> tuple[list[Entry], list[Entry]]:
    """The entries that are for a model of this name or for any, and those that are for another.

    A hub id, folder or .safetensors file goes by the last part of its name, so that a copy needs only be called alike.

    Raises:
        ValueError: all are for another.
    """
    own = [entry for entry in entries if entry.model is None or _last(entry.model) == _last(model)]
    others = [entry for entry in entries if entry not in own]
    if not own:
        named = " or ".join(dict.fromkeys(str(entry.model) for entry in others))
        raise ValueError(
            f'No entry is for the model "{model}"; give {named}, or a folder or file that is called like it.'
        )
    return own, others


def _last(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2].removesuffix(".safetensors")


def planned(methods: Sequence[str], strengths: Sequence[float]) -> list[Entry]:
    """Every method with the model's presets, at each strength.

    Strength 1 is the method as it is, and its entry is called by the method's name alone.

    Raises:
        ValueError: there is no such method.
    """
    return [_at(method, strength, len(strengths) > 1) for method in methods for strength in strengths]


def _at(method: str, strength: float, several: bool) -> Entry:
    intensity = strength if several else None
    if strength == 1:
        return Entry(method, method, intensity=intensity)
    (spec,) = spread(EditSpec(target="dog", source="cat", method=method), [strength])
    return Entry(f"{method}@{strength:g}", method, spec.options, intensity=intensity)
