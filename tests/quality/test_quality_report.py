"""The report of a model's figures, and the command that writes it."""

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from tests.shell import call, refused
from zeroshift.cli.quality import follow
from zeroshift.inversion.base import finished
from zeroshift.miniature.quality.card import BEGIN, END
from zeroshift.miniature.quality.extent import Extent
from zeroshift.miniature.quality.figures import Quality, print_report, report
from zeroshift.miniature.quality.subject import recommended_guidance
from zeroshift.translate import Progress

FEW = Extent(per_class=2, per_coat=3, inversions=2, steps=2)


def followed(work: Generator[Progress, None, Quality]) -> tuple[dict[str, tuple[int, int]], Quality]:
    """Return how far every stage came, of how much, and the result."""
    ends: dict[str, tuple[int, int]] = {}
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            return ends, end.value
        ends[step.stage] = (step.done, step.total)


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def test_the_report_is_written_and_repeats(model: Path, coated: Path, tmp_path: Path) -> None:
    first = finished(report(model, coated, tmp_path / "a", replace(FEW, bench_test=True), 2.0))
    figures = first.figures
    assert json.loads((tmp_path / "a" / "quality.json").read_text()) == first.as_dict()
    assert first.left_out == ()
    sizes = {name: size_of(tmp_path / "a" / f"{name}.png") for name in ("samples", "coats", "neighbours")}
    assert sizes == {"samples": (8 * 16, 16), "coats": (3 * 16, 2 * 16), "neighbours": (11 * 16, 4 * 16)}
    assert figures["prompt_agreement"] == (figures["prompt_agreement_cat"] + figures["prompt_agreement_dog"]) / 2
    assert figures["coat_agreement"] == (figures["coat_agreement_cat_orange"] + figures["coat_agreement_dog_black"]) / 2
    assert figures["classifier_coat_accuracy"] in (0, 1)  # one picture was labelled by hand
    assert 5 < figures["vae_psnr_db"] < figures["patch_pca_psnr_db"] < 20
    assert figures["inversions"] == 2
    assert {f"caption_{name}_accuracy" for name in ("animal", "style", "renderings_animal")} < figures.keys()
    assert "classifier_bench_test_balanced_accuracy" in figures
    for side in ("samples", "test"):
        assert -1 < figures[f"nearest_{side}_mean"] < figures[f"nearest_{side}_max"] < 1
    assert figures["kid_half_deviation"] > 0
    assert {row["reached"] for row in first.as_dict()["bars"][2:6]} == {None}
    steps, again = followed(report(model, coated, tmp_path / "b", FEW, 2.0))
    assert steps == {"photographs": (4, 4), "samples": (4, 4), "coats": (6, 6), "inversions": (2, 2)}
    assert again.figures.items() < figures.items()
    for name in sizes:
        assert (tmp_path / "a" / f"{name}.png").read_bytes() == (tmp_path / "b" / f"{name}.png").read_bytes()


def test_what_cannot_be_measured_is_left_out(model: Path, data: Path, tmp_path: Path) -> None:
    plain = finished(report(model, data, tmp_path, Extent(per_class=1, per_coat=1, inversions=0, steps=1)))
    assert [sentence.split(":")[0] for sentence in plain.left_out] == [
        "The classifier's coats",
        "The samples' coats",
        "Inversion",
    ]
    assert not [name for name in plain.figures if "coat" in name or "inversion" in name]
    assert not (tmp_path / "coats.png").exists()


def test_the_guidance_scale_is_the_presets_unless_given(model: Path, data: Path, tmp_path: Path) -> None:
    assert recommended_guidance(model) == 5.0
    preset = model / "presets.json"
    preset.write_text(json.dumps({"pix2pix-zero": {"options": {"guidance_scale": 3}}}))
    try:
        few = Extent(per_class=1, per_coat=0, inversions=0, steps=1)
        assert finished(report(model, data, tmp_path, few)).figures["guidance_scale"] == 3.0
    finally:
        preset.unlink()


def test_the_table_names_every_figure_and_what_is_missing() -> None:
    console = Console(record=True, width=120)
    figures = {
        "steps": 50.0,
        "prompts": 200.0,
        "vae_psnr_db": 26.123,
        "patch_pca_psnr_db": 24.0,
        "prompt_agreement": 0.985,
        "kid_samples": -0.25,
        "kid_coarsened": 0.5,
        "classifier_test_balanced_accuracy": 0.96,
    }
    print_report(Quality(figures, ("Coats: there are none.",)), console)
    text = console.export_text()
    rows = {
        line.split("│")[1].strip(): [c.strip() for c in line.split("│")[2:-1]]
        for line in text.splitlines()
        if "│" in line
    }
    assert rows["autoencoder, test photographs, mean of their PSNRs"] == ["26.12 dB", "≥ 27.00 dB", "no"]
    assert rows["the same above patch PCA with as many latent values"] == ["2.12 dB", "≥ 2.00 dB", "yes"]
    assert rows["samples that show their prompt's animal"] == ["98.5 %", "≥ 97.0 %", "yes"]
    assert rows["samples that show their prompt's coat, mean over pairs"] == ["not measured", "≥ 70.0 %", ""]
    assert rows["KID of samples to half of test, mean of halvings"] == ["-0.25", "≤ 0.5", "yes"]
    assert rows["prompt agreement"] == ["0.985"]
    assert "Left out. Coats: there are none." in text


def test_coats_that_the_judge_does_not_know_are_named(model: Path, coated: Path, tmp_path: Path) -> None:
    table = coated / "captions.csv"
    table.write_text(table.read_text().replace(",black,", ",grey,"))
    few = Extent(per_class=1, per_coat=1, inversions=0, steps=1)
    found = finished(report(model, coated, tmp_path, few))
    assert "The samples' coats that the classifier does not know: grey dog." in found.left_out
    assert "coat_agreement_cat_orange" in found.figures and "coat_agreement_dog_grey" not in found.figures


def test_the_command_measures_and_writes_the_card(
    model: Path, coated: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(
        "zeroshift.miniature.quality.extent.FULL", Extent(per_class=1, per_coat=1, inversions=1, steps=2)
    )
    card = tmp_path / "card.md"
    card.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    few = ("--per-class", 1, "--per-coat", 1, "--inversions", 1, "--steps", 2)
    done = call(capsys, "quality", coated, "-o", tmp_path / "out", "--model", model, "--card", card, "--json", *few)
    assert done.code == 0
    assert json.loads(done.out) == json.loads((tmp_path / "out" / "quality.json").read_text())
    written = card.read_text()
    assert written.startswith(f"before\n{BEGIN}\n\n| figure |") and written.endswith(f"\n\n{END}\nafter\n")
    assert "old" not in written
    assert "Coats, 1 samples each: cat orange" in written
    for text in (written, done.out, done.err):
        assert str(tmp_path) not in text and str(model) not in text and str(coated) not in text


def test_a_card_without_marks_is_refused_before_the_work(model: Path, data: Path, tmp_path: Path, capsys) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"{END}{BEGIN}")
    for place in (card, tmp_path / "none.md"):
        done = call(capsys, "quality", data, "-o", tmp_path / "out", "--model", model, "--card", place)
        refused(done, 1, BEGIN, "mark with them")


def test_less_than_a_card_says_is_refused_before_the_work(model: Path, data: Path, tmp_path: Path, capsys) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"{BEGIN}{END}")
    for less in (("--per-class", 5), ("--per-coat", 2), ("--inversions", 5), ("--steps", 20)):
        done = call(capsys, "quality", data, "-o", tmp_path / "out", "--model", model, "--card", card, *less)
        refused(done, 2, "100 prompts per animal", "leave the card out")
    assert card.read_text() == f"{BEGIN}{END}"


@pytest.mark.parametrize("terminal", [False, True])
def test_the_command_shows_how_far_it_is(monkeypatch, capsys, terminal: bool) -> None:
    def work() -> Generator[Progress, None, str]:
        for done in range(3):
            yield Progress("samples", done, 2, None)
        return "figures"

    monkeypatch.setattr("zeroshift.cli.quality.PAUSE", -1.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    assert follow(work(), silent=True) == "figures"
    assert capsys.readouterr().err == ""
    assert follow(work(), silent=False) == "figures"
    said = capsys.readouterr()
    assert said.out == ""
    assert ("samples" if terminal else "samples 2/2") in said.err
