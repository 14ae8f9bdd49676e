"""The shipped model's presets: ``examples/cat.png`` and its mirror image are the same alone and together.

To a grey level; not every photograph is, see docs/methods/pix2pix-zero.md. Presets that let more grow fail here.
"""

from pathlib import Path

import pytest
from PIL import Image, ImageOps

import zeroshift
from tests.test_several import grey_levels
from zeroshift.methods import METHODS

CAT = Path(__file__).parent.parent / "examples/cat.png"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_a_batch_of_two_gives_what_each_gives_alone(name):
    editor = zeroshift.load(device="cpu", precision="fp32")
    cat = Image.open(CAT).convert("RGB")
    sources, method = [cat, ImageOps.mirror(cat)], editor.method(name)
    together = editor.edit(sources, "cat", "dog", method=method, seeds=[3, 4])
    for source, seed, result in zip(sources, (3, 4), together, strict=True):
        alone = editor.edit(source, "cat", "dog", method=method, seed=seed)
        assert grey_levels(alone.native, result.native) <= 1
