"""Writing: whole or not at all, the same bytes each time."""

import os
import resource
import signal
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from zeroshift.image import ImageError, check_output, flatten, load_image, read_recipe, save_image

SUFFIXES = ["png", "jpg", "jpeg", "webp", "PNG"]
RECIPE = {"method": "pix2pix-zero", "seed": 7, "nested": {"b": [1, 2.5, None], "a": "größe 猫"}, "flag": True}


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def see_through():
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 32, 4), dtype=np.uint8))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_recipe_comes_back_and_the_bytes_repeat(tmp_path, picture, suffix):
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    save_image(picture, first, recipe=RECIPE)
    save_image(picture, str(second), recipe=dict(reversed(RECIPE.items())))
    assert read_recipe(first) == RECIPE
    assert first.read_bytes() == second.read_bytes()
    assert sorted(os.listdir(tmp_path)) == sorted([first.name, second.name])


def test_png_and_webp_are_lossless_with_alpha(tmp_path, see_through):
    for suffix in ("png", "webp"):
        save_image(see_through, tmp_path / f"edited.{suffix}", recipe=RECIPE)
        with Image.open(tmp_path / f"edited.{suffix}") as written:
            assert written.convert("RGBA").tobytes() == see_through.tobytes()


def test_jpeg_is_over_white_at_full_colour_resolution(tmp_path, see_through):
    path = tmp_path / "edited.jpg"
    save_image(see_through, path, recipe=RECIPE)
    with Image.open(path) as written:
        assert written.mode == "RGB" and {layer[1:3] for layer in written.layer} == {(1, 1)}  # 4:4:4
        difference = np.abs(np.asarray(written).astype(int) - np.asarray(flatten(see_through)))
    assert difference.mean() < 6


def test_nothing_but_the_recipe_is_written(tmp_path, picture):
    marked = picture.copy()
    marked.info = {"icc_profile": b"secret", "comment": b"secret", "exif": b"secret", "dpi": (1, 1), "transparency": 0}
    for suffix in ("png", "jpg", "webp"):
        save_image(picture, tmp_path / f"plain.{suffix}", recipe=RECIPE)
        save_image(marked, tmp_path / f"marked.{suffix}", recipe=RECIPE)
        assert (tmp_path / f"plain.{suffix}").read_bytes() == (tmp_path / f"marked.{suffix}").read_bytes()


def test_a_written_picture_is_read_again(tmp_path, picture):
    save_image(picture, tmp_path / "a.png", recipe=RECIPE)
    assert load_image(tmp_path / "a.png").image.tobytes() == picture.tobytes()


def test_a_side_too_long_for_webp_is_said(tmp_path):
    with pytest.raises(ImageError, match="WEBP holds at most 16383 px a side, the picture has 16384"):
        save_image(Image.new("RGB", (16384, 16)), tmp_path / "long.webp", recipe={})
    save_image(Image.new("RGB", (16383, 16)), tmp_path / "long.webp", recipe={})


@pytest.mark.parametrize("name", ["edited", "edited.gif", "edited.tiff", ".png"])
def test_unknown_extensions(tmp_path, picture, name):
    for attempt in (lambda p: check_output(p), lambda p: save_image(picture, p, recipe={})):
        with pytest.raises(ImageError, match=r"use one of \.png, \.jpg, \.jpeg, \.webp"):
            attempt(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_missing_folders_are_made(tmp_path, picture):
    check_output(tmp_path / "a" / "b" / "edited.png")
    assert os.listdir(tmp_path / "a" / "b") == []
    save_image(picture, tmp_path / "c" / "d" / "edited.png", recipe=RECIPE)
    assert read_recipe(tmp_path / "c" / "d" / "edited.png") == RECIPE


def unwritable_paths(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    yield tmp_path / "file" / "edited.png"
    yield tmp_path / "file" / "deep" / "edited.png"
    yield tmp_path / "folder.png"
    if os.path.isdir("/proc/self"):
        yield "/proc/edited.png"  # nobody may write here, not even root
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        yield tmp_path / "locked" / "edited.png"


def test_unwritable_places_are_said_early_and_late(tmp_path, picture):
    for path in unwritable_paths(tmp_path):
        for attempt in (lambda p: check_output(p), lambda p: save_image(picture, p, recipe={})):
            with pytest.raises(ImageError) as caught:
                attempt(path)
            assert str(path) in str(caught.value) and str(caught.value).endswith(".")
    left = {name for _, folders, files in os.walk(tmp_path) for name in folders + files}
    assert left <= {"file", "folder.png", "locked"}


def test_an_old_file_gives_way_and_has_ordinary_permissions(tmp_path, picture):
    (tmp_path / "edited.png").write_bytes(b"old")
    (tmp_path / "other").touch()
    save_image(picture, tmp_path / "edited.png", recipe=RECIPE)
    assert read_recipe(tmp_path / "edited.png") == RECIPE
    assert (tmp_path / "edited.png").stat().st_mode == (tmp_path / "other").stat().st_mode


@contextmanager
def largest_file(size):
    """Let the operating system stop every file of this process at ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_write_that_stops_half_way_leaves_the_old_file(tmp_path, picture, suffix):
    path = tmp_path / f"edited.{suffix}"
    path.write_bytes(b"old")
    with largest_file(500), pytest.raises(ImageError, match="cannot be written .* choose a folder with space"):
        save_image(picture, path, recipe=RECIPE)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small disk needs root; the limit on file sizes is tested everywhere")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_nothing_remains(small_disk):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    with pytest.raises(ImageError, match="No space left on device"):
        save_image(noise, small_disk / "edited.png", recipe=RECIPE)
    assert os.listdir(small_disk) == []


def test_ctrl_c_leaves_nothing_half_written(tmp_path, picture, monkeypatch):
    written = []

    def interrupted(temporary, path):
        written.append(temporary.stat().st_size)  # the whole file is there, under its temporary name
        signal.raise_signal(signal.SIGINT)

    (tmp_path / "edited.png").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            save_image(picture, tmp_path / "edited.png", recipe=RECIPE)
    finally:
        signal.signal(signal.SIGINT, before)
    assert written[0] > 1000
    assert (tmp_path / "edited.png").read_bytes() == b"old" and os.listdir(tmp_path) == ["edited.png"]
