"""What the default edit takes on two threads, in seconds and memory, and how large the model is: the card's table."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remake.facts import megabytes
from remake.pages import put
from remake.place import Job, Jobs, Place
from zeroshift.miniature.quality.table import page, shown

WORDS = ("--target", "dog", "--threads", "2", "--json")


def jobs() -> Jobs:
    return [Job("speed", make)]


def make(place: Place) -> str:
    """Edit ``examples/cat.png`` once, and write what that took.

    Raises:
        CalledProcessError: the edit failed.
    """
    return put(place.root, {"speed": page(measured(place))})


def measured(place: Place) -> list[tuple[str, str]]:
    """Run ``zeroshift edit`` in a process of its own and return what it took.

    Raises:
        CalledProcessError: it failed.
    """
    picture, out = str(place.root / "examples/cat.png"), str(place.work / "speed/dog.png")
    edit = [
        sys.executable,
        "-m",
        "zeroshift",
        "edit",
        picture,
        *WORDS,
        "-o",
        out,
        "--overwrite",
        *place.of_model,
        *place.words,
    ]
    watched = [sys.executable, str(Path(__file__).with_name("watched.py")), *edit]
    found = json.loads(subprocess.run(watched, check=True, stdout=subprocess.PIPE, text=True).stdout)
    done = json.loads(found["said"])
    return [
        (f"edit by {told(done['recipe'])}", shown(done["seconds"], "s")),
        ("the same with start, loading, seeing the source, and writing", shown(found["seconds"], "s")),
        ("most memory held", shown(found["peak_bytes"] / 1e9, "GB")),
        ("all files of the model", shown(megabytes(place.model), "MB")),
    ]


def told(recipe: Mapping[str, Any]) -> str:
    """What a recipe says of the amount of work."""
    return f"{recipe['method']}, {recipe['options']['steps']} steps, {recipe['threads']} threads"
