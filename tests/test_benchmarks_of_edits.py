"""The tables of the benchmarks of edits: every row has its header's columns, and what it says is so."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import animals, detail, fast, intensity, masked, masks
from PIL import Image

from zeroshift import EditSpec
from zeroshift.bench.items import Row, write_plain
from zeroshift.cost.estimate import measure
from zeroshift.methods.fast import FAST

METHODS = ("--methods", "sdedit", "ddim")


@pytest.fixture
def pets(tmp_path):
    """A benchmark of a photograph of a cat and two of dogs, with masks of what shows the animal."""
    drawn = np.random.default_rng(0)
    for folder in ("pictures", "masks"):
        (tmp_path / folder).mkdir()
    rows = []
    for name, source, target in (("a", "cat", "dog"), ("b", "dog", "cat"), ("c", "dog", "cat")):
        picture, mask = f"pictures/{name}.png", f"masks/{name}.png"
        Image.fromarray(drawn.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / picture)
        subject = np.zeros((32, 32), np.uint8)
        subject[8:24, 8:24] = 255
        Image.fromarray(subject).save(tmp_path / mask)
        prompts = (f"a photo of a {animal}" for animal in (source, target))
        rows.append(Row(name, picture, source, target, *prompts, f"bench-val {source}-{target}", mask))
    bare = replace(rows[0], name="d", task="test cat-dog", mask=None)
    write_plain(tmp_path, "Pets", [*rows, bare])
    return tmp_path


def cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.strip("|").split("|")]


def table_of(printed: str) -> list[dict[str, str]]:
    """The rows of the Markdown table that was printed, by its header."""
    _, header, line, *rows = printed.splitlines()
    assert {text.count("|") for text in (header, line, *rows)} == {header.count("|")}
    return [dict(zip(cells(header), cells(row), strict=True)) for row in rows]


@pytest.mark.slow
def test_fast_and_exact_stand_side_by_side_both_ways_and_together(capsys, checkpoint, pets):
    fast.main([str(pets), "--model", str(checkpoint), *METHODS])
    rows = table_of(capsys.readouterr().out)
    assert [(row["method"], row["photographs"]) for row in rows] == [
        (name, who) for name in METHODS[1:] for who in ("cat-dog, 1", "dog-cat, 2", "all 3")
    ]
    assert all(re.fullmatch(r"[\d.]+ → [\d.]+", row["CPU seconds"]) for row in rows)
    assert not any("nan" in cell for row in rows for cell in row.values())
    for row in rows:
        for name in ("difference, dB", "structure lost"):
            assert ("to" in row[name]) == (row["photographs"] != "cat-dog, 1")  # of one there is no interval


def test_what_is_lost_at_most_of_success_is_told_where_nothing_is_lost():
    same = np.ones(24)
    assert fast.successes(same, same) == ("0, 0 of 24", "+0.0 (-10.1)")  # Tango: z² / (n + z²), z of 95 % one-sided
    one, other = np.array([1.0, 0, 1, np.nan]), np.array([1.0, 1, 1, 1])
    alone, apart = fast.successes(one, other)
    assert alone == "1, 0 of 3" and apart.startswith("-33.3 (-")
    assert fast.successes(np.array([math.nan]), np.ones(1)) == ("", "")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("sdedit", "--steps 20 --extras second-order"),
        ("plug-and-play", "--steps 20 --grid multistep"),
        ("style-diffusion", "--steps 15 --inner-steps 20"),
    ],
)
def test_what_fast_stands_for_is_written_in_flags(name, written):
    assert " ".join(fast.flags(FAST[name])) == written


@pytest.mark.slow
def test_costs_are_those_of_the_methods(capsys):
    fast.main(["nowhere", "--cost", "--methods", "sdedit"])
    (row,) = [cells(text) for text in capsys.readouterr().out.splitlines()[2:]]
    usual, quick = (EditSpec(source="cat", target="dog", method="sdedit", fast=way) for way in (False, True))
    assert row[2:] == [f"{measure(one.bare_method).first_edit_sf:.0f}" for one in (quick, usual)]


@pytest.mark.slow
def test_courses_of_strength_have_a_figure_for_each(capsys, checkpoint, pets):
    asked = (str(pets), "--model", str(checkpoint), "--ways", "cat-dog")
    intensity.main([*asked, *METHODS])
    rows = table_of(capsys.readouterr().out)
    assert [(row["method"], row["photographs"]) for row in rows] == [("sdedit", "1"), ("ddim", "1")]
    for row in rows:
        assert len(row["probability"].split()) == len(row["distance"].split()) == len(intensity.STRENGTHS)
        assert row["distance"].startswith("0 ") and not row["distance"].startswith("0 0")


def test_marks_take_the_place_of_the_presets():
    spec = EditSpec(source="cat", target="dog", method="ddim")
    assert intensity.by_marks(spec, [0.6, 0.7, 0.8]).bare_method.conditioning.strength_marks == (0.6, 0.7, 0.8)
    assert intensity.by_marks(spec, None) == spec


@pytest.mark.slow
def test_what_lies_outside_of_the_mask_is_told(capsys, checkpoint, pets):
    masked.main([str(pets), "--split", "bench-val", "--model", str(checkpoint), "--methods", "sdedit"])
    rows = table_of(capsys.readouterr().out)
    assert [row["method, mask"] for row in rows] == ["sdedit, auto"] * 3 + ["sdedit, grown"] * 3
    assert {row["most outside"] for row in rows} == {"0"}
    for mask in ("auto", "grown"):
        assert all(
            re.fullmatch(r"[\d.]+%", row["subject covered"]) for row in rows if row["method, mask"].endswith(mask)
        )
    masks.main([str(pets), "--split", "bench-val", "--model", str(checkpoint)])
    alone = table_of(capsys.readouterr().out)
    assert len(alone) == 3
    for row, own in zip(rows[:3], alone, strict=True):  # of auto both say the same of the mask alone
        assert own["photographs"] == row["photographs"]
        assert own["subject covered"].startswith(row["subject covered"])
        assert own["background kept"].startswith(row["background kept"])


def test_decibels_of_the_mean_error_count_pictures_alike():
    assert masked.of_error(np.array([20.0, 20.0, math.nan])) == pytest.approx(20)
    assert masked.of_error(np.array([math.inf, 20.0])) == pytest.approx(20 + 10 * math.log10(2))
    assert masked.of_error(np.array([math.inf])) == math.inf
    assert masked.mean_where_finite(np.array([math.inf, 20.0, math.nan, 30.0])) == 25


@pytest.mark.slow
def test_detail_brings_the_background_nearer(capsys, checkpoint, pets):
    detail.main([str(pets), "--model", str(checkpoint), "--methods", "sdedit"])
    rows = [row for row in table_of(capsys.readouterr().out) if row["photographs"] == "all 3"]
    near = [float(row["background, dB: median, pooled"].split(",")[0]) for row in rows]
    assert [row["detail"] for row in rows] == ["0", "0.5", "1"]
    assert near == sorted(near)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--split", "bench-test"], "^Pets has no task bench-test cat-dog; it has bench-val cat-dog"),
        (
            ["--split", "test", "--ways", "cat-dog"],
            "^d has no mask of its animal; take the split bench-val or bench-test",
        ),
    ],
)
def test_photographs_that_are_not_there_end_with_a_sentence(checkpoint, pets, words, sentence):
    given = animals.parser("masks", "bench-val").parse_args([str(pets), "--model", str(checkpoint), *words])
    with pytest.raises(SystemExit, match=sentence):
        animals.opened(given, masks=True)


def test_what_reads_no_mask_takes_photographs_without(checkpoint, pets):
    words = ["--split", "test", "--ways", "cat-dog"]
    given = animals.parser("fast", "bench-val").parse_args([str(pets), "--model", str(checkpoint), *words])
    _, ways = animals.opened(given)
    assert [[item.name for item in way.items] for way in ways] == [["d"]]
