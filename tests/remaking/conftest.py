"""A checkout of one page, one photograph and a tiny model."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from remake.place import Place

from tests.shell import photograph
from zeroshift.miniature.classifier import build_classifier, save_classifier


@pytest.fixture
def place(checkpoint: Path, tmp_path: Path) -> Place:
    """A checkout of one page and one photograph, and a tiny model with a judge."""
    model = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    torch.manual_seed(0)
    save_classifier(build_classifier((8, 8), (1, 1), 16), model / "classifier")
    (tmp_path / "docs/methods").mkdir(parents=True)
    (tmp_path / "examples").mkdir()
    photograph(tmp_path / "examples/cat.png")
    (tmp_path / "README.md").write_text("before <!-- quality -->old<!-- /quality --> after\n")
    return Place(tmp_path, album(tmp_path / "album"), model, words=("--steps", "2"))


def album(folder: Path) -> Path:
    """Write a captioned folder with three pictures of each animal in ``val``."""
    folder.mkdir()
    with (folder / "captions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "split", "species", "caption"])
        for k in range(6):
            animal = ("cat", "dog")[k % 2]
            photograph(folder / f"{k}.png", 32, 32, seed=k)
            table.writerow([f"{k}.png", "val", animal, f"a photo of a {animal}"])
    return folder
