"""The table of ``benchmarks.student`` on tiny pictures and a tiny student."""

import csv

import numpy as np
import pytest
from benchmarks import student
from PIL import Image

from zeroshift.bench.items import Row, write_plain
from zeroshift.distillation.pairs import About, write_about

WAYS = (("cat", "dog"), ("dog", "cat"))


@pytest.mark.slow
def test_a_student_beside_its_teacher(capsys, checkpoint, student_folder, tmp_path):
    pets, drawn = tmp_path / "pets", np.random.default_rng(0)
    (pets / "pictures").mkdir(parents=True)
    rows = []
    for animal, other in WAYS:
        for name in (f"{animal}-a", f"{animal}-b"):
            file, words = f"pictures/{name}.png", (f"a photo of a {animal}", f"a photo of a {other}")
            Image.fromarray(drawn.integers(0, 256, (32, 32, 3), np.uint8)).save(pets / file)
            rows.append(Row(name, file, animal, other, *words, f"bench-test {animal}-{other}"))
    write_plain(pets, "tiny", rows)
    pairs = []
    for animal, other in WAYS:
        about = About(animal, other, "sdedit", {"steps": 2}, "tiny", "0", 32)
        pairs.append(tmp_path / f"{animal}-{other}")
        write_about(pairs[-1], about)
    out = tmp_path / "out"
    student.main([str(pets), str(student_folder), *map(str, pairs), "--out", str(out), "--model", str(checkpoint)])
    said = capsys.readouterr().out.splitlines()
    header, _, cats, dogs, _, *pace = said[said.index(student.HEAD[0]) :]
    assert header.count("|") == cats.count("|") == dogs.count("|")
    assert cats.startswith("| cat → dog (2, ") and dogs.startswith("| dog → cat (2, ")
    assert pace[-1].endswith("times as long as the student's edit.")
    with (out / "items.csv").open() as file:
        items = sorted(row["item"] for row in csv.DictReader(file))
    assert items == ["cat-a", "cat-b", "dog-a", "dog-b"]
    assert (out / "table.md").is_file() and (out / "edits.png").is_file()
