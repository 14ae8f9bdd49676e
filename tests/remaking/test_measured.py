"""``python -m remake``: what is measured and put between the marks of pages."""

import json
from pathlib import Path

import pytest
from PIL import Image
from remake import approximations, inversions, mirror, quality, speed
from remake.pages import marks
from remake.place import Place

from tests.shell import photograph
from zeroshift.image.tensors import psnr, to_bytes, to_tensor
from zeroshift.miniature.classifier import load_classifier

ROOT = Path(__file__).parents[2]


def test_the_mirror_report_becomes_a_table():
    arm = {
        "name": "regularised",
        "psnr_db": {"mean": 27.694, "deviation": 0.001},
        "psnr_to_vae_db": {"mean": 38.42, "deviation": 0.02},
        "ssim_to_vae": {"mean": None, "deviation": 0.0},
        "displacement": [0.02, 0.04],
    }
    *_, alone, row = mirror.table({"vae_psnr_db": 28.05, "arms": [arm]}).split("\n")
    assert alone == "| VAE alone | 28.05 | | | |"
    assert row == "| pix2pix-zero's | 27.69 | 38.42 ± 0.02 | equal | 0.0300, 0.0400 |"


def test_the_mirror_report_is_made_and_put_on_its_page(place):
    page = place.root / "docs/methods/mirror-diffusion.md"
    page.write_text("<!-- mirror -->\n\nold\n\n<!-- /mirror -->\n")
    mirror.make(place)
    report = json.loads((place.work / "mirror/report.json").read_text())
    assert page.read_text() == f"<!-- mirror -->\n\n{mirror.table(report)}\n\n<!-- /mirror -->\n"
    with Image.open(place.root / mirror.FIGURE) as figure:
        assert figure.mode == "L"


def test_an_inversion_that_returns_everything_is_measured_as_such(place):
    (place.root / inversions.PAGE).write_text("| <!-- returned redescription -->old<!-- /returned redescription --> |")
    (job,) = inversions.jobs(place)
    residual = Place(place.root, place.data, place.model, (*place.words, "--optimiser", "residual"))
    figure, _, rest = job.make(residual).partition(" dB, ")
    assert job.name == "inversions/redescription" and rest == inversions.PAGE
    assert float(figure) > 70  # all but a few pixels, which float32 rounds to the next grey level
    assert f">{figure} dB<" in (place.root / inversions.PAGE).read_text()


def test_a_saving_is_worth_what_edits_with_it_are(place):
    page = place.root / approximations.PAGE
    saving = "guidance-until 0.5, guided-rows prompt"
    page.write_text("".join(f"<!-- approximate {name} -->old<!-- /approximate {name} -->" for name in ("none", saving)))
    (job,) = approximations.jobs(pictures=2)
    job.make(place)
    method = place.editor().method(
        "pix2pix-zero",
        {
            "steps": 2,
            "guidance_scale": 4.0,
            "inversion": {"lambda_ac": 0.3125, "lambda_kl": 0.3125},
            "control": {"lambda_xa": 0.03, "guidance_until": 0.5, "guided_rows": "prompt"},
        },
        paper=True,
    )
    judge, flips, distances = load_classifier(place.model / "classifier"), 0, []
    for k, way in ((0, ("cat", "dog")), (1, ("dog", "cat"))):
        source = Image.open(place.data / f"{k}.png")
        made = place.editor().edit(source, *way, method=method)
        edited, plain = (to_bytes((to_tensor([p]) + 1) * 127.5) for p in (made.native, source))
        flips += judge.labels(edited) == [way[1]]
        distances.append(float(psnr(edited, plain)))
    assert f"approximate {saving} -->{sum(distances) / 2:.1f} dB, {flips} of 2<!--" in page.read_text()
    assert "old" not in page.read_text()


@pytest.mark.slow
def test_every_saving_on_the_page_can_be_measured_with_the_others(place):
    """Inversions that keep maps are not those that keep none."""
    found = marks((ROOT / approximations.PAGE).read_text(encoding="utf-8"))
    savings = [name.removeprefix(approximations.MARK) for name in found if name.startswith(approximations.MARK)]
    assert len(savings) == 9
    page = place.root / approximations.PAGE
    page.write_text("".join(f"<!-- approximate {name} -->old<!-- /approximate {name} -->" for name in savings))
    (job,) = approximations.jobs(pictures=2)
    job.make(place)
    assert "old" not in page.read_text()


def test_the_readme_shows_what_was_measured(place):
    (place.work / "quality").mkdir(parents=True)
    (place.work / "quality/quality.json").write_text(json.dumps({"figures": {"prompt_agreement": 0.5}}))
    photograph(place.work / "quality/samples.png")
    quality.fill(place)
    assert "animal, by the classifier | 50.0 % |" in (place.root / "README.md").read_text()
    assert (place.model / "samples.jpg").is_file()


@pytest.mark.slow
def test_the_default_edit_is_run_and_what_it_took_put_on_its_page(place, monkeypatch):
    (place.root / "docs/speed.md").write_text("<!-- speed -->\nold\n<!-- /speed -->\n")
    monkeypatch.setattr(speed, "WORDS", (*speed.WORDS, "--source", "cat", "--sentences", "10"))
    assert speed.make(place) == "docs/speed.md"
    header, _, *rows = (place.root / "docs/speed.md").read_text().split("\n\n")[1].split("\n")
    assert header == "| figure | value |"
    cells = [row.strip("| ").split(" | ") for row in rows]
    (edit, _), (command, _), (memory, gigabytes), (size, megabytes) = (cell[1].split() for cell in cells)
    assert 0 < float(edit) < float(command)  # which also starts and loads
    assert 0.1 < float(memory) < 2 and gigabytes == "GB"
    files = sum(path.stat().st_size for path in place.model.rglob("*") if path.is_file())
    assert float(size) == pytest.approx(files / 1e6, abs=0.01) and megabytes == "MB"
    assert cells[0][0] == "edit by pix2pix-zero, 2 steps, 2 threads"
    with Image.open(place.work / "speed/dog.png") as edited, Image.open(place.root / "examples/cat.png") as cat:
        assert edited.size == cat.size
