"""The drift report against other implementations, and against what was done to the pictures."""

import numpy as np
import pytest
import torch
from benchmarks.drifting import drifted, photograph
from torchmetrics.functional.image import structural_similarity_index_measure

from zeroshift.image import drift
from zeroshift.image.drift import drift_of, similarity
from zeroshift.image.registration import Motion

PHOTOGRAPH = photograph()


def test_structural_similarity_is_torchmetrics():
    other = drifted(PHOTOGRAPH, Motion((0.4, 0.3)), quality=50)
    x, y = (torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() for picture in (PHOTOGRAPH, other))
    wanted = structural_similarity_index_measure(x, y, data_range=255.0)
    assert similarity(PHOTOGRAPH, other).mean() == pytest.approx(float(wanted), abs=1e-4)


@pytest.mark.parametrize("rows", [100, 295, 299])
def test_strips_of_a_large_picture_are_as_the_whole(monkeypatch, rows):
    other = drifted(PHOTOGRAPH, Motion((0.4, 0.3)), quality=50)
    whole = similarity(PHOTOGRAPH, other)
    monkeypatch.setattr(drift, "_STRIP", rows)
    np.testing.assert_allclose(similarity(PHOTOGRAPH, other), whole, rtol=0, atol=1e-5)  # other kernels for other sizes


def test_each_part_is_told_by_its_own_pixels():
    other, mask = PHOTOGRAPH.copy(), np.zeros(PHOTOGRAPH.shape[:2], np.bool_)
    mask[:, :200] = True
    other[:100, :200, 1] ^= 64  # by 64 levels in one channel, a third of the mask
    other[7, 400] ^= 3
    found = drift_of(PHOTOGRAPH, other, mask, Motion())
    assert found.inside.share == pytest.approx(200 / 451)
    assert (found.inside.changed, found.inside.largest) == (pytest.approx(1 / 3), 64)
    assert found.inside.psnr == pytest.approx(10 * np.log10(255**2 / (64**2 / 9)), abs=1e-3)
    assert (found.outside.changed, found.outside.largest) == (pytest.approx(1 / (300 * 251)), 3)


def test_equal_pictures_have_no_noise_and_an_empty_part_no_figures():
    found = drift_of(PHOTOGRAPH, PHOTOGRAPH, np.zeros(PHOTOGRAPH.shape[:2], np.bool_), Motion())
    assert found.inside is None
    assert (found.outside.changed, found.outside.largest, found.outside.psnr) == (0, 0, None)
    assert found.outside.ssim == pytest.approx(1)
