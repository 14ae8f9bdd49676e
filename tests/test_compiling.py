"""Compiled parts: none is opened or narrowed from outside, and edits come out as without, to rounding."""

import warnings
from dataclasses import replace

import pytest
import torch

from tests.runs import clean, method
from tests.test_memory import photos
from tests.tiny import tiny_backbone
from zeroshift.backbones.compiling import closed_parts, compile_parts
from zeroshift.backbones.saving import Saving
from zeroshift.backbones.sharing import before_text
from zeroshift.editor import Editor


def test_what_is_compiled_is_neither_tapped_inside_nor_narrowed(tiny):
    names = {part: name for name, part in tiny.unet.named_modules()}
    closed = {names[part] for part in closed_parts(tiny.unet)}
    narrowed = {name for name, _ in before_text(tiny.unet)}
    attentions = {site.name for site in tiny.sites if site.kind != "conv"}
    assert closed and not closed & narrowed
    assert not [name for name in attentions if any(name.startswith(f"{part}.") for part in closed)]
    convolutions = {site.name.removesuffix(".conv2") for site in tiny.sites if site.kind == "conv"}
    assert convolutions - narrowed <= closed


def test_it_stands_in_recipes(tiny):
    edited = Editor(replace(tiny, compiled=True), {}).edit(photos(1)[0], "cat", "dog", method=method(steps=1))
    assert edited.recipe["compiled"] is True


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["high", "low"])
def test_a_compiled_network_edits_as_ever(memory):
    """With taps, gradients, prompts that share their first layers, and activations computed anew."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler's own libraries
        plain, compiled = (tiny_backbone(torch.float32) for _ in range(2))
        compile_parts(compiled.unet, "aot_eager")  # all of it but the making of kernels, which takes minutes
        compiled = replace(compiled, compiled=True, saving=Saving(memory))
        pictures = [
            Editor(one, {}).edit(photos(1)[0], "cat", "dog", method=method(steps=2)).image for one in (plain, compiled)
        ]
        x, text = clean(2).float(), plain.embed(["a cat", "a dog"])
        assert torch.allclose(plain.predict(x, 500, text), compiled.predict(x, 500, text), atol=1e-4)
    apart = [abs(a - b) for a, b in zip(*(picture.tobytes() for picture in pictures), strict=True)]
    assert max(apart) <= 2
