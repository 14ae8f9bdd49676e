"""The model's presets, chosen among the candidates of ``candidates.toml``."""

import json
import tomllib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
from pydantic import ConfigDict, Field, JsonValue, TypeAdapter
from pydantic.dataclasses import dataclass

from remake.asked import asked
from remake.place import Job, Jobs, Place
from remake.tuner import Bench, Figures, Sitter, best
from zeroshift import Progress
from zeroshift.cli.quality import follow
from zeroshift.edits import EditSpec
from zeroshift.files import write_atomically
from zeroshift.miniature.classifier import load_classifier
from zeroshift.miniature.data import CaptionedFolder, rows_of
from zeroshift.miniature.quality.agreement import grid
from zeroshift.miniature.quality.figures import save
from zeroshift.miniature.training.export import step_size
from zeroshift.presets import read_presets

MANIFEST = Path(__file__).with_name("candidates.toml")
SPLIT = "val"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Trial:
    """The candidates of one method, in words of ``zeroshift edit``."""

    candidates: tuple[str, ...]
    always: str = ""
    """common to all of them"""
    batches: bool = False
    """whether batches are to be what single runs are"""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Plan:
    """Everything that is tried."""

    pictures: Annotated[int, Field(ge=2, multiple_of=2)]
    """how many photographs of ``val``, half of each animal"""
    batch: Annotated[int, Field(ge=2)]
    trials: dict[str, Trial]
    """by method"""


def jobs(manifest: Path = MANIFEST) -> Jobs:
    """Return one job per method."""
    plan = read(manifest)
    return [Job(f"presets/{name}", partial(make, plan, name), with_data=True) for name in plan.trials]


def read(manifest: Path) -> Plan:
    """Read a manifest.

    Raises:
        ValueError: it is not as it should be.
    """
    table = tomllib.loads(manifest.read_text(encoding="utf-8"))
    trials = {name: renamed(row) for name, row in table.items() if isinstance(row, Mapping)}
    numbers = {name: value for name, value in table.items() if name not in trials}
    return TypeAdapter(Plan).validate_python({**numbers, "trials": trials})


def renamed(row: Mapping[str, object]) -> dict[str, object]:
    """Return a table with the key that Python cannot have as a name replaced."""
    return {"candidates" if key == "try" else key: value for key, value in row.items()}


def make(plan: Plan, name: str, place: Place) -> str:
    """Measure one method's candidates and write the best into the model's presets."""
    bench, trial = bench_of(place, plan.pictures), in_numbers(plan.trials[name], place)
    figures = follow(measured(bench, name, trial, plan.batch, place.work), silent=False)
    wishes = [wish(name, f"{trial.always} {one}", bench.classifier.classes).options for one in trial.candidates]
    in_use = read_presets(place.model).get(name)
    taken = best(figures, next((k for k, one in enumerate(wishes) if one == in_use), None))
    options = wishes[taken]
    write(place.model, name, {"options": options, "chosen_by": told(plan, place, trial, figures, taken)})
    return f"{trial.candidates[taken] or 'the defaults'}: {cells(figures[taken])}"


def bench_of(place: Place, count: int) -> Bench:
    """Return the first photographs of both animals, and what judges their edits.

    Raises:
        ValueError: there is no data folder, or it has too few.
    """
    classifier, editor = load_classifier(place.model / "classifier"), place.editor()
    if place.data is None:
        raise ValueError("Edits are measured on photographs; add --data FOLDER.")
    data = CaptionedFolder.open(place.data)
    rows = rows_of(data, (SPLIT,), classifier.classes)
    chosen = [row for c in classifier.classes for row in [r for r in rows if r.labels["species"] == c][: count // 2]]
    if len(chosen) < count:
        raise ValueError(
            f"{place.data} has too few pictures in {SPLIT}; edits of {count // 2} per animal are measured."
        )
    pixels = data.read(chosen, editor.backbone.size)
    sitters = [Sitter(x, row.labels["species"]) for x, row in zip(pixels, chosen, strict=True)]
    return Bench(editor, classifier, sitters, place.work / "edits")


def in_numbers(trial: Trial, place: Place) -> Trial:
    """Fill in what depends on the model."""
    backbone = place.backbone
    values = backbone.latent_channels * (backbone.size // backbone.factor) ** 2
    amount = f"{step_size(values):g}"
    return replace(trial, always=trial.always.format(regularisation=amount))


def measured(bench: Bench, name: str, trial: Trial, batch: int, work: Path) -> Generator[Progress, None, list[Figures]]:
    """Return what every candidate is worth; their edits are shown in ``presets/NAME.png``, a row per candidate."""
    classes = bench.classifier.classes
    words = [f"{trial.always} {candidate}" for candidate in trial.candidates]
    wishes = [[wish(name, w, ways(s.animal, classes)) for s in bench.sitters] for w in words]
    alone = yield from bench.singles(wishes)
    sources = torch.stack([sitter.pixels for sitter in bench.sitters])
    save(grid(torch.cat([sources, *alone]), len(sources)), work / f"presets/{name}.png")
    if not trial.batches:
        return [bench.figures(edits) for edits in alone]
    together = yield from bench.batches(wishes, batch)
    return [bench.figures(*both) for both in zip(alone, together, strict=True)]


def ways(animal: str, classes: tuple[str, str]) -> tuple[str, str]:
    """Return the animal and the other one."""
    return classes if animal == classes[0] else (classes[1], classes[0])


def wish(name: str, words: str, way: tuple[str, str]) -> EditSpec:
    """Return the edit that a candidate's words stand for, beside the paper's defaults."""
    source, target = way
    found = asked(f"--source {source} --target {target} --fit stretch --paper-defaults --method {name} {words}")
    return found.model_copy(update={"options": nulled(found.options)})


def nulled(given: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Put None where the word null was given."""
    plain = {k: nulled(v) if isinstance(v, dict) else v for k, v in given.items()}
    return {k: None if v == "null" else v for k, v in plain.items()}


def told(plan: Plan, place: Place, trial: Trial, figures: Sequence[Figures], taken: int) -> str:
    """Say how the candidates did, in sentences of which the last has no full stop."""
    size = place.backbone.size
    apart = f"largest difference to batches of up to {plan.batch} in grey levels" if trial.batches else ""
    columns = ["edits that take the other animal by the classifier", "mean PSNR to the source", *filter(None, [apart])]
    throughout = f" Throughout: {trial.always}." if trial.always else ""
    rows = [f"{c or 'defaults'}: {cells(f)}" for c, f in zip(trial.candidates, figures, strict=True)]
    others = [row for k, row in enumerate(rows) if k != taken]
    tried = f". Also tried: {'; '.join(others)}" if others else ""
    return (
        f"{plan.pictures} pictures of {SPLIT}, half of each animal, {size} pixels, one at a time; {', '.join(columns)}."
        f"{throughout} Taken: {rows[taken]}{tried}"
    )


def cells(figures: Figures) -> str:
    """Return figures in the order in which ``told`` names them."""
    apart = [] if figures.apart is None else [str(figures.apart)]
    return ", ".join([str(figures.flipped), f"{figures.psnr_db:.1f} dB", *apart])


def write(model: Path, name: str, entry: dict[str, object]) -> None:
    """Replace one method's preset.

    Raises:
        ValueError: it would exchange a part for one of another kind.
    """
    path = model / "presets.json"
    table = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_atomically(path, (json.dumps({**table, name: entry}, indent=2) + "\n").encode())
    read_presets(model)
