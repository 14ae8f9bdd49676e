"""The tables of the benchmarks of edits: every row has its header's columns, and numbers."""

import re

import numpy as np
import pytest
from benchmarks import detail, fast, intensity, masked
from PIL import Image

METHODS = ("--methods", "sdedit", "ddim")


@pytest.fixture
def pictures(tmp_path):
    """Two photographs, and beside them masks: a subject, its border and background."""
    drawn = np.random.default_rng(0)
    for folder in ("pictures", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b"):
        Image.fromarray(drawn.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / "pictures" / f"{name}.png")
        truth = np.full((32, 32), 2, np.uint8)
        truth[8:24, 8:24] = 1
        Image.fromarray(truth).save(tmp_path / "masks" / f"{name}.png")
    return tmp_path / "pictures"


@pytest.mark.slow
@pytest.mark.parametrize("table", [fast, intensity])
def test_rows_have_the_headers_columns(capsys, checkpoint, pictures, table):
    table.main([str(pictures), "cat", "dog", "--model", str(checkpoint), *METHODS])
    first, header, line, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("2 pictures, cat to dog") and [row.split(" | ")[0] for row in rows] == [
        "| sdedit",
        "| ddim",
    ]
    assert {text.count("|") for text in (header, line, *rows)} == {header.count("|")}


@pytest.mark.slow
def test_what_lies_outside_of_the_mask_is_told(capsys, checkpoint, pictures):
    asked = (str(pictures), "cat", "dog", str(pictures.parent / "masks"), "--model", str(checkpoint))
    masked.main([*asked, "--method", "sdedit"])
    said = capsys.readouterr().out
    assert "2 pictures, cat to dog, sdedit" in said and "largest change outside of the mask 0" in said
    assert re.search(r"subject covered [\d.]+%, background kept [\d.]+%", said)


@pytest.mark.slow
def test_detail_brings_the_background_nearer(capsys, checkpoint, pictures):
    asked = (str(pictures), "cat", "dog", str(pictures.parent / "masks"), "--model", str(checkpoint))
    detail.main([*asked, "--method", "sdedit"])
    header, line, *rows = capsys.readouterr().out.splitlines()[1:]
    assert {text.count("|") for text in (header, line, *rows)} == {header.count("|")}
    near = [float(row.split("|")[2].split(",")[0]) for row in rows]
    assert len(near) == 3 and near == sorted(near)
