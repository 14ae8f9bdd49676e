"""``python -m remake --only presets``: what is measured, and which candidate is taken."""

import json

import pytest
import torch
from PIL import Image
from remake import presets
from remake.kept import kept
from remake.tuner import Figures, best

from tests.watch import calls
from zeroshift.image.tensors import psnr, to_bytes, to_tensor
from zeroshift.loading import load
from zeroshift.miniature.classifier import load_classifier
from zeroshift.presets import build_method, check_kinds, read_presets

WAY = "--source cat --target dog --fit pad"
EDIT = f"{WAY} --steps 2 --sentences 10"


def test_the_nearest_of_the_steady_candidates_that_flip_as_many_wins():
    figures = [
        Figures(12, 19.0, apart=2),  # batches are something else
        Figures(9, 21.0, apart=0),  # flips two fewer
        Figures(10, 18.0, apart=1),
        Figures(11, 17.0, apart=0),
    ]
    assert best(figures) == 2
    assert best([Figures(3, 10.0), Figures(3, 11.0), Figures(1, 12.0)]) == 1
    assert best(figures, present=3) == 3  # what a person chose stays while it is good enough
    assert best(figures, present=1) == best(figures, present=0) == 2
    with pytest.raises(ValueError, match="gentler"):
        best(figures[:1])


PLAN = """
pictures = 4
batch = 2
[pix2pix-zero]
batches = true
always = "--steps 2 --sentences 10 --lambda-kl {regularisation}"
try = ["--lambda-xa 0", "--lambda-xa 0.01 --negative null"]
"""


def test_presets_are_what_the_candidates_measured_and_a_stopped_run_goes_on(place, tmp_path):
    manifest = tmp_path / "candidates.toml"
    manifest.write_text(PLAN)
    (job,) = presets.jobs(manifest)
    assert job.name == "presets/pix2pix-zero" and job.with_data
    said = job.make(place)
    with calls(place.backbone.unet) as rows:
        assert job.make(place) == said and not rows
        next((place.work / "edits").iterdir()).unlink()
        assert job.make(place) == said and rows

    entry = json.loads((place.model / "presets.json").read_text())["pix2pix-zero"]
    assert entry["options"] == read_presets(place.model)["pix2pix-zero"]
    assert entry["options"]["inversion"]["lambda_kl"] == 20 * 8 * 8 * 4 / (64 * 64 * 4)

    editor, judge = load(place.model, device="cpu"), load_classifier(place.model / "classifier")
    for words, negative in (("--lambda-xa 0", {}), ("--lambda-xa 0.01 --negative null", {"negative": None})):
        control = {"lambda_xa": float(words.split()[1])}
        options = {
            "steps": 2,
            "inversion": {"lambda_kl": 0.3125},
            "conditioning": {"sentences": 10, **negative},
            "control": control,
        }
        method, flips, distances = editor.method("pix2pix-zero", options, paper=True), 0, []
        for k, (animal, other) in ((0, ("cat", "dog")), (2, ("cat", "dog")), (1, ("dog", "cat")), (3, ("dog", "cat"))):
            source = Image.open(place.data / f"{k}.png")
            made = editor.edit(source, animal, other, method=method)
            edited, plain = (to_bytes((to_tensor([p]) + 1) * 127.5) for p in (made.native, source))
            flips += judge.labels(edited) == [other]
            distances.append(float(psnr(edited, plain)))
        assert f"{words}: {flips}, {sum(distances) / 4:.1f} dB, " in entry["chosen_by"]


def test_kept_pictures_come_back_as_they_were(tmp_path):
    made = torch.randint(0, 256, (3, 3, 5, 5), dtype=torch.uint8)
    assert torch.equal(kept(tmp_path / "one.png", lambda: made), made)
    assert torch.equal(kept(tmp_path / "one.png", lambda: made * 0), made)


def test_every_candidate_can_be_a_preset():
    plan = presets.read(presets.MANIFEST)
    for name, trial in plan.trials.items():
        assert len(set(trial.candidates)) == len(trial.candidates)
        always = trial.always.format(regularisation="1.25")
        for candidate in trial.candidates:
            wish = presets.wish(name, f"{always} {candidate}", ("cat", "dog"))
            check_kinds(type(build_method(name, wish.options)), wish.options, presets.MANIFEST)
