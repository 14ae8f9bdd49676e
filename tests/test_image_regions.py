"""Regions: how they are written, where they lie, and that an edit of one leaves the rest alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zeroshift.image import frame
from zeroshift.image.blending import blended, eased
from zeroshift.image.errors import ImageError
from zeroshift.image.regions import Region


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("10,20,30,40", (10, 20, 40, 60)),
        (" 10px , 20, 30 ,40px", (10, 20, 40, 60)),
        ("10%,20%,50%,50%", (20, 20, 120, 70)),
        ("0,0,100%,100%", (0, 0, 200, 100)),
        ("150,25%,50,50.4", (150, 25, 200, 75)),
    ],
)
def test_a_region_lies_where_it_says(text: str, box: tuple[int, int, int, int]):
    assert Region.parse(text).box((200, 100)) == box


@given(st.lists(st.tuples(st.floats(1, 100), st.sampled_from(("px", "%"))), min_size=4, max_size=4))
def test_what_is_written_is_read_again(parts):
    region = Region(*(float(f"{n:g}") for n, _ in parts), units=tuple(unit for _, unit in parts))
    assert Region.parse(str(region)) == region


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "-1,0,20,20", "1;2;3;4", "nan,0,9,9", "1e9,0,1,1"]
)
def test_what_is_no_region_is_refused(text: str):
    with pytest.raises(ImageError, match="must be X,Y,W,H in pixels or percent"):
        Region.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("180,0,30,30", "reaches outside"),
        ("0,90%,20,20", "reaches outside"),
        ("0,0,8,50", "expected 16 px a side"),
    ],
)
def test_a_region_fits_its_picture(text: str, why: str):
    with pytest.raises(ImageError, match=why):
        Region.parse(text).box((200, 100))


def test_a_region_has_an_area():
    with pytest.raises(ImageError, match="no area"):
        Region.parse("10,10,0,50")


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch", "aspect"])
def test_only_the_region_is_framed_and_pasted_back(fit):
    """Framing a region is framing the picture cut out of it, and nothing outside it changes, to the byte."""
    rows, columns = np.mgrid[:90, :150]  # smooth: along a region's border the filter also sees what lies beyond
    pixels = np.stack([rows, columns, 200 - rows], 2).astype(np.uint8)
    picture, box = Image.fromarray(pixels), (40, 10, 110, 60)
    seen, framing = frame(picture, fit, size=32, multiple=8, region=box)
    alone, own = frame(picture.crop(box), fit, size=32, multiple=8)
    assert np.abs(np.asarray(seen).astype(int) - np.asarray(alone)).max() <= 2
    assert framing.frame_size == own.frame_size and framing.inner == own.inner
    back = np.asarray(framing.restore(Image.new("RGB", framing.frame_size), picture))
    outside = np.ones(pixels.shape[:2], bool)
    outside[box[1] : box[3], box[0] : box[2]] = False
    assert (back[outside] == pixels[outside]).all()
    assert not back[35, 75].any()  # the middle of the region, far from its soft border


@pytest.mark.parametrize("box", [(40, 10, 110, 60), (0, 0, 64, 64), (86, 0, 150, 90)])
def test_a_blended_part_changes_nothing_outside_it_and_takes_the_colours_around_it(box):
    """An edit that is the part in another tint is the part; borders of the picture are part of it."""
    rows, columns = np.mgrid[:90, :150]
    pixels = np.stack([60 + rows, 40 + columns, 200 - rows], 2).astype(np.uint8)
    picture = Image.fromarray(pixels)
    seen, framing = frame(picture, "aspect", size=64, multiple=8, region=box)
    tinted = Image.fromarray((np.asarray(seen).astype(int) + (8, -6, 4)).clip(0, 255).astype(np.uint8))
    assert np.abs(np.asarray(framing.blend(tinted, picture)).astype(int) - pixels).max() <= 4
    back = np.asarray(framing.blend(Image.new("RGB", framing.frame_size), picture))
    outside = np.ones(pixels.shape[:2], bool)
    outside[box[1] : box[3], box[0] : box[2]] = False
    assert (back[outside] == pixels[outside]).all()
    with pytest.raises(ImageError, match="cannot be put back"):
        framing.blend(seen, seen)


@pytest.mark.parametrize("lawn", [(141, 37, 53), (0, 255, 0)])
def test_another_content_at_the_borders_does_not_colour_the_middle_of_a_part(lawn):
    """A brown dog stays brown on red satin, though what the model drew around it is brown, too."""
    picture = Image.new("RGB", (200, 160), lawn)
    seen, framing = frame(picture, "aspect", size=64, multiple=8, region=(40, 20, 168, 148))
    back = np.asarray(framing.blend(Image.new("RGB", seen.size, (112, 83, 73)), picture))
    assert (back[60:108, 80:128] == (112, 83, 73)).all()
    assert (back[:24, :] == lawn).all()  # with nothing changed where the edit begins
    step = np.abs(np.diff(back[84].astype(int), axis=0)).max()
    assert step <= 24  # 202 levels over 12 pixels at most, by a smooth ramp: no line is seen


def test_the_colours_of_what_is_kept_stay_and_those_around_it_are_matched():
    before, after = np.full((80, 80, 3), 120, np.uint8), np.full((80, 80, 3), 160, np.uint8)
    after[30:50, 30:50] = 40  # the subject, on a background that is too light
    mask, kept, everywhere = np.zeros((80, 80), bool), np.zeros((80, 80), bool), np.ones((80, 80), bool)
    mask[15:65, 15:65], kept[30:50, 30:50] = True, True
    plain, result = blended(before, after, mask, 2, everywhere), blended(before, after, mask, 2, everywhere, kept=kept)
    assert (plain[35:45, 35:45] == 0).all() and (result[35:45, 35:45] == 40).all()
    assert np.abs(result[18:26, 18:62].astype(int) - 120).max() <= 1 and (result[~mask] == 120).all()


def test_an_edit_fades_in_from_where_its_mask_is_cut_by_the_part_that_was_seen():
    known, mask = np.zeros((60, 60), bool), np.zeros((60, 60), bool)
    known[:, :40], mask[20:40, 10:50] = True, True
    share = eased(mask, known, 15)
    assert not share[20:40, 39].any() and (share[:, :24] == 1).all()
    assert (np.diff(share[30, 24:40]) <= 0).all() and 0.4 < share[30, 32] < 0.6
    assert (eased(mask & known, known, 15) == 1).all()  # which ends there by itself
    before, after = np.full((60, 60, 3), 200, np.uint8), np.full((60, 60, 3), 20, np.uint8)
    result = blended(before, after, mask & known, 0, known & mask, share)
    assert result[30, 39, 0] == 200 and result[30, 20, 0] == 20 and (result[~mask] == 200).all()
