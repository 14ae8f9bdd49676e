"""What of a run is there already, and whether it was made as is asked for now: each picture's recipe tells."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Item
from zeroshift.files import sha256_of_file
from zeroshift.image import ImageError
from zeroshift.image.recipe import read_recipe
from zeroshift.masks.locating import found_by
from zeroshift.presets import build_method, options_of
from zeroshift.recipe import RECIPE, EditRecipe

if TYPE_CHECKING:
    from zeroshift.editor import Editor

NO_RECIPE = "without a recipe that tells how"


def file_of(out: Path, entry: Entry, item: Item) -> Path:
    """Where an edit goes."""
    return out / entry.name / f"{item.name}.png"


def left(benchmark: Benchmark, entries: Sequence[Entry], out: Path) -> list[tuple[Item, Entry]]:
    """What is not there yet, item by item, so that a run that is stopped has as many of every entry."""
    return [(item, entry) for item in benchmark.items for entry in entries if not file_of(out, entry, item).is_file()]


def due(
    editor: "Editor",
    benchmark: Benchmark,
    entries: Sequence[Entry],
    out: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> list[tuple[Item, Entry]]:
    """What is to be made: what is not there yet, and with ``overwrite`` what was made otherwise; item by item.

    Raises:
        ValueError: something that is there was made otherwise, and is not to be overwritten; or an entry has edits of
            other items that were made with another seed, model, method or mask.
    """
    check_alike(editor, benchmark, entries, out, seed)
    hashed = cache(sha256_of_file)  # every entry has the same photographs
    otherwise = {
        (item.name, entry.name): why
        for item in benchmark.items
        for entry in entries
        if (path := file_of(out, entry, item)).is_file()
        and (why := next(_differences(facts_of(path), _asked(editor, entry, item, seed, hashed)), ""))
    }
    if otherwise and not overwrite:
        (item_name, entry_name), why = next(iter(otherwise.items()))
        more = f", as {len(otherwise) - 1} more were made otherwise" if len(otherwise) > 1 else ""
        raise ValueError(
            f"{out / entry_name / item_name}.png was made {why}{more}; give another folder, or `overwrite` to make "
            "such edits again."
        )
    missing = {(item.name, entry.name) for item, entry in left(benchmark, entries, out)}
    return [
        (item, entry)
        for item in benchmark.items
        for entry in entries
        if (item.name, entry.name) in missing or (item.name, entry.name) in otherwise
    ]


def check_alike(editor: "Editor", benchmark: Benchmark, entries: Sequence[Entry], out: Path, seed: int) -> None:
    """Refuse an entry that would be of two kinds: tasks may be run apart, and its other edits be made otherwise.

    Raises:
        ValueError: an edit of an item that is not in ``benchmark`` has another seed, model, method or mask.
    """
    own = {item.name for item in benchmark.items}
    for entry in entries:
        now = _of_entry(editor, entry, seed)
        for path in sorted((out / entry.name).glob("*.png")):
            was = {} if path.stem in own else facts_of(path)
            if was and (why := next(_differences({name: was[name] for name in now}, now), "")):
                raise ValueError(
                    f"{path}, which is of none of these items, was made {why}, and an entry is one method with "
                    "one seed; give another folder, or make all of its items anew in one run with `overwrite`."
                )


def facts_of(path: Path) -> dict[str, object]:
    """What a picture's recipe says of the facts of ``_asked``; nothing where it has none."""
    try:
        recipe = RECIPE.validate_python(read_recipe(path))
        return _facts_of(recipe) if isinstance(recipe, EditRecipe) else {}
    except (ImageError, ValueError):
        return {}


def _differences(was: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    if not was:
        yield NO_RECIPE
        return
    for name in (*now, *(name for name in was if name.startswith("option ") and name not in now)):
        old, new = was.get(name), now.get(name)
        if old == new:
            continue
        if name in ("model", "photograph"):
            yield f"{'with' if name == 'model' else 'of'} another {name}"
        else:
            yield f"with {name} {_said(old)} instead of {_said(new)}"


def _said(value: object) -> str:
    return "none" if value is None else str(value)


def _facts_of(recipe: EditRecipe) -> dict[str, object]:
    """What a recipe says of the facts of ``_asked``; options that it does not have are this version's defaults."""
    model = recipe.model
    return {
        "model": (model.sha256, model.clip, model.loras),
        "photograph": recipe.source_sha256,
        "method": recipe.method,
        "seed": recipe.seed,
        "mask": recipe.mask,
        "segmenter": recipe.segmenter_sha256,
        "restorer": recipe.restorer_sha256,
        "source prompt": recipe.source_prompt,
        "target prompt": recipe.target_prompt,
        **_flat(options_of(build_method(recipe.method, recipe.method_options))),
    }


def _of_entry(editor: "Editor", entry: Entry, seed: int) -> dict[str, object]:
    """What all edits of an entry have in common."""
    identity = editor.backbone.identity
    return {
        "model": (identity.sha256, identity.clip, identity.loras),
        "method": entry.method,
        "seed": seed if entry.seed is None else entry.seed,
        "mask": None if entry.mask == "none" else entry.mask,
    }


def _asked(editor: "Editor", entry: Entry, item: Item, seed: int, hashed: Callable[[Path], str]) -> dict[str, object]:
    """All that an edit depends on, by what it is called; the model's presets are among the options."""
    spec = entry.spec(item, seed)
    words: dict[str, object] = {}
    if spec.source is not None:  # else the model says what the photograph shows
        task = spec.task(editor.vocabulary)
        words = {"source prompt": task.source_prompt, "target prompt": task.target_prompt}
        found = found_by(editor.segmenter, task, grown=spec.mask == "grown") if spec.mask in ("auto", "grown") else None
        words["segmenter"] = None if found is None else found.sha256
        words["restorer"] = None  # an entry asks for none
    common = _of_entry(editor, entry, seed)
    photograph = {"photograph": hashed(item.picture)} if item.picture.is_file() else {}
    return {
        "model": common["model"],
        **photograph,
        **common,
        **words,
        **_flat(options_of(spec.built(editor))),
    }


def _flat(options: Mapping[str, object], inside: str = "option ") -> dict[str, object]:
    """Nested options by names such as ``option inversion.kind``."""
    found: dict[str, object] = {}
    for name, value in options.items():
        found |= _flat(value, f"{inside}{name}.") if isinstance(value, Mapping) else {f"{inside}{name}": value}
    return found
