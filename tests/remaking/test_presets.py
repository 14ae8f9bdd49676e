"""``python -m remake --only presets``: the sheet of what presets make of photographs, and its figures."""

import numpy as np
import torch
from PIL import Image
from remake import presets
from remake.bench import Figures

from zeroshift.image.tensors import psnr, to_bytes, to_tensor
from zeroshift.methods import DDIM, SDEdit
from zeroshift.miniature.classifier import load_classifier


def test_the_sheet_shows_each_methods_edits_and_tells_their_figures(place):
    (job,) = presets.jobs(pictures=2, methods=(DDIM, SDEdit))
    assert job.name == "presets" and job.with_data
    said = job.make(place)
    sheet = np.asarray(Image.open(place.work / "presets.png"))[:, presets.LABEL :]
    assert sheet.shape == (32 * 3, 64, 3)
    photographs = [Image.open(place.data / f"{k}.png").convert("RGB") for k in (0, 1)]
    assert np.array_equal(sheet[:32], np.concatenate([np.asarray(photo) for photo in photographs], 1))

    editor, judge, flips, distances = place.editor(), load_classifier(place.model / "classifier"), 0, []
    row = 64
    for k, (photo, animal, other) in enumerate(zip(photographs, ("cat", "dog"), ("dog", "cat"), strict=True)):
        made = editor.edit(photo, animal, other, method=editor.method("sdedit", {"steps": 2})).native
        assert np.array_equal(sheet[row : row + 32, 32 * k : 32 * (k + 1)], np.asarray(made))
        edited, plain = (to_bytes((to_tensor([p]) + 1) * 127.5) for p in (made, photo))
        flips += judge.labels(edited) == [other]
        distances.append(float(psnr(edited, plain)))
    assert f"\n  sdedit            {flips}, {sum(distances) / 2:.1f} dB" in said


def test_rows_of_a_sheet_are_labelled():
    white = torch.full((2, 3, 32, 32), 255, dtype=torch.uint8)
    sheet = np.asarray(presets.sheet(white, {"one": white, "other": white}, [Figures(2, 20.0), Figures(1, 18.0)]))
    assert sheet.shape == (96, presets.LABEL + 64, 3)
    rows = [sheet[32 * k : 32 * (k + 1), : presets.LABEL] for k in range(3)]
    assert all((row < 128).any() for row in rows) and (sheet[:, presets.LABEL :] == 255).all()
