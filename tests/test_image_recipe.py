"""The recipe comes back from every format, and what is none is said."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from zeroshift.image import ImageError, canonical_json, read_recipe, save_image

RECIPE = {"method": "pix2pix-zero", "seed": 7, "nested": {"b": [1, 2.5, None], "a": "größe 猫"}, "flag": True}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    return tmp_path_factory.mktemp("recipes")


@settings(deadline=None, max_examples=30)
@given(recipe=st.dictionaries(st.text(), json_values, max_size=4), suffix=st.sampled_from(["png", "jpg", "webp"]))
def test_any_recipe_survives_any_format(recipes, recipe, suffix):
    path = recipes / f"edited.{suffix}"
    save_image(Image.new("RGB", (16, 16)), path, recipe=recipe)
    assert read_recipe(path) == recipe
    assert canonical_json(read_recipe(path)) == canonical_json(recipe)


def test_canonical_json_has_one_spelling():
    assert canonical_json({"b": 1, "a": ["é", 0.1]}) == '{"a":["\\u00e9",0.1],"b":1}'
    with pytest.raises(ValueError):
        canonical_json({"a": float("nan")})


def test_other_programs_can_find_the_recipe(tmp_path, picture):
    save_image(picture, tmp_path / "a.png", recipe=RECIPE)
    assert b"tEXtzeroshift\0" + canonical_json(RECIPE).encode() in (tmp_path / "a.png").read_bytes()
    save_image(picture, tmp_path / "a.jpg", recipe=RECIPE)
    with Image.open(tmp_path / "a.jpg") as written:
        comment = written.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert json.loads(comment.removeprefix(b"ASCII\0\0\0")) == RECIPE


def test_a_recipe_too_long_for_jpeg_is_said_and_fits_the_others(tmp_path, picture):
    for length, fits in ((65_000, True), (66_000, False)):
        recipe = {"prompt": "x" * length}
        for suffix in ("png", "webp", "jpg"):
            path = tmp_path / f"{length}.{suffix}"
            if fits or suffix != "jpg":
                save_image(picture, path, recipe=recipe)
                assert read_recipe(path) == recipe
            else:
                with pytest.raises(ImageError, match="JPEG holds at most 65533: write a PNG or a WebP"):
                    save_image(picture, path, recipe=recipe)
                assert not path.exists()


def test_pictures_without_a_recipe(tmp_path, picture):
    for suffix in ("png", "jpg", "webp", "gif"):
        picture.save(tmp_path / f"plain.{suffix}")
        with pytest.raises(ImageError, match="carries no recipe"):
            read_recipe(tmp_path / f"plain.{suffix}")
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0" + b"holiday"
    picture.save(tmp_path / "holiday.jpg", exif=exif)
    with pytest.raises(ImageError, match="no valid recipe"):
        read_recipe(tmp_path / "holiday.jpg")
    with pytest.raises(ImageError, match="does not exist"):
        read_recipe(tmp_path / "nowhere.png")


@pytest.mark.parametrize("text", [b"[1]    ", b'{"a":1 ', b"[" * 7])
def test_a_recipe_that_is_no_json_object(tmp_path, picture, text):
    save_image(picture, tmp_path / "a.jpg", recipe={"a": 1})
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data.replace(b'{"a":1}', text))
    with pytest.raises(ImageError, match="no valid recipe"):
        read_recipe(tmp_path / "a.jpg")
