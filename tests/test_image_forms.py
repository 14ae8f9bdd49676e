"""Pictures in any form: paths, bytes, file objects, arrays; and what is no picture is refused without waiting."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.shell import call, edit, refused
from zeroshift.editor import Editor
from zeroshift.image import ImageError, as_photo, encode_image, load_image, read_recipe, save_image
from zeroshift.image.save import FORMATS
from zeroshift.presets import build_method

RECIPE = {"method": "ddim", "seed": 7}


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


@pytest.fixture
def file(tmp_path, pixels) -> Path:
    save_image(Image.fromarray(pixels), tmp_path / "cat.png", recipe=RECIPE)
    return tmp_path / "cat.png"


class Upload:
    """A file object that is none of the standard library's."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self) -> bytes:
        return self.data


def forms(file: Path) -> list[object]:
    data = file.read_bytes()
    return [str(file), file, data, io.BytesIO(data), Upload(data)]


@pytest.mark.parametrize("form", range(5))
def test_a_file_is_the_same_picture_in_every_form(file, pixels, form):
    source, whole = forms(file)[form], load_image(file)
    photo = load_image(source)
    assert np.array_equal(np.asarray(photo.image), pixels)
    assert (photo.image.tobytes(), photo.sha256) == (whole.image.tobytes(), whole.sha256)
    assert read_recipe(forms(file)[form]) == RECIPE


def test_bytes_are_checked_as_files_are(tmp_path, pixels):
    for data in (b"", b"hello, world", b"GIF89a"):
        with pytest.raises(ImageError, match=r"^The picture is [^\n]*\.$"):
            load_image(data)
    large = io.BytesIO()
    Image.new("1", (2000, 1000)).save(large, "PNG")
    with pytest.raises(ImageError, match=r"^The picture has 2 megapixels, expected at most 1: .* `max_megapixels`\.$"):
        load_image(large.getvalue(), max_megapixels=1)
    with pytest.raises(ImageError, match=r"^The picture carries no recipe: "):
        read_recipe(large.getvalue())


@pytest.mark.parametrize("source", [None, 3, io.StringIO("text"), ["a.png"], bytearray(b"x")])
def test_what_is_no_file_is_refused(source):
    with pytest.raises(ImageError, match=r"^The picture is given as \w+, expected a path, the bytes of a file, or"):
        load_image(source)


def test_arrays_are_the_pictures_that_pillow_makes_of_them(pixels):
    for values in (pixels, pixels[..., 0], np.dstack([pixels, pixels[..., 0]]), pixels[::-1].transpose(1, 0, 2)):
        photo, same = as_photo(values), as_photo(Image.fromarray(np.ascontiguousarray(values)))
        assert (photo.image.tobytes(), photo.sha256) == (same.image.tobytes(), same.sha256)
        assert (photo.alpha is None) == (values.shape[2:] != (4,))


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        (np.zeros((20, 24, 3), np.float32), "bring colours from 0 to 1 there"),
        (np.zeros((20, 24), np.float64), "bring colours from 0 to 1 there"),
        (
            np.zeros((20, 24, 3), np.int64),
            "bring colours to whole numbers from 0 to 255, then use array.astype('uint8').",
        ),
        (np.zeros((20, 24, 3), bool), "bring False and True to 0 and 255 with 255 * array.astype('uint8')."),
        (np.zeros((2, 20, 24), np.float32), "give one picture"),
        (np.zeros((1, 20, 24, 3), np.int64), "give one picture"),
        (np.zeros((3, 20, 24), np.uint8), "put colours last with array.transpose(1, 2, 0)."),
        (np.zeros((4, 20, 24), np.float32), "put colours last with array.transpose(1, 2, 0)."),
        (np.zeros((2, 20, 24, 3), np.uint8), "give one picture"),
        (np.zeros((20, 24, 1), np.uint8), "give one picture"),
        (np.zeros(20, np.uint8), "give one picture"),
    ],
)
def test_other_arrays_are_refused_by_type_and_shape(values, advice):
    with pytest.raises(ImageError) as refusal:
        as_photo(values)
    said = f"The array is {values.dtype} of shape {values.shape}, expected uint8 of (height, width, 3): {advice}"
    assert str(refusal.value).startswith(said)


@pytest.mark.parametrize("suffix", FORMATS)
def test_bytes_out_are_those_of_the_saved_file(tmp_path, pixels, suffix):
    picture = Image.fromarray(pixels)
    save_image(picture, tmp_path / f"a{suffix}", recipe=RECIPE)
    data = encode_image(picture, FORMATS[suffix], RECIPE)
    assert data == (tmp_path / f"a{suffix}").read_bytes()
    assert read_recipe(data) == RECIPE


@pytest.mark.parametrize(("name", "kind"), [("png", "PNG"), ("image/jpeg", "JPEG"), ("image/webp", "WEBP")])
def test_a_format_may_be_a_media_type(pixels, name, kind):
    picture = Image.fromarray(pixels)
    assert encode_image(picture, name, RECIPE) == encode_image(picture, kind, RECIPE)


def test_other_formats_are_not_written(pixels):
    with pytest.raises(ImageError, match=r"^There is no format GIF to write: use one of PNG, JPEG, WEBP\.$"):
        encode_image(Image.fromarray(pixels), "GIF", RECIPE)


def test_every_form_gives_the_same_edit(tiny, file, pixels):
    editor, method = Editor(tiny, {}), build_method("ddim", {"steps": 2})
    found = {editor.edit(form, "cat", "dog", method=method).image.tobytes() for form in [*forms(file), pixels]}
    assert len(found) == 1
    listed = editor.edit([file.read_bytes(), pixels], "cat", "dog", method=method)
    assert [listed[0].recipe["source_sha256"], len(listed)] == [load_image(file).sha256, 2]


def odd(folder: Path, kind: str) -> Path:
    """What is no file under a picture's name."""
    path = folder / f"{kind}.jpg"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path)
        case "dangling":
            path.symlink_to(folder / "nowhere.jpg")
        case "folder":
            path.mkdir()
    return path


ODD = {
    "fifo": "cannot be read (it is a pipe or a device, not a file)",
    "device": "cannot be read (it is a pipe or a device, not a file)",
    "loop": f"cannot be read ({os.strerror(errno.ELOOP)})",
    "dangling": "does not exist",
    "folder": "is a folder",
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = odd(tmp_path, kind)
    with pytest.raises(ImageError) as refusal:
        load_image(path)
    assert str(refusal.value).startswith(f"{path} {ODD[kind]}")


@pytest.mark.parametrize("kind", ODD)
def test_on_the_command_line_as_well(tmp_path, monkeypatch, capsys, checkpoint, file, kind):
    monkeypatch.chdir(tmp_path)
    name = odd(tmp_path, kind).name
    here = "no pictures in the folder folder.jpg" if kind == "folder" else f"{name} {ODD[kind]}"
    refused(edit(capsys, checkpoint, name), 1, here)
    refused(call(capsys, "redo", name), 1, f"{name} {ODD[kind]}")
    sentences = ("--source", "cat", "--target", "dog", "--source-sentences", name, "--target-sentences", name)
    refused(call(capsys, "direction", "make", *sentences, "-o", "d.safetensors"), 1, f"{name} cannot be read (")
