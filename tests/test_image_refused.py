"""One sentence for each file that is no picture to edit, before anything is decoded where the header tells."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zeroshift.image import ImageError, load_image


@pytest.fixture
def rgb():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def refuse(path, *words, **options):
    with pytest.raises(ImageError) as caught:
        load_image(path, **options)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence and sentence.endswith(".")
    for word in words:
        assert word in sentence
    return sentence


@pytest.mark.parametrize("low,high", [(-1.0, 1.0), (0.0, 70000.0), (0.0, float("nan"))])
def test_other_32_bit_ranges_are_refused(tmp_path, low, high):
    Image.fromarray(np.linspace(low, high, 256, dtype=np.float32).reshape(16, 16)).save(tmp_path / "deep.tiff")
    refuse(tmp_path / "deep.tiff", "pixel values", "rescale")


def test_no_file_a_folder_and_an_empty_file(tmp_path):
    refuse(tmp_path / "nowhere.png", "does not exist")
    refuse(tmp_path, "is a folder")
    (tmp_path / "empty.png").touch()
    refuse(tmp_path / "empty.png", "is an empty file")
    refuse(tmp_path / "empty.png" / "inside.png", "cannot be read")


@pytest.mark.parametrize("data", [b"hello, world", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n", b"\0" * 64])
def test_other_files_are_no_pictures(tmp_path, data):
    (tmp_path / "notes.png").write_bytes(data)
    refuse(tmp_path / "notes.png", "is not a picture that can be read", "PNG, JPEG, WEBP")


@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow's, of TIFF
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "bmp", "gif", "ppm", "jp2"])
@pytest.mark.parametrize("kept", [0.25, 0.5, 0.8])
def test_truncated_files_are_named(tmp_path, rgb, suffix, kept):
    path = tmp_path / f"cut.{suffix}"
    rgb.resize((80, 80)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    refuse(path, "truncated")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "ppm"])
def test_damaged_bytes_never_give_another_error(tmp_path, rgb, suffix):
    path = tmp_path / f"hurt.{suffix}"
    rgb.save(path)
    whole, rng = path.read_bytes(), np.random.default_rng(2)
    refused = 0
    for _ in range(40):
        hurt = np.frombuffer(whole, np.uint8).copy()
        hurt[rng.integers(0, min(len(hurt), 60), 2)] = rng.integers(0, 256, 2)
        path.write_bytes(hurt.tobytes())
        try:
            load_image(path)
        except ImageError:
            refused += 1
    assert refused > 0


def test_small_sides(tmp_path):
    Image.new("RGB", (15, 300)).save(tmp_path / "thin.png")
    refuse(tmp_path / "thin.png", "15x300 px", "at least 16 px")
    Image.new("RGB", (16, 16)).save(tmp_path / "least.png")
    assert load_image(tmp_path / "least.png").image.size == (16, 16)


def png_header(width, height):
    """Return a PNG that says how large it is and has no pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 60_000])  # over Pillow's warning and over its error
def test_large_pictures_are_refused_by_their_header(tmp_path, side):
    (tmp_path / "large.png").write_bytes(png_header(side, side))
    refuse(tmp_path / "large.png", "megapixels", "at most 100", "`max_megapixels`")


@pytest.mark.parametrize("side", [9_700, 30_000])
def test_the_limit_is_ours_and_not_pillows(tmp_path, side):
    (tmp_path / "large.png").write_bytes(png_header(side, side))
    refuse(tmp_path / "large.png", "truncated", max_megapixels=1000)  # it went on to decode what is not there


def test_a_picture_over_pillows_limit_is_read_under_ours(tmp_path, rgb, monkeypatch):
    rgb.save(tmp_path / "picture.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_image(tmp_path / "picture.png", 20 * 24 / 1e6).image.tobytes() == rgb.tobytes()
    refuse(tmp_path / "picture.png", "megapixels", max_megapixels=20 * 24 / 1e6 - 1e-6)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_animations_and_pages_are_refused(tmp_path, rgb, suffix):
    frames = [rgb.rotate(90 * i) for i in range(3)]
    frames[0].save(tmp_path / f"moving.{suffix}", save_all=True, append_images=frames[1:])
    refuse(tmp_path / f"moving.{suffix}", "3 frames or pages", "expected one")
