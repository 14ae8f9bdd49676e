"""What the comparison writes besides ``zeroshift bench``'s own: tables for a page, diversity over seeds, sheets."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.comparison import Work, arguments, asked, pets, progress, said, said_of_all, unreturned
from benchmarks.costs import EntryCost, cost_table
from benchmarks.diversity import apart, diversity, spread
from benchmarks.drawing import SMALL, WHOLE, drawn
from benchmarks.kids import kids
from benchmarks.plans import defaults as defaults_planned
from benchmarks.plans import is_slow
from benchmarks.sheets import write_sheets
from benchmarks.tables import COSTS, against, beside, by_target, grids, means
from benchmarks.tables import HEADS as HEADS_OF_MEANS
from PIL import Image

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Item
from zeroshift.bench.reconstructing import FILE
from zeroshift.bench.running import Made, Step
from zeroshift.bench.scoring import Scored
from zeroshift.evaluation.features import feature_distance
from zeroshift.evaluation.imagenet import as_bytes, feature_kid, open_judge
from zeroshift.image.sheet import GAP, SIDE
from zeroshift.methods import METHODS

FIGURES = ("imagenet-success", "imagenet-surely", "feature-structure", "feature-distance-outside", "mse-outside")


def row(entry: str, item: str, *figures: float) -> Scored:
    return Scored(entry, item, "task", dict(zip(FIGURES, figures, strict=True)))


def test_means_count_successes_and_pool_errors():
    """Of two pictures with errors of 0 and 0.02 the decibels are those of 0.01, not infinitely many."""
    rows = [row("a", "1", 1, 1, 0.02, 0.4, 0.0), row("a", "2", 0, 0, 0.04, 0.6, 0.02)]
    rows.append(row("a", "3", math.nan, math.nan, 0.03, 0.5, math.nan))
    head, line, first = means(rows)
    cells = first.strip("| ").split(" | ")
    assert head.count("|") == line.count("|") == first.count("|")
    assert cells[:4] == ["a", "3", "1 of 2 (9 to 91 %)", "1"]  # Wilson: 1 / 2 ± 1.96 / (2 √(2 + 1.96²))
    assert cells[4].startswith("0.0300 (") and cells[5].startswith("0.500 (")
    assert cells[6].startswith("20.0 (17.0 to ")
    *_, other = means([row("sketch", "1", math.nan, math.nan, 0.1, math.nan, math.nan)])
    assert other == "| sketch | 1 |  |  | 0.1000 |  |  |"


def test_columns_of_means_stand_where_somebody_measured_them():
    rows = [row("a", "1", 1, 1, 0.02, 0.4, 0.01), row("b", "1", 1, 1, 0.02, 0.4, 0.01)]
    rows[0] = replace(rows[0], seconds=2.0, figures={**rows[0].figures, "reconstruction": 31.25})
    head, _, first, second = means(rows)
    assert head == f"| {' | '.join([*HEADS_OF_MEANS, 'reconstruction, dB'])} |"
    assert first.endswith(" | 31.2 |") and second.endswith(" |  |")
    head, rule, first, second = means(rows, {"b": EntryCost("b", 147.2, 97.0, math.nan, 1.26)})
    assert head == f"| {' | '.join([*HEADS_OF_MEANS, 'reconstruction, dB', *COSTS])} |"
    assert first.endswith(" | 31.2 |  |  |") and second.endswith(" |  | 147 | 1.3 |")
    assert head.count("|") == rule.count("|") == first.count("|") == second.count("|")


def test_methods_stand_by_what_they_cost():
    """Entries that are no method as it is have no line there, for the paper has no such row."""
    found = [EntryCost("dear", 900, 68, 2000, 9.0), EntryCost("cheap", 58.4, 58, 72, 0.5)]
    found.append(EntryCost("cheap@0.7", 40, 40, math.nan, 0.4))
    head, _, *lines = cost_table({one.entry: one for one in found})
    assert head.startswith("| SF | first edit |")
    assert lines == ["| cheap | 58 | 58 | 72 |", "| dear | 900 | 68 | 2000 |"]


def test_edits_are_set_beside_photographs_of_what_they_show(tmp_path):
    """Two edits into dogs beside the two dogs that are to become cats; an entry without edits has no line."""
    noise, words = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), np.uint8), ["cat", "cat", "dog", "dog"]
    items = []
    for k, (word, pixels) in enumerate(zip(words, noise, strict=False)):
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
        items.append(Item(f"{k}", tmp_path / f"{k}.png", word, "dog" if word == "cat" else "cat", "", "", word))
    whole, entries = Benchmark("x", tuple(items)), [Entry("a"), Entry("b")]
    (tmp_path / "a").mkdir()
    for k, pixels in enumerate(noise[4:]):
        Image.fromarray(pixels).save(tmp_path / f"a/{k}.png")
    judge = open_judge()
    edits, dogs = ([Image.fromarray(pixels) for pixels in noise[first : first + 2]] for first in (4, 2))
    wanted = feature_kid(judge.look(edits), judge.look(dogs))
    head, _, line = kids(judge, whole.of_tasks(["cat"]), whole, entries, tmp_path)
    assert head == "|  | feature-kid to a dog |" and line == f"| a | {wanted:.3f} (2) |"


def test_the_comparison_says_what_it_is_about_to_do(monkeypatch):
    """Hours at most, where they are known, and none where nothing is to be made; what there is goes on request."""
    bench, entries, todo = Benchmark("x", ()), [Entry("a")], [(Item("1", Path(), *"stuvw"), Entry("a"))] * 2
    left = (todo, [], 5400.0), ([], [], 0.0), (todo, [], None), ([], todo, 360.0)
    long, done, unknown, back = (Work("defaults", bench, entries, *one) for one in left)
    assert said(long) == "defaults: 2 edits to make, 0 items by 1 entries, about 1.5 h at most"
    assert said(done).endswith("0 edits to make, 0 items by 1 entries") and said(unknown).endswith("1 entries")
    assert said(back).endswith("by 1 entries, 2 photographs to come back, about 0.1 h at most")
    assert said_of_all([long, done, long, back]).startswith("in all 4 edits to make, about 3.1 h at most;")
    assert said_of_all([long, unknown]).startswith("in all 4 edits to make, more than 1.5 h;")
    assert said_of_all([done]).startswith("in all 0 edits to make;")
    monkeypatch.setattr("sys.argv", ["comparison", "data", "out", "--overwrite"])
    assert arguments().overwrite and not arguments().reconstruct


def test_a_folder_without_captions_is_refused_in_one_sentence(tmp_path, capfd):
    with pytest.raises(SystemExit, match="1"):
        pets(tmp_path, tmp_path / "out", "defaults")
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "has no captions.csv" in lines[0]
    assert not (tmp_path / "out/pets").exists()


def test_the_comparison_says_how_long_the_rest_takes():
    """Three of twelve in a minute: nine take three; the last one says nothing of a rest, a failure what failed."""
    made = Made("ddim", "cat", 1.5)
    assert progress(Step(3, 12, made), 60) == "3 of 12: ddim cat, 1.5 s; about 3 min left"
    assert progress(Step(12, 12, replace(made, error="no.")), 60) == "12 of 12: ddim cat, 1.5 s, failed: no."


def test_differences_are_over_items_that_both_have():
    rows = [row("base", "1", 1, 1, 0.02, 0.4, 0.01), row("base", "2", 1, 1, 0.02, 0.4, 0.01)]
    rows += [
        row("new", "1", 0, 0, 0.03, 0.3, 0.012),
        row("new", "2", 1, 1, 0.05, 0.3, 0.012),
        row("new", "3", 1, 1, *[9] * 3),
    ]
    *_, line = beside(rows, "base")
    cells = line.strip("| ").split(" | ")
    assert cells[:4] == ["new", "2", "-50 (-91 to +49)", "1.00"]
    assert cells[4].startswith("+0.0200 (+0.01") and cells[5].startswith("-0.100 (") and cells[6].startswith("+2.0 (")


def test_differences_that_are_rare_or_none_are_written_to_be_read():
    """Of ten flips that only the baseline has p is 2 / 2¹⁰; a difference that rounds to none has no sign of its own."""
    rows = [row("base", f"{k}", 1, 1, 0.02, 0.4, 0.01) for k in range(10)]
    rows += [row("new", f"{k}", 0, 0, 0.01999, 0.39999, 0.01) for k in range(10)]
    *_, line = beside(rows, "base")
    cells = line.strip("| ").split(" | ")
    assert (
        cells[3] == "< 0.01" and cells[4].startswith("+0.0000 (+0.0000 to ") and cells[5].startswith("+0.000 (+0.000")
    )


def test_the_matrix_has_a_row_per_inversion_and_a_column_per_method():
    rows = [row(f"{way}+sdedit", k, 1, 1, 0.02, 0.4, 0.01) for way in ("ddim", "edit-friendly") for k in "12"]
    lines = grids([*rows, row("ddim+ddim", "1", 0, 0, 0.04, 0.6, 0.001)])
    flips, structure, _, decibels = (lines[k : k + 7] for k in range(0, len(lines), 7))
    assert flips[2:6] == [
        "|  | sdedit | ddim |",
        "|---|---|---|",
        "| ddim | 2 of 2 (2) | 0 of 1 (0) |",
        "| edit-friendly | 2 of 2 (2) |  |",
    ]
    assert structure[4] == "| ddim | 0.0200 (0.0200 to 0.0200) | 0.0400 |"
    assert decibels[4].endswith("| 30.0 |")


def test_a_method_stands_beside_another_at_what_both_were_asked_for():
    names = ("ddim@0.7", "ddim", "sdedit@0.7", "sdedit", "sdedit+auto")
    rows = [row(name, "1", 1, 1, 0.01 * k, 0.4, 0.01) for k, name in enumerate(names, 1)]
    _, _, weak, full = against(rows, "sdedit", "ddim")
    assert (weak, full) == tuple(beside(rows[k : k + 3 : 2], rows[k].entry)[-1] for k in (0, 1))
    assert "| +0.0200 |" in weak


def test_targets_have_a_table_each():
    tiger = Scored("sdedit", "1", "bench-test cat-tiger", {"imagenet-success": 1.0, "mse": 0.01})
    sketches = [
        Scored("sdedit", "1", f"bench-test {one}-sketch", {"shipped-clip-accuracy": 1.0}) for one in ("cat", "dog")
    ]
    lines = by_target([tiger, *sketches])
    assert [line for line in lines if line.endswith(":")] == ["tiger:", "sketch:"]
    assert lines[4].startswith("| sdedit | 1 | 1 of 1 (21 to 100 %) |  |  |") and lines[4].endswith("| 20.0 |")
    assert lines[10].startswith("| sdedit | 2 |  |  | 2 of 2 |")


@pytest.fixture
def seeded(tmp_path) -> tuple[Benchmark, list[Entry]]:
    """A photograph with three edits, two of them the same but for their seed's name."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    Image.fromarray(noise[0]).save(tmp_path / "cat.png")
    entries = [Entry(f"sdedit-seed{k}", "sdedit", seed=k) for k in range(3)]
    for entry, pixels in zip(entries, noise[[1, 1, 2]], strict=True):
        (tmp_path / entry.name).mkdir()
        Image.fromarray(pixels).save(tmp_path / entry.name / "one.png")
    item = Item("one", tmp_path / "cat.png", "cat", "dog", "a photo of a cat", "a photo of a dog", "cat-dog")
    return Benchmark("x", (item,), root=tmp_path), entries


def test_diversity_is_the_mean_distance_of_pairs(seeded):
    """Of three edits, of which two are equal: two thirds of the distance of the others."""
    (bench, entries), judge = seeded, open_judge()
    files = [bench.root / "cat.png", *(bench.root / f"sdedit-seed{k}/one.png" for k in (1, 2))]
    photograph, one, other = (as_bytes(Image.open(path)) for path in files)
    distance = float(feature_distance(judge, one, other))
    near, far = (float(feature_distance(judge, photograph, edit)) for edit in (one, other))
    *_, line = diversity(apart(judge, bench, entries, bench.root))
    assert line.startswith(f"| sdedit | 1 | {2 / 3 * distance:.3f} | {(2 * near + far) / 3:.3f} |")
    assert spread(judge, bench.items[0], entries[:1], bench.root) is None
    assert diversity(apart(judge, bench, [Entry("sdedit")], bench.root)) == []


def test_sheets_have_a_row_per_entry_and_a_column_per_item(seeded):
    bench, entries = seeded
    (path,) = write_sheets(bench, [*entries, Entry("ddim", "ddim")], bench.root)
    with Image.open(path) as table:
        assert path == bench.root.with_name(f"{bench.root.name}-sdedit.png") and table.height >= 4 * (SIDE + GAP)


def test_sheets_of_a_comparison_that_was_stopped(seeded):
    """An edit that is not there yet leaves a grey cell, and the others stay where they belong."""
    bench, entries = seeded
    (bench.root / "sdedit-seed1/one.png").unlink()
    (path,) = write_sheets(bench, entries, bench.root)
    with Image.open(path) as table:
        corners = [table.getpixel((table.width - GAP - 3, table.height - GAP - 3 - k * (SIDE + GAP))) for k in range(3)]
    assert [corner == (211, 211, 211) for corner in corners] == [False, True, False]


def test_some_entries_get_fewer_items():
    """Every method is compared as it is on all items; what is tuned on, only tuning reads, and nothing else."""
    names = [f"{split} {task}" for split in ("test", "bench-test", "bench-val") for task in ("cat-dog", "dog-cat")]
    words = ("cat", "dog", "a photo of a cat", "a photo of a dog")
    items = tuple(Item(f"{name} {k}", Path(), *words, name) for name in names for k in range(30))
    whole = Benchmark("x", items)
    for sizes in (WHOLE, SMALL):
        for part, lines in sizes.items():
            splits = {item.task.split()[0] for item in drawn(whole, lines, fewer=False).items}
            assert (splits == {"bench-val"}) == (part == "tuning")
    (many, own), (few, others) = asked("defaults", whole, SMALL["defaults"], ["*"])
    assert {item.name for item in few.items} < {item.name for item in many.items}
    assert {one.name for one in own} == {method.name for method in METHODS}
    assert {one.method for one in others} == {one.name for one in own}
    (many, fast), (few, slow) = asked("ablations", whole, (("*", 2, 1),), ["*"])
    assert {one.method for one in slow} == {"style-diffusion", "mirror-diffusion"}
    assert len(few.items) < len(many.items) and not any(is_slow(one) for one in fast)


def test_returning_photographs_are_measured_once_a_method(tmp_path):
    """Other strengths and masks invert alike; what was measured is not measured again."""
    bench = Benchmark("x", tuple(Item(name, Path(), *"stuvw") for name in ("1", "2")))
    (tmp_path / "ddim").mkdir()
    (tmp_path / "ddim" / FILE).write_text('{"1": {"decibels": 30.0, "edit_sha256": "e"}}')
    found = unreturned(bench, defaults_planned(), tmp_path)
    inverting = {method.name for method in METHODS} - {"sdedit"}  # which begins with fresh noise
    wanted = {(k, name) for name in inverting for k in "12"} - {("1", "ddim")}
    assert {(item.name, entry.name) for item, entry in found} == wanted and len(found) == len(wanted)
