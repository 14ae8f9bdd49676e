"""Values that are no numbers are seen at the step and part where they come up; a VAE that overflows is widened."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny import tiny_backbone, vae
from zeroshift.asked.edits import EditSpec
from zeroshift.diffusion.finite import NotNumbers, check_finite
from zeroshift.doubts import Doubt
from zeroshift.editor import Editor
from zeroshift.image import Photo

SPEC = EditSpec(
    target="dog", source="cat", method="pix2pix-zero", options={"steps": 4, "conditioning": {"words": "swap"}}
)


def photo() -> Photo:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Photo.of(Image.fromarray(pixels))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_value_of_many_is_enough(value: float):
    fine, other = torch.zeros(2, 3), torch.zeros(4)
    check_finite([fine, other], "the UNet", "at step 1")
    other[2] = value
    with pytest.raises(
        NotNumbers, match="^The UNet returned values that are not numbers at step 1; use `precision` bf16"
    ):
        check_finite([fine, other], "the UNet", "at step 1")


def broken_from(backbone, call: int) -> None:
    """Make the UNet return an infinity at its ``call``-th pass and at all after that."""
    calls = []

    def spoil(_module, _args, out):
        calls.append(out)
        return (out[0] / 0,) if len(calls) >= call else None

    backbone.unet.register_forward_hook(spoil)


@pytest.mark.parametrize(("call", "when"), [(3, "step 3 of 4 of the inversion"), (6, "step 2 of 4 of the edit")])
def test_the_step_is_named_and_the_last_one_taken(call: int, when: str):
    """Four passes invert; a method without a source branch asks once at every step of the edit."""
    backbone = tiny_backbone(torch.float32)
    broken_from(backbone, call)
    spec = EditSpec(target="dog", source="cat", method="ddim", options={"steps": 4})
    with pytest.raises(NotNumbers, match=f"The UNet returned .* at {when}"):
        for _ in Editor(backbone, {}).stream(photo(), spec):
            pass


def overflowing(widens: bool):
    """A backbone in fp16 whose decoder computes larger numbers than fp16 has; its norms even them out again."""
    large = vae().requires_grad_(False)
    large.decoder.conv_in.weight.mul_(3e5)  # up to 5e4
    return replace(tiny_backbone(torch.float16), vae=large.half(), widens=widens)


def test_a_vae_that_overflows_in_fp16_is_widened_once_and_told():
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    backbone = overflowing(widens=True)
    expected = deepcopy(backbone.vae).float()
    assert not backbone.vae.decode(latents.half()).sample.isfinite().all()
    with pytest.warns(Doubt, match="^The VAE of tiny overflows in fp16; it runs in fp32 from here on"):
        widened = backbone.decode(latents)
    again = backbone.decode(latents)  # a second warning would be an error
    assert torch.equal(widened, again) and widened.isfinite().all() and widened.dtype == torch.float32
    assert torch.equal(widened, expected.decode(latents / backbone.vae.config.scaling_factor).sample)


def test_a_precision_that_was_asked_for_is_kept_and_the_decoder_named():
    backbone = overflowing(widens=False)
    with pytest.raises(
        ValueError, match="The VAE's decoder returned values that are not numbers; use `precision` bf16"
    ):
        Editor(backbone, {}).edit(photo(), SPEC)
