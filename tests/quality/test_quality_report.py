"""The report of a model's figures, and the command that writes it."""

import json
import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from tests.shell import call
from zeroshift.cli.quality import follow
from zeroshift.extras import lacking
from zeroshift.inversion.base import finished
from zeroshift.miniature.quality.extent import Extent
from zeroshift.miniature.quality.figures import Quality, print_report, report
from zeroshift.miniature.quality.subject import recommended_guidance
from zeroshift.miniature.quality.table import table
from zeroshift.miniature.restorer import TrainedRestorer, load_restorer, save_restorer
from zeroshift.miniature.restorer_network import RestorerNetwork
from zeroshift.running.walking import Progress

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


def test_a_model_without_a_classifier_is_told_how_one_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model").mkdir()
    found = call(capsys, "quality", tmp_path / "pictures", "--model", tmp_path / "model", "-o", tmp_path / "out")
    made = f"python -m zeroshift.miniature.training.classifier {tmp_path / 'pictures'} {tmp_path / 'model/classifier'}"
    assert (
        found.code != 0
        and f"has no classifier, by which its samples are judged; train one there: `{made}`" in found.err
    )


@pytest.mark.slow
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
    for animal in ("cat", "dog"):
        assert 0 <= figures[f"imagenet_share_{animal}"] <= 1
    steps, again = followed(report(model, coated, tmp_path / "b", FEW, 2.0))
    assert steps == {
        "photographs": (4, 4),
        "samples": (4, 4),
        "imagenet": (2, 2),
        "coats": (6, 6),
        "inversions": (2, 2),
    }
    assert again.figures.items() < figures.items()
    for name in sizes:
        assert (tmp_path / "a" / f"{name}.png").read_bytes() == (tmp_path / "b" / f"{name}.png").read_bytes()


def test_samples_are_shown_and_looked_at_as_the_restorer_redraws_them(model: Path, data: Path, tmp_path: Path) -> None:
    few = Extent(per_class=2, per_coat=0, inversions=0, steps=1)
    plain = finished(report(model, data, tmp_path / "plain", few)).figures
    torch.manual_seed(0)
    network = RestorerNetwork()
    torch.nn.init.normal_(network.last.weight, std=0.05)
    save_restorer(TrainedRestorer(network, ("cat", "dog")), model / "restorer")
    try:
        redrawn = finished(report(model, data, tmp_path / "redrawn", few)).figures
        own = load_restorer(model / "restorer")
    finally:
        shutil.rmtree(model / "restorer")
    assert not [name for name in plain if "restored" in name]
    assert {name for name in redrawn if "restored" in name} >= {f"imagenet_restored_share_{a}" for a in ("cat", "dog")}
    assert plain.items() <= redrawn.items()
    with Image.open(tmp_path / "plain/samples.png") as before, Image.open(tmp_path / "redrawn/samples.png") as after:
        first = (0, 0, 16, 16)  # of the grid
        assert after.crop(first).tobytes() == own.restored(before.crop(first).convert("RGB")).tobytes()


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


def test_the_table_names_what_there_is_and_what_is_missing() -> None:
    console = Console(record=True, width=120)
    figures = {
        "steps": 50.0,
        "prompts": 200.0,
        "vae_psnr_db": 26.123,
        "prompt_agreement": 0.985,
        "imagenet_share_dog": 0.75,
        "imagenet_distance_samples_dog": 0.354321,
        "imagenet_distance_deviation_samples_dog": 0.01,
    }
    print_report(Quality(figures, ("Coats: there are none.",)), console)
    text = console.export_text()
    rows = [[c.strip() for c in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert rows == [
        ["autoencoder, test photographs, mean of their PSNRs", "26.12 dB"],
        ["samples that show their prompt's animal, by the classifier", "98.5 %"],
        ["samples of a dog that an ImageNet network takes for one", "75.0 %"],
        ["kernel distance of its features, samples of a dog to photographs", "0.3543"],
    ]
    assert "Left out. Coats: there are none." in text
    assert table(figures).splitlines()[2] == "| autoencoder, `test` photographs, mean of their PSNRs | 26.12 dB |"
    assert len(table(figures).splitlines()) == 6


def test_without_the_network_its_figures_are_left_out(model: Path, data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zeroshift.miniature.quality.subject.JUDGE", "no_such_package")
    found = finished(report(model, data, tmp_path, Extent(per_class=1, per_coat=0, inversions=0, steps=1)))
    assert f"What an ImageNet network sees: it is not installed; {lacking('eval')}." in found.left_out
    assert not [name for name in found.figures if name.startswith("imagenet")]


def test_coats_that_the_judge_does_not_know_are_named(model: Path, coated: Path, tmp_path: Path) -> None:
    table = coated / "captions.csv"
    table.write_text(table.read_text().replace(",black,", ",grey,"))
    few = Extent(per_class=1, per_coat=1, inversions=0, steps=1)
    found = finished(report(model, coated, tmp_path, few))
    assert "The samples' coats that the classifier does not know: grey dog." in found.left_out
    assert "coat_agreement_cat_orange" in found.figures and "coat_agreement_dog_grey" not in found.figures


def test_the_command_measures(model: Path, coated: Path, tmp_path: Path, capsys) -> None:
    few = ("--per-class", 1, "--per-coat", 1, "--inversions", 1, "--steps", 2)
    done = call(capsys, "quality", coated, "-o", tmp_path / "out", "--model", model, "--json", *few)
    assert done.code == 0
    assert json.loads(done.out) == json.loads((tmp_path / "out" / "quality.json").read_text())
    assert "coat_agreement_cat_orange" in json.loads(done.out)["figures"]
    for text in (done.out, done.err):
        assert str(tmp_path) not in text and str(model) not in text and str(coated) not in text


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
