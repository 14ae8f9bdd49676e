"""A short edit by the shipped model, pinned: what it looked like when somebody last looked at the model."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from remake.asked import asked
from remake.place import Job, Jobs, Place
from remake.sitting import Sitting
from zeroshift.files import write_atomically
from zeroshift.image import load_image

FILE = "remake/pinned.json"
WORDS = (
    "--source cat --target dog --fit pad --paper-defaults --steps 5 --guidance-scale 2.5 "
    "--lambda-ac 1.25 --lambda-kl 1.25 --lambda-xa 0.003 --sentences 20"
)
"""independent of presets, so that only weights and code can change the picture"""
SIDE = 16


def jobs() -> Jobs:
    return [Job("pinned", make)]


def make(place: Place) -> str:
    """Write the edit's thumbnail with what it was made by."""
    facts = {
        "made_by": "python -m remake --only pinned",
        "model_sha256": place.backbone.identity.sha256,
        "torch": version("torch"),
        "threads": torch.get_num_threads(),
        "words": WORDS,
        "thumbnail": [row.tobytes().hex() for row in thumbnail(place, WORDS)],
    }
    write_atomically(place.root / FILE, (json.dumps(facts, indent=2) + "\n").encode())
    return FILE


def thumbnail(place: Place, words: str) -> np.ndarray:
    """An edit of ``examples/cat.png`` as bytes (16, 16, 3), each the mean of what it covers."""
    source = load_image(place.root / "examples/cat.png")
    (result,) = Sitting(place.editor(), [source]).edit(asked(words))
    return np.asarray(result.native.resize((SIDE, SIDE), Image.Resampling.BOX))


def read(root: Path) -> tuple[dict[str, object], np.ndarray]:
    """What is pinned: its facts, and the thumbnail's bytes (16, 16, 3)."""
    facts = json.loads((root / FILE).read_text(encoding="utf-8"))
    rows = [np.frombuffer(bytes.fromhex(row), dtype=np.uint8) for row in facts["thumbnail"]]
    return facts, np.stack(rows).reshape(SIDE, SIDE, 3)
