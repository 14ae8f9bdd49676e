"""``zeroshift.keep`` on edits in a known place with drifts of known size: what it finds, and what it leaves alone."""

import io

import cv2
import numpy as np
import pytest
from benchmarks.drifting import drifted, edited, part, photograph
from PIL import Image

from zeroshift import ImageError, keep
from zeroshift.image.registration import Motion
from zeroshift.masks import keeping

PHOTOGRAPH = photograph()
SIZE = (PHOTOGRAPH.shape[1], PHOTOGRAPH.shape[0])
EDITED = part(SIZE)
LOW = 0.9 * keeping._CHANCE
MOTIONS = [
    Motion(),
    Motion((3.4, -2.2)),
    Motion(zoom=1.03),
    Motion(zoom=0.97),
    Motion((-7, 5.5), 0.98),
    Motion((12, -9), 1.02),
    Motion((1, 1), 1.01, 1.0),
    Motion((0, 0), 1.15),
]


@pytest.mark.parametrize(
    ("how", "motion"),
    [
        *[("mirror", motion) for motion in MOTIONS],
        *[pytest.param("dark", m, marks=pytest.mark.slow if k % 3 else ()) for k, m in enumerate(MOTIONS)],
    ],
)
def test_drift_is_found_and_undone_and_the_rest_is_the_photograph(how, motion):
    kept = keep(PHOTOGRAPH, drifted(edited(PHOTOGRAPH, how), motion, soft=True, cast=True, quality=75))
    found, mask = kept.drift.motion, np.asarray(kept.mask) > 0
    np.testing.assert_allclose(found.shift, motion.shift, atol=0.12)
    assert found.zoom == pytest.approx(motion.zoom, abs=5e-4)
    assert found.turn == pytest.approx(motion.turn, abs=0.03)
    assert (mask & EDITED).sum() >= 0.98 * EDITED.sum()
    assert (mask & ~EDITED).sum() <= 0.08 * (~EDITED).sum()
    np.testing.assert_array_equal(np.asarray(kept.image)[~mask], PHOTOGRAPH[~mask])


@pytest.mark.parametrize("how", ["hue", "mirror", "dark"])
def test_colours_of_the_edit_come_back_from_a_tint(how):
    """The result lies far nearer to the edit before the editor's drift than what the editor gave."""
    wanted = edited(PHOTOGRAPH, how)
    came = drifted(wanted, Motion((3.4, -2.2), 1.02), cast=True)
    kept = keep(PHOTOGRAPH, came)
    mask = np.asarray(kept.mask) > 0
    assert error(np.asarray(kept.image), wanted, mask) < 0.1 * error(came, wanted, mask)


def error(picture: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    """Mean squared error over a part."""
    return float(((picture.astype(float) - other) ** 2)[mask].mean())


@pytest.mark.parametrize("size", [(448, 320), (902, 600), (230, 150)])
def test_an_edit_of_another_size_is_brought_to_the_photographs(size):
    came = Image.fromarray(edited(PHOTOGRAPH, "mirror")).resize(size, Image.Resampling.LANCZOS)
    kept = keep(PHOTOGRAPH, came)
    mask = np.asarray(kept.mask) > 0
    assert kept.image.size == SIZE
    assert (mask & EDITED).sum() >= 0.95 * EDITED.sum() and (mask & ~EDITED).sum() <= 0.08 * (~EDITED).sum()


@pytest.mark.parametrize("how", ["mirror", "dark"])
def test_a_square_cut_from_the_middle_is_laid_there_and_its_edges_are_no_edit(how):
    left = (SIZE[0] - SIZE[1]) // 2
    square = edited(PHOTOGRAPH, how)[:, left : left + SIZE[1]]
    kept = keep(PHOTOGRAPH, Image.fromarray(square).resize((512, 512), Image.Resampling.LANCZOS))
    mask = np.asarray(kept.mask) > 0
    assert not mask[:, : left - 1].any() and not mask[:, left + SIZE[1] + 1 :].any()
    assert (mask & EDITED).sum() >= 0.95 * EDITED.sum() and (mask & ~EDITED).sum() <= 0.045 * (~EDITED).sum()


def test_a_photograph_padded_to_a_square_is_cut_out_of_it():
    padded = np.zeros((SIZE[0], SIZE[0], 3), np.uint8)
    top = (SIZE[0] - SIZE[1]) // 2
    padded[top : top + SIZE[1]] = edited(PHOTOGRAPH, "dark")
    kept = keep(PHOTOGRAPH, padded)
    mask = np.asarray(kept.mask) > 0
    assert (mask & EDITED).sum() >= 0.98 * EDITED.sum() and (mask & ~EDITED).sum() <= 0.05 * (~EDITED).sum()


def test_what_was_padded_or_cut_without_resampling_is_laid_without_it():
    """Of ways to lay it that all fit, by a zoom or without one, the one without is right."""
    change = edited(PHOTOGRAPH, "dark")
    padded = np.zeros((2, SIZE[0], SIZE[0], 3), np.uint8)
    padded[0, 75 : 75 + SIZE[1]] = padded[1, 76 : 76 + SIZE[1]] = change  # of an odd rest one row more above or below
    for came in (*padded, change[:, 28 : SIZE[0] - 28]):
        kept = keep(PHOTOGRAPH, came)
        assert kept.drift.motion.whole(SIZE) is not None
        np.testing.assert_array_equal(np.asarray(kept.image)[EDITED], change[EDITED])


@pytest.mark.parametrize("levels", [1, 4, 20])
def test_of_a_lossless_edit_every_change_is_taken_however_faint(levels):
    change = np.where(EDITED[..., None], np.minimum(PHOTOGRAPH, 255 - levels) + levels, PHOTOGRAPH).astype(np.uint8)
    kept = keep(PHOTOGRAPH, change)
    np.testing.assert_array_equal(np.asarray(kept.image), change)
    assert ((np.asarray(kept.mask) > 0) & ~EDITED).sum() <= 0.05 * (~EDITED).sum()


def test_of_a_lossless_edit_the_thinnest_line_is_taken_also_after_a_shift_of_whole_pixels():
    line = PHOTOGRAPH.copy()
    cv2.line(line, (40, 50), (400, 260), (0, 0, 0), 1)
    np.testing.assert_array_equal(np.asarray(keep(PHOTOGRAPH, line).image), line)
    kept = keep(PHOTOGRAPH, np.roll(line, (7, -3), (0, 1)))
    assert kept.drift.motion.shift == pytest.approx((-3, 7), abs=0.1)
    np.testing.assert_array_equal(np.asarray(kept.image)[20:280, 20:-20], line[20:280, 20:-20])


@pytest.mark.parametrize("share", [0.3, 0.5, 0.65])
def test_what_is_left_of_a_photograph_that_was_mostly_replaced_is_kept(share):
    replaced = np.zeros(SIZE[::-1], np.bool_)
    replaced[:, round(SIZE[0] * (1 - share)) :] = True
    change = np.where(replaced[..., None], 255 - PHOTOGRAPH[::-1, ::-1], PHOTOGRAPH)
    mask = np.asarray(keep(PHOTOGRAPH, drifted(change, Motion(), cast=True, quality=85)).mask) > 0
    assert (mask & replaced).sum() >= 0.97 * replaced.sum()
    assert (mask & ~replaced).sum() <= 0.08 * (~replaced).sum()  # the border alone is 3 %


@pytest.mark.parametrize("quality", [95, 100])
def test_fine_compression_is_no_lossless_edit(quality):
    """Also where most of a picture is a white ground, which it leaves as it is."""
    page = np.full((400, 600, 3), 255, np.uint8)
    page[150:250, 200:350] = PHOTOGRAPH[100:200, 150:300]
    for picture in (PHOTOGRAPH, page):
        assert not np.asarray(keep(picture, drifted(picture, Motion(), quality=quality)).mask).any()


@pytest.mark.parametrize("drift", [{}, {"quality": 60}, {"cast": True}, {"soft": True, "quality": 75}])
def test_what_nobody_edited_is_the_photograph(drift):
    kept = keep(PHOTOGRAPH, drifted(PHOTOGRAPH, Motion(), **drift))
    assert kept.drift.inside is None and not np.asarray(kept.mask).any()
    np.testing.assert_array_equal(np.asarray(kept.image), PHOTOGRAPH)


def test_a_picture_redrawn_as_a_whole_is_taken_as_a_whole():
    kept = keep(PHOTOGRAPH, 255 - PHOTOGRAPH)
    assert kept.drift.inside.share > 0.95


def test_a_picture_redrawn_as_a_whole_keeps_its_colours():
    """Some pixels that happen to be alike say nothing of the colours of all the others."""
    grey = np.asarray(Image.fromarray(PHOTOGRAPH).convert("L").convert("RGB"))
    mask = np.full(SIZE[::-1], 255, np.uint8)
    mask[:8, :30] = 0  # 0.2 % of the picture, and of another tint than the rest
    kept = keep(PHOTOGRAPH, grey, mask=mask, soft=0)
    np.testing.assert_array_equal(np.asarray(kept.image)[mask > 0], grey[mask > 0])
    assert "nearly nothing of the photograph is kept" in kept.warnings[0]
    assert not keep(PHOTOGRAPH, edited(PHOTOGRAPH, "dark")).warnings


@pytest.mark.parametrize("soft", [0, 3, 12])
def test_a_given_mask_is_never_left(soft):
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[90:200, 120:260] = 255
    kept = keep(PHOTOGRAPH, drifted(edited(PHOTOGRAPH, "hue"), Motion((2, 1)), cast=True), mask=mask, soft=soft)
    same = (np.asarray(kept.image) == PHOTOGRAPH).all(2)
    assert same[mask == 0].all()
    inner = np.zeros_like(mask)
    inner[90 + 12 : 200 - 12, 120 + 12 : 260 - 12] = 255
    assert not same[inner > 0].mean() > 0.01
    np.testing.assert_array_equal(np.asarray(kept.mask), mask)


def test_what_was_edited_beyond_a_given_mask_does_not_colour_its_middle():
    mask, dark, tint = np.zeros(SIZE[::-1], np.uint8), PHOTOGRAPH // 3, (PHOTOGRAPH * 0.9).astype(np.uint8)
    mask[60:240, 100:340] = 255
    middle = np.s_[120:180, 160:280]
    other = np.asarray(keep(PHOTOGRAPH, dark, mask=mask).image)
    assert np.abs(other[middle].astype(int) - dark[middle]).max() <= 11  # what may be a tint, and rounding
    tinted = np.asarray(keep(PHOTOGRAPH, tint, mask=mask).image)
    assert (
        np.abs(tinted[middle].astype(int) - PHOTOGRAPH[middle]).mean()
        < 0.5 * np.abs(tint[middle].astype(int) - PHOTOGRAPH[middle]).mean()
    )


def test_a_transparent_part_is_the_mask_too():
    """Alpha 0 means "edit here", as in OpenAI's API."""
    white = np.zeros(SIZE[::-1], np.uint8)
    white[90:200, 120:260] = 255
    transparent = np.dstack([PHOTOGRAPH, 255 - white])
    change = edited(PHOTOGRAPH, "dark")
    one, other = (keep(PHOTOGRAPH, change, mask=mask) for mask in (white, transparent))
    np.testing.assert_array_equal(np.asarray(one.image), np.asarray(other.image))


def test_the_originals_alpha_stays():
    alpha = np.arange(SIZE[0], dtype=np.uint8)[None].repeat(SIZE[1], 0)
    kept = keep(np.dstack([PHOTOGRAPH, alpha]), edited(PHOTOGRAPH, "dark"))
    np.testing.assert_array_equal(np.asarray(kept.image)[..., 3], alpha)


def test_a_mask_is_cut_where_the_edit_shows_nothing_and_that_is_said():
    mask, square = np.zeros(SIZE[::-1], np.uint8), edited(PHOTOGRAPH, "dark")[:, 75:375]
    mask[100:200, 20:200] = 255
    kept = keep(PHOTOGRAPH, square, mask=mask)
    assert not np.asarray(kept.mask)[:, :75].any() and "mask reaches beyond what the edited picture" in kept.warnings[0]
    mask[:, 75:] = 0
    with pytest.raises(ImageError, match="The mask lies outside of what the edited picture shows"):
        keep(PHOTOGRAPH, square, mask=mask)


def test_an_edit_that_was_pushed_out_of_the_frame_is_said():
    change = np.roll(PHOTOGRAPH, -60, 1)
    change[100:200, :60] = (250, 20, 20)  # of what was painted 60 of 100 columns and more have left the picture
    kept = keep(PHOTOGRAPH, change)
    assert kept.drift.motion.shift[0] == pytest.approx(-60, abs=0.2)
    assert ["cut off" in one for one in kept.warnings] == [True]


def test_a_deep_edit_is_said_to_be_cut_at_the_end_of_a_crop():
    """Of 200 rows and 180 columns one side alone lies there, less than a hundredth of them."""
    change = PHOTOGRAPH.copy()
    change[50:250, 195:] = 255 - change[50:250, 195:]
    (said,) = keep(PHOTOGRAPH, change[:, 75:375]).warnings
    assert "cut off" in said
    change[50:250, 365:] = PHOTOGRAPH[50:250, 365:]  # it ends before
    assert not keep(PHOTOGRAPH, change[:, 75:375]).warnings
    change[50:250, 365:] = 255 - PHOTOGRAPH[50:250, 365:]
    drift = drifted(change, Motion((-3, 0)), quality=90)  # so few columns are lost that it only fades in there
    assert not keep(PHOTOGRAPH, drift).warnings


@pytest.mark.parametrize(("supports", "share"), [((0.02, LOW, 0.02), 1), ((0.02, 2 * LOW, 0.02), SIZE[1] / SIZE[0])])
def test_a_redrawn_picture_of_other_proportions_is_squeezed(monkeypatch, supports, share):
    """Where next to nothing says how the two lie, all of the photograph is covered, and a warning says that."""
    found = iter([Motion(support=one) for one in supports])
    monkeypatch.setattr(keeping, "motion_of", lambda before, after: next(found))
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    kept = keep(PHOTOGRAPH, Image.fromarray(noise).resize((512, 512), Image.Resampling.BICUBIC))
    assert (np.asarray(kept.mask) > 0).mean() == pytest.approx(share, abs=0.02)
    assert ["not sure how they lie" in said for said in kept.warnings].count(True) == 1


def test_the_rest_of_a_crop_is_compared_where_it_was_cut_from():
    kept = keep(PHOTOGRAPH, edited(PHOTOGRAPH, "dark")[:, 60:391])
    assert (kept.drift.outside.changed, kept.drift.outside.psnr) == (0, None)


def test_wrong_masks_and_widths_are_refused():
    with pytest.raises(ImageError, match="The mask is 40x40 px and the picture 451x300 px"):
        keep(PHOTOGRAPH, PHOTOGRAPH, mask=np.full((40, 40), 255, np.uint8))
    with pytest.raises(ImageError, match="allows no pixel"):
        keep(PHOTOGRAPH, PHOTOGRAPH, mask=np.zeros(SIZE[::-1], np.uint8))
    with pytest.raises(ValueError, match="`soft` is 0 or more"):
        keep(PHOTOGRAPH, PHOTOGRAPH, soft=-1)


@pytest.mark.parametrize("quality", [92, 75])
def test_what_was_recoloured_before_a_plain_backdrop_is_no_tint_of_all(quality):
    """A backdrop of one colour has no structure that a tint could be fitted to."""
    plain = np.full((240, 320, 3), 128, np.uint8)
    noise = np.random.default_rng(3).integers(60, 200, (80, 100, 3), np.uint8)
    plain[80:160, 110:210] = cv2.GaussianBlur(noise, (0, 0), 2)
    edited = plain.copy()
    edited[80:160, 110:210] = edited[80:160, 110:210][..., ::-1] // 2 + 90
    file = io.BytesIO()
    Image.fromarray(edited).save(file, "JPEG", quality=quality)
    kept = keep(Image.fromarray(plain), Image.open(file))
    found = np.asarray(kept.mask) > 0
    assert found[80:160, 110:210].mean() > 0.95 and found.mean() < 0.2
