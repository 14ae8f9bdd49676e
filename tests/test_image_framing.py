"""To the model's size and back: identities over random sizes, and the borders of what is pasted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zeroshift.image import FITS, ImageError, before_after, flatten, frame

sides = st.integers(16, 300)
models = st.sampled_from([(64, 8), (64, 64), (128, 64), (96, 32)])
quick = settings(deadline=None, max_examples=40)


def noise(width, height, seed=0, channels=3):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8))


def pixels(image):
    return np.asarray(image).astype(int)


@quick
@given(sides, sides, models, st.sampled_from(FITS))
def test_the_way_back_has_the_original_size_and_the_frame_suits_the_model(width, height, model, fit):
    size, multiple = model
    source = noise(width, height)
    framed, framing = frame(source, fit, size=size, multiple=multiple)
    assert framed.size == framing.frame_size and framed.mode == "RGB"
    assert framed.width % multiple == framed.height % multiple == 0
    if fit == "aspect":
        assert 0.6 * size**2 <= framed.width * framed.height <= 1.5 * size**2
    else:
        assert framed.size == (size, size)
    restored = framing.restore(framed, source)
    assert restored.size == source.size and restored.mode == source.mode


@quick
@given(sides, sides, st.integers(0, 99))
def test_crop_leaves_what_is_outside_its_square_untouched(width, height, seed):
    source = noise(width, height)
    _, framing = frame(source, "crop", size=64, multiple=8)
    restored = framing.restore(noise(64, 64, seed + 1), source)
    left, top, right, bottom = framing.box
    assert right - left == bottom - top == min(width, height)
    assert abs(left - (width - right)) <= 1 and abs(top - (height - bottom)) <= 1
    outside = np.ones((height, width), dtype=bool)
    outside[top:bottom, left:right] = False
    assert np.array_equal(pixels(restored)[outside], pixels(source)[outside])


@quick
@given(sides, sides, st.sampled_from(FITS))
def test_a_flat_picture_survives_bit_for_bit(width, height, fit):
    source = Image.new("RGB", (width, height), (12, 200, 77))
    framed, framing = frame(source, fit, size=64, multiple=8)
    assert framing.restore(framed, source).tobytes() == source.tobytes()
    assert len(framed.getcolors()) == 1


@pytest.mark.parametrize("fit", FITS)
def test_a_picture_of_the_models_size_passes_through_unchanged(fit):
    source = noise(64, 64)
    framed, framing = frame(source, fit, size=64, multiple=8)
    assert framed.tobytes() == source.tobytes()
    edited = noise(64, 64, seed=1)
    assert framing.restore(edited, source).tobytes() == edited.tobytes()  # a square picture gets no feathering


def test_crop_at_equal_scale_is_a_cut_without_resampling():
    source = noise(100, 64)
    framed, _ = frame(source, "crop", size=64, multiple=8)
    assert framed.tobytes() == source.crop((18, 0, 82, 64)).tobytes()


@pytest.mark.parametrize("width,height", [(160, 64), (64, 160)])
def test_the_feather_rises_only_at_borders_inside_the_picture(width, height):
    source, edited = Image.new("RGB", (width, height)), Image.new("RGB", (64, 64), "white")
    _, framing = frame(source, "crop", size=64, multiple=8)
    weights = pixels(framing.restore(edited, source))[..., 0]
    along = weights if width > height else weights.T  # the long side last
    assert (along == along[0]).all()  # nothing fades at the picture's own borders
    profile = along[0]
    assert (profile[:48] == 0).all() and (profile[112:] == 0).all()
    assert np.array_equal(profile[48:112], profile[48:112][::-1])
    assert np.array_equal(profile[48:52], np.rint(255 * (np.arange(4) + 0.5) / 4))  # 64 // 16 = 4 px
    assert (profile[52:108] == 255).all()


def test_an_odd_pixel_of_margin_is_feathered_on_its_side_alone():
    source, edited = Image.new("RGB", (65, 64)), Image.new("RGB", (64, 64), "white")
    _, framing = frame(source, "crop", size=64, multiple=8)
    profile = pixels(framing.restore(edited, source))[0, :, 0]
    assert profile[0] == 255 and profile[63] < 255 and profile[64] == 0


@pytest.mark.parametrize("width,height", [(200, 100), (100, 200), (301, 16)])
def test_pad_repeats_the_edges_and_cuts_them_away(width, height):
    source = noise(width, height)
    framed, framing = frame(source, "pad", size=64, multiple=8)
    left, top, right, bottom = framing.inner
    assert max(right - left, bottom - top) == 64
    inner = pixels(framed)[top:bottom, left:right]
    assert np.array_equal(inner, pixels(source.resize((right - left, bottom - top), Image.Resampling.LANCZOS)))
    if width > height:
        assert (pixels(framed)[:top] == inner[0]).all() and (pixels(framed)[bottom:] == inner[-1]).all()
    else:
        assert (pixels(framed)[:, :left] == inner[:, :1]).all() and (pixels(framed)[:, right:] == inner[:, -1:]).all()
    painted = framed.copy()
    painted.paste("red", (0, 0, 64, top) if width > height else (0, 0, left, 64))
    assert framing.restore(painted, source).tobytes() == framing.restore(framed, source).tobytes()


@pytest.mark.parametrize(
    "size,expected", [((1024, 1024), (512, 512)), ((1200, 800), (640, 448)), ((800, 1200), (448, 640))]
)
def test_aspect_rounds_to_the_multiple(size, expected):
    framed, _ = frame(Image.new("RGB", size), "aspect", size=512, multiple=64)
    assert framed.size == expected


def test_aspect_of_a_very_long_picture_keeps_the_pixel_count():
    framed, _ = frame(Image.new("RGB", (16, 6000)), "aspect", size=64, multiple=8)
    assert framed.size == (8, 512)


@pytest.mark.parametrize("fit", FITS)
def test_an_alpha_is_framed_as_its_picture_is(fit):
    source = noise(90, 50)
    red, framing = frame(source.getchannel("R"), fit, size=64, multiple=8)
    framed, same = frame(source, fit, size=64, multiple=8)
    assert same == framing and red.tobytes() == framed.getchannel("R").tobytes()


def test_enlarging_is_lanczos():
    source, edited = noise(200, 200), noise(64, 64, seed=1)
    _, framing = frame(source, "stretch", size=64, multiple=8)
    expected = edited.resize((200, 200), Image.Resampling.LANCZOS)
    assert framing.restore(edited, source).tobytes() == expected.tobytes()


def test_a_large_picture_brings_no_warning_from_pillow(monkeypatch):
    source = noise(100, 60)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4100)  # cutting out more than this warns, and warnings are errors
    for fit in FITS:
        framed, framing = frame(source, fit, size=64, multiple=64)
        assert framing.restore(framed, source).size == source.size


def test_wrong_arguments_are_said():
    source = noise(40, 40)
    with pytest.raises(ImageError, match="no fit 'zoom': use one of crop, pad, stretch, aspect"):
        frame(source, "zoom", size=64, multiple=8)
    with pytest.raises(ImageError, match="size 60 .* multiple of 8"):
        frame(source, "crop", size=60, multiple=8)
    _, framing = frame(source, "crop", size=64, multiple=8)
    with pytest.raises(ImageError, match="cannot be put back"):
        framing.restore(noise(63, 64), source)
    with pytest.raises(ImageError, match="cannot be put back"):
        framing.restore(noise(64, 64), noise(41, 40))


def test_before_and_after_stand_side_by_side():
    before, after = noise(30, 20), noise(20, 40, seed=1)
    both = before_after(before, after, gap=5)
    assert both.size == (30 + 5 + 10, 20)
    assert both.crop((0, 0, 30, 20)).tobytes() == before.tobytes()
    assert both.crop((30, 0, 35, 20)).getcolors() == [(100, (255, 255, 255))]
    assert both.crop((35, 0, 45, 20)).tobytes() == after.resize((10, 20), Image.Resampling.LANCZOS).tobytes()


def test_flattening_lays_the_picture_over_white():
    source = noise(20, 20, channels=4)
    colours, alpha = pixels(source)[..., :3], pixels(source)[..., 3:] / 255
    expected = colours * alpha + 255 * (1 - alpha)
    assert np.abs(pixels(flatten(source)) - expected).max() <= 0.51
    assert flatten(noise(20, 20)).tobytes() == noise(20, 20).tobytes()
