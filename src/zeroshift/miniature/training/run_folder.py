"""What a run folder holds: remembered in ``job.json``, so that no training goes on from another one's checkpoints."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeAlias

from lightning.pytorch.utilities import rank_zero_only as once

from zeroshift.files import read_regular, why_unwritable, write_atomically

Facts: TypeAlias = dict[str, object]


def parted(options: Any, may_change: Collection[str]) -> tuple[Facts, Facts]:  # noqa: ANN401 - any dataclass
    """An options dataclass's values: those that stay for a whole training, and those that may change."""
    every = dataclasses.asdict(options)
    fixed = {name: value for name, value in every.items() if name not in may_change}
    return fixed, {name: value for name, value in every.items() if name in may_change}


def captions_hash(folder: Path) -> str:
    """The SHA-256 of the table of a captioned folder."""
    return hashlib.sha256(read_regular(folder / "captions.csv")).hexdigest()


def check_free(out: Path) -> None:
    """See that a new folder can be written to ``out``, before the work begins.

    Raises:
        ValueError: ``out`` is a file, holds something or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; name another folder for what is trained, or remove it.")
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty; name another folder for what is trained, or remove it.")
    try:
        out.resolve().parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=out.resolve().parent).close()
    except OSError as error:
        raise ValueError(f"{out} cannot be written ({why_unwritable(error)}); choose another place.") from error


def remember(run: Path, fixed: Mapping[str, object], changeable: Mapping[str, object], *, trace: Path) -> None:
    """Write into ``run`` what is trained there, or see that it is what began there.

    ``fixed`` shapes the result and stays the same whenever the training goes on. ``changeable`` may be another every
    time; ``job.json`` lists its values in their order. ``trace`` is what a training leaves in ``run`` first. Values are
    such as JSON has.

    Raises:
        ValueError: ``run`` belongs to another training.
    """
    kept = run / "job.json"
    before: Facts | None = json.loads(read_regular(kept)) if kept.is_file() else None
    if before is None and trace.exists():
        raise ValueError(f"{run} holds a training that no job.json describes; name another `run`, or remove it.")
    history: Any = [] if before is None else before.pop("changeable", [])
    if before is not None and before != fixed:
        what = ", ".join(key.replace("_", "-") for key in {**before, **fixed} if before.get(key) != fixed.get(key))
        raise ValueError(f"{run} holds a training that differs in {what}; name another `run`, or remove it.")
    history += [changeable] * (history[-1:] != [changeable])
    once(write_atomically)(kept, (json.dumps({**fixed, "changeable": history}, indent=2) + "\n").encode())
