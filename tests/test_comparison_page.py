"""The page of the comparison: tables of single edits in the repository, and every number of the page made of them."""

import csv
import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from benchmarks.comparison import PARTS, TUNING
from benchmarks.comparison_page import FOLDER, MARK, PAGE, ROOT, is_there, renewed, table
from benchmarks.costs import EntryCost
from benchmarks.diversity import HEADS, Apart, apart, diversity
from benchmarks.markdown import row as row_of
from benchmarks.published import COST, KEPT, SEEDS, publish, read_rows, write_rows
from benchmarks.tables import COSTS, MORE, beside, by_target, means
from PIL import Image
from remake.pages import MARKED, marks, pages

from tests.shell import call
from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Row, read_plain, write_plain
from zeroshift.bench.running import write_run
from zeroshift.bench.scoring import Scored
from zeroshift.bench.table import read_csv, write_csv
from zeroshift.evaluation.imagenet import open_judge

FIGURES = ("imagenet-success", "imagenet-surely", "feature-structure", "feature-distance-outside", "mse-outside")


def row(entry: str, item: str, *figures: float) -> Scored:
    told = ("pets", "corrected", "{}")
    return Scored(entry, item, "task", dict(zip(FIGURES, figures, strict=True)), 1.5, "", "e", "s", "p", "x", *told)


@pytest.fixture
def out(tmp_path) -> Path:
    """A comparison's folder with the part ``defaults``."""
    rows = [row(name, k, 1, 1, 0.0212345678, 0.4, 0.01) for name in ("ddim", "sdedit", "sdedit+auto") for k in "12"]
    rows.append(row("ddim", "3", math.nan, math.nan, 0.1, 0.5, 0.02))
    (tmp_path / "out/defaults").mkdir(parents=True)
    write_csv(rows, tmp_path / "out/defaults/items.csv")
    return tmp_path / "out"


def test_published_rows_are_those_of_the_comparison_without_places(out, tmp_path):
    """Six digits of every figure, what is not defined stays so, and nothing says where files lay."""
    publish("defaults", out, tmp_path / "tables")
    before, after = (read_csv(path) for path in (out / "defaults/items.csv", tmp_path / "tables/defaults.csv"))
    assert [(one.entry, one.item, one.task, one.seconds) for one in after] == [
        (one.entry, one.item, one.task, one.seconds) for one in before
    ]
    for one, other in zip(before, after, strict=True):
        assert other.figures == pytest.approx(one.figures, rel=5e-6, nan_ok=True)
        assert not (other.source or other.edit or other.source_sha256 or other.edit_sha256)
    assert after[0].figures["feature-structure"] == 0.0212346


def test_published_tables_make_a_report(out, tmp_path, capsys):
    """Pictures are not in the repository: their places in the report are empty, and the figures are all there."""
    publish("defaults", out, tmp_path)
    done = call(capsys, "bench", "report", str(tmp_path / "defaults.csv"), "-o", str(tmp_path / "report.html"))
    assert done.code == 0 and "sdedit+auto" in (tmp_path / "report.html").read_text()


def test_the_page_has_tables_of_the_entries_that_its_marks_name(out, tmp_path):
    tables = tmp_path / "tables"
    publish("defaults", out, tables)
    rows = read_csv(tables / "defaults.csv")
    first = [one for one in rows if one.entry != "sdedit+auto"]
    assert table("compared means defaults s*t ddim", tables) == "\n".join(means(first))
    assert table("compared beside defaults", tables) == "\n".join(beside(rows, "ddim"))
    assert table("compared beside defaults sdedit", tables) == "\n".join(beside(first, "ddim"))
    write_rows([EntryCost("ddim", 147, 97, 147, 1.5)], tables / COST)
    assert "| 147 | 1.5 |" in table("compared means defaults", tables)
    assert table("compared cost", tables).endswith("| ddim | 147 | 97 | 147 |")


def test_prose_takes_single_values_from_the_same_tables(out, tmp_path):
    publish("defaults", out, tmp_path)
    assert table("compared cell defaults ddim flipped", tmp_path) == "2 of 2"
    assert table("compared cell defaults ddim photographs", tmp_path) == "3"
    assert table("compared cell defaults sdedit background, dB", tmp_path) == "20.0"
    for mark in ("compared cell defaults ddim colour", "compared cell defaults nobody flipped"):
        with pytest.raises(ValueError, match="There is no"):
            table(mark, tmp_path)


def test_hours_are_those_of_all_edits_of_the_parts(out, tmp_path):
    """Seven edits of 900 s in either of two parts; without the table of one nothing can be said."""
    rows = [replace(one, seconds=900.0) for one in read_csv(out / "defaults/items.csv")]
    assert len(rows) == 7
    for part in ("defaults", "matrix"):
        write_csv(rows, tmp_path / f"{part}.csv")
    assert table("compared hours defaults matrix", tmp_path) == "3.5 h"
    assert is_there("compared hours defaults matrix", tmp_path)
    assert not is_there("compared hours defaults ablations", tmp_path)


def test_places_whose_tables_are_not_there_stay(out, tmp_path):
    publish("defaults", out, tmp_path)
    named = "compared cell defaults ddim photographs", "compared cell matrix ddim photographs", "compared cost"
    text = " ".join(f"<!-- {name} -->?<!-- /{name} -->" for name in named)
    assert [is_there(name, tmp_path) for name in named] == [True, False, False]
    assert renewed(text, tmp_path) == text.replace("?", "3", 1)


def test_diversity_is_published_by_photograph(tmp_path):
    """The rows that the means are of, from pictures: two seeds of one photograph, and one of an entry without."""
    out, noise = tmp_path / "out", np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    for place in ("pets", "diversity/sdedit-seed0", "diversity/sdedit-seed1"):
        (out / place).mkdir(parents=True)
    names = ("pets/cat.png", "diversity/sdedit-seed0/one.png", "diversity/sdedit-seed1/one.png")
    for name, pixels in zip(names, noise, strict=True):
        Image.fromarray(pixels).save(out / name)
    words = ("cat", "dog", "a photo of a cat", "a photo of a dog", "bench-test cat-dog")
    write_plain(out / "pets", "pets", [Row(name, "cat.png", *words) for name in ("one", "other")])
    bench, entries = read_plain(out / "pets"), [Entry(f"sdedit-seed{k}", "sdedit", seed=k) for k in (0, 1)]
    write_run(out / "diversity", bench, entries, "tiny", 0, "run")
    scored = [replace(row(entry.name, "one", 1, 1, 0.1, 0.4, 0.1), task=words[-1]) for entry in entries]
    write_csv(scored, out / "diversity/items.csv")
    publish("diversity", out, tmp_path)
    wanted = apart(open_judge(), Benchmark("pets", bench.items[:1]), entries, out / "diversity")
    found = read_rows(Apart, tmp_path / SEEDS)
    assert [(one.entry, one.item) for one in found] == [("sdedit", "one")]
    assert found[0].between == pytest.approx(wanted[0].between, rel=5e-6)
    assert table("compared diversity", tmp_path) == "\n".join(diversity(found))


def test_tables_that_are_none_are_refused(tmp_path):
    (tmp_path / COST).write_text("entry,first_sf\nddim,many\n")
    with pytest.raises(ValueError, match="no table of this page"):
        read_rows(EntryCost, tmp_path / COST)


def test_what_pages_say_of_the_comparison_is_recomputed_from_the_tables_in_the_repository():
    """Whoever has a clone can make every such number again, but for the part of which the page says it cannot."""
    missing = set[str]()
    for page in pages(ROOT):
        text = page.read_text(encoding="utf-8")
        named = [mark for mark in marks(text) if mark.startswith(f"{MARK} ")]
        missing |= {" ".join(mark.split()[2:3]) or mark for mark in named if not is_there(mark)}
        assert renewed(text) == text, f"{page} is of other tables: run python -m benchmarks.comparison_page"
    assert missing == {TUNING}


def test_there_are_tables_in_the_repository():
    """The test below is of each, and of none would pass."""
    assert {path.stem for path in FOLDER.glob("*.csv")} == {*PARTS, Path(SEEDS).stem, Path(COST).stem}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.csv")), ids=lambda path: path.stem)
def test_tables_in_the_repository_say_nothing_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert "/" not in re.sub(r"[\d.]+/[\d.]+", "", text) and "\\" not in text
    if path.name not in (COST, SEEDS):
        with path.open(newline="", encoding="utf-8") as file:
            heads = next(csv.reader(file))
        assert set(KEPT) & set(heads) and not read_csv(path)[0].source


def test_every_table_of_the_page_stands_between_its_own_marks():
    """Heads tell the forms apart: a table of one part under the mark of another was once there."""
    text = PAGE.read_text(encoding="utf-8")
    one, other = (row(name, "1", 1, 1, 0.02, 0.4, 0.01) for name in ("ddim", "sdedit"))
    heads = {
        "diversity": {row_of(HEADS)},
        "means": {means([])[0]},
        "beside": {beside([one, other], "ddim")[0]},
        "targets": {by_target([replace(one, task="x cat-tiger")])[2]},
    }
    outside = MARKED.sub("", text)
    assert not [line for line in outside.splitlines() if line.startswith("|")]
    for found in MARKED.finditer(text):
        form = found[1].split()[1]
        above = {above for above, line in pairwise(found[2].splitlines()) if line.startswith("|---")}
        if form == "means":  # what was not measured has no column
            extra = {*MORE, *COSTS}
            above = {"".join(f"{cell}|" for cell in one.split("|")[:-1] if cell.strip() not in extra) for one in above}
        if "," in form or form in heads:
            assert above == heads["beside" if "," in form else form], form


def test_values_in_prose_are_those_of_the_tables_beside_them():
    """Of parts that have a table of means: prose and table are filled at once, and no one writes either by hand."""
    text = PAGE.read_text(encoding="utf-8")
    lines = dict[tuple[str, str], dict[str, str]]()
    for found in MARKED.finditer(text):
        if found[1].startswith("compared means"):
            heads, _, *rows = (line.strip("| ").split(" | ") for line in found[2].strip().splitlines())
            named = {cells[0]: dict(zip(heads, cells[1:], strict=False)) for cells in rows}
            lines |= {(found[1].split()[2], name): cells for name, cells in named.items()}
    checked = 0
    for found in MARKED.finditer(text):
        _, form, *rest = found[1].split()
        if form == "cell" and tuple(rest[:2]) in lines:
            checked += 1
            assert lines[rest[0], rest[1]][" ".join(rest[2:])].partition(" (")[0] == found[2], found[1]
    assert checked > 20


def test_the_lines_of_python_on_the_page_find_what_its_table_says(capsys, monkeypatch):
    text = PAGE.read_text(encoding="utf-8")
    (lines,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(PAGE.parent.parent)
    exec(lines, {})
    wanted = [table(f"compared cell defaults plug-and-play {head}") for head in ("flipped", "structure")]
    assert capsys.readouterr().out.split("\n") == [*wanted, ""]


def test_the_page_is_marked_by_nothing_else():
    assert not [mark for mark in marks(PAGE.read_text(encoding="utf-8")) if not mark.startswith(f"{MARK} ")]
