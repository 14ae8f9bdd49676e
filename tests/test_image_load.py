"""Reading pictures: every kind of pixel, against Pillow or arithmetic."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from zeroshift.image import ImageError, Photo, load_image


@pytest.fixture
def rgb():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def same(a, b):
    return a.mode == b.mode and a.size == b.size and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "bmp", "ppm"])
def test_lossless_formats_give_their_pixels_and_the_hash_of_their_bytes(tmp_path, rgb, suffix):
    path = tmp_path / f"picture.{suffix}"
    rgb.save(path, lossless=True)
    source = load_image(path)
    assert same(source.image, rgb) and source.alpha is None
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_extension_is_not_believed(tmp_path, rgb):
    path = tmp_path / "picture.jpg"
    rgb.save(path, "PNG")
    assert same(load_image(str(path)).image, rgb)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, rgb, orientation):
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb.save(path, exif=exif)
    turns = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270"}
    turns |= {7: "TRANSVERSE", 8: "ROTATE_90"}
    expected = rgb if orientation == 1 else rgb.transpose(Image.Transpose[turns[orientation]])
    assert same(load_image(path).image, expected)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LAB"])
def test_other_modes_become_the_rgb_that_pillow_gives(tmp_path, rgb, mode):
    path = tmp_path / "picture.tiff"
    other = rgb.quantize(16) if mode == "P" else rgb.convert(mode)
    other.save(path)
    source = load_image(path)
    assert same(source.image, other.convert("RGB")) and source.alpha is None


def test_adobe_cmyk_jpeg_is_not_inverted(tmp_path):
    path = tmp_path / "print.jpg"
    Image.new("RGB", (32, 32), (250, 40, 10)).convert("CMYK").save(path, quality=95)
    assert np.abs(np.asarray(load_image(path).image).astype(int) - (250, 40, 10)).max() <= 6


def test_a_still_gif_and_a_phone_picture_with_a_second_map_are_taken(tmp_path, rgb):
    rgb.quantize(16).save(tmp_path / "still.gif")
    assert same(load_image(tmp_path / "still.gif").image, rgb.quantize(16).convert("RGB"))
    rgb.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[rgb.convert("L").convert("RGB")])
    rgb.save(tmp_path / "plain.jpg", "JPEG")
    with Image.open(tmp_path / "phone.jpg") as opened:
        assert opened.n_frames == 2
    assert same(load_image(tmp_path / "phone.jpg").image, load_image(tmp_path / "plain.jpg").image)


def test_alpha_comes_apart_with_its_colours_unchanged(tmp_path, rgb):
    alpha = Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 24), dtype=np.uint8))
    for colours in (rgb, rgb.convert("L")):
        both = colours.copy()
        both.putalpha(alpha)
        both.save(tmp_path / "see.png")
        source = load_image(tmp_path / "see.png")
        assert same(source.image, colours.convert("RGB")) and same(source.alpha, alpha)
        restored = source.with_alpha(source.image)
        assert restored.mode == "RGBA" and same(restored, both.convert("RGBA"))


def test_without_alpha_an_edit_stays_as_it_is(rgb):
    assert Photo.of(rgb).with_alpha(rgb) is rgb


def test_palette_and_grey_transparency_become_alpha(tmp_path, rgb):
    palette = rgb.quantize(16)
    palette.save(tmp_path / "palette.png", transparency=bytes(range(0, 256, 17)))
    expected = np.asarray(palette) * 17  # entry i has alpha 17 i
    assert np.array_equal(np.asarray(load_image(tmp_path / "palette.png").alpha), expected)
    grey = rgb.convert("L")
    value = grey.getpixel((3, 3))
    grey.save(tmp_path / "grey.png", transparency=value)
    alpha = np.asarray(load_image(tmp_path / "grey.png").alpha)
    assert np.array_equal(alpha, np.where(np.asarray(grey) == value, 0, 255))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_round_to_eight(tmp_path, suffix):
    values = np.linspace(0, 65535, 16 * 40).astype(np.uint16).reshape(16, 40)
    Image.fromarray(values).save(tmp_path / f"deep.{suffix}")
    grey = np.asarray(load_image(tmp_path / f"deep.{suffix}").image)
    assert np.array_equal(grey[..., 0], (values.astype(int) + 128) // 257)  # 65535 / 257 = 255
    assert (grey == grey[..., :1]).all()


def test_sixteen_bit_transparency_becomes_alpha(tmp_path):
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "deep.png", transparency=int(values[2, 3]))
    alpha = np.asarray(load_image(tmp_path / "deep.png").alpha)
    assert alpha[2, 3] == 0 and (alpha == 0).sum() == 1


@pytest.mark.parametrize("dtype,white", [(np.int32, 255), (np.int32, 65535), (np.float32, 1), (np.float32, 255)])
def test_32_bit_ranges_are_recognised(tmp_path, dtype, white):
    ramp = np.linspace(0, 1, 256).reshape(16, 16)
    Image.fromarray((ramp * white).astype(dtype)).save(tmp_path / "deep.tiff")
    grey = np.asarray(load_image(tmp_path / "deep.tiff").image)[..., 0]
    assert np.abs(grey - 255 * ramp).max() <= 1
    assert grey.min() == 0 and grey.max() == 255


def test_an_srgb_profile_changes_nothing_and_is_not_kept(tmp_path, rgb):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    rgb.save(tmp_path / "srgb.png", icc_profile=srgb.tobytes())
    source = load_image(tmp_path / "srgb.png")
    assert same(source.image, rgb) and not source.image.info


def test_a_profile_of_exchanged_primaries_exchanges_the_colours(tmp_path):
    swapped = swap_red_and_green(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    Image.new("RGB", (16, 16), (200, 30, 90)).save(tmp_path / "swapped.png", icc_profile=swapped)
    pixel = load_image(tmp_path / "swapped.png").image.getpixel((0, 0))
    assert np.abs(np.subtract(pixel, (30, 200, 90))).max() <= 1


def swap_red_and_green(profile):
    """Return an ICC profile with the red and green primaries exchanged in its tag table."""
    return profile.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")


def test_a_profile_of_another_mode_or_of_noise_is_left_aside(tmp_path, rgb):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb.convert("L").save(tmp_path / "grey.png", icc_profile=srgb)
    assert same(load_image(tmp_path / "grey.png").image, rgb.convert("L").convert("RGB"))
    rgb.save(tmp_path / "noise.png", icc_profile=b"no profile")
    assert same(load_image(tmp_path / "noise.png").image, rgb)


def test_a_picture_in_memory_is_taken_and_named_by_its_pixels(tmp_path, rgb):
    rgb.save(tmp_path / "a.png")
    rgb.save(tmp_path / "b.bmp")
    hashes = {Photo.of(image).sha256 for image in (rgb, Image.open(tmp_path / "a.png"), Image.open(tmp_path / "b.bmp"))}
    assert len(hashes) == 1
    turned = Image.frombytes("RGB", (20, 24), rgb.tobytes())  # the same bytes in another shape
    assert Photo.of(turned).sha256 not in hashes
    assert Photo.of(rgb.convert("RGBA")).sha256 not in hashes
    with pytest.raises(ImageError, match="at least 16 px"):
        Photo.of(rgb.resize((15, 40)))


def test_reading_leaves_no_open_file_and_pillows_own_view_agrees(tmp_path, rgb):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(buffer, "JPEG", exif=exif)
    (tmp_path / "photo.jpg").write_bytes(buffer.getvalue())
    with Image.open(tmp_path / "photo.jpg") as opened:
        assert same(load_image(tmp_path / "photo.jpg").image, ImageOps.exif_transpose(opened))
