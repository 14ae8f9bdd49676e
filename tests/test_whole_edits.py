"""What a whole edit does with a picture besides editing it: its alpha, and how it is framed by default."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.shell import call, edit, photograph
from tests.test_several import grey_levels, pictures
from tests.tiny import tiny_backbone
from zeroshift import Editor
from zeroshift.image import flatten, frame
from zeroshift.methods import SDEdit
from zeroshift.running.from_noise import generate

QUICK = SDEdit(steps=2, guidance_scale=1.0)


def see_through(picture: Image.Image) -> Image.Image:
    """Give a picture an alpha that is another one in every pixel of a row."""
    alpha = np.broadcast_to(np.arange(picture.width, dtype=np.uint8) * 7, (picture.height, picture.width))
    both = picture.convert("RGB")
    both.putalpha(Image.fromarray(np.ascontiguousarray(alpha)))
    return both


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor(tiny_backbone(torch.float32), {})


def test_an_edit_has_the_alpha_of_its_photograph_and_the_colours_that_it_has_without(editor):
    plain = pictures(1)[0].image
    edited, opaque = (editor.edit(x, "cat", "dog", method=QUICK).image for x in (see_through(plain), plain))
    assert (edited.mode, opaque.mode) == ("RGBA", "RGB")
    assert edited.getchannel("A").tobytes() == see_through(plain).getchannel("A").tobytes()
    assert edited.convert("RGB").tobytes() == opaque.tobytes()
    assert grey_levels(opaque, plain) > 1


def test_an_alpha_goes_through_files(capsys, checkpoint, tmp_path):
    plain = photograph(tmp_path / "plain.png", 32, 32)
    with Image.open(plain) as opened:
        see_through(opened).save(tmp_path / "clear.png")
    for name, made in (("plain", "a.png"), ("clear", "b.png"), ("clear", "c.jpg")):
        assert edit(capsys, checkpoint, tmp_path / f"{name}.png", "-o", tmp_path / made).code == 0
    without, clear, photo = (Image.open(tmp_path / name) for name in ("a.png", "b.png", "clear.png"))
    assert clear.mode == "RGBA" and clear.getchannel("A").tobytes() == photo.getchannel("A").tobytes()
    assert clear.convert("RGB").tobytes() == without.convert("RGB").tobytes()
    with Image.open(tmp_path / "c.jpg") as over_white:
        assert over_white.mode == "RGB"
        assert np.abs(np.asarray(over_white, dtype=int) - np.asarray(flatten(clear), dtype=int)).mean() < 6


@pytest.mark.parametrize(("side", "fit"), [(252, "crop"), (256, "aspect")])
def test_small_models_crop_and_large_ones_keep_the_proportions(side, fit):
    backbone = tiny_backbone(torch.float32)
    backbone.unet.register_to_config(sample_size=side // backbone.factor)
    editor, picture = Editor(backbone, {}), pictures(1)[0].image.resize((96, 48))
    assert (backbone.size, editor.default_fit) == (side, fit)
    size = side // backbone.multiple * backbone.multiple
    backbone.unet.register_to_config(sample_size=size // backbone.factor)
    framed, framing = frame(picture, fit, size=size, multiple=backbone.multiple)
    if size == side:
        by_default = editor.edit(picture, "cat", "dog", method=QUICK)
        assert by_default.native.size == framed.size and framed.width > framed.height
        assert by_default.recipe["fit"] == fit
        assert by_default.image.tobytes() == framing.restore(by_default.native, picture).tobytes()


@pytest.mark.parametrize("prompts", [[""], ["a cat", " \n"]])
def test_an_empty_prompt_is_refused_before_anything_is_sampled(tiny, capsys, tmp_path, prompts):
    with pytest.raises(ValueError, match="The prompt is empty; describe the picture, as in: a photo of a cat"):
        next(generate(tiny, prompts, seeds=[0] * len(prompts), steps=2, guidance_scale=5.0))
    done = call(capsys, "generate", *prompts, "-o", tmp_path / "out")
    assert (done.code, done.out) == (2, "") and "none of them empty" in done.err
    assert not list(tmp_path.iterdir())
