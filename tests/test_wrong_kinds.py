"""Arguments of another type than Python's interface takes: one sentence each, before any work."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

import zeroshift
from zeroshift import OptionError, load, save_image
from zeroshift.backbones.hub import why_not

ODD = (5, 1.5, True, "x", b"x", [], {}, object(), float("nan"), [None], np.zeros((3, 3)))
PYTHON = re.compile(
    r"object is not|has no attribute|not supported between|ambiguous|broadcast|cannot be interpreted|unexpected keyword"
    r"|takes \d|argument of type|must be str|expected str"
)
"""how Python and its libraries say such things"""


@pytest.fixture(scope="module")
def editor(checkpoint):
    return load(checkpoint, cache=False)


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def check(call: Callable[[], object]) -> None:
    """See that a call is refused by a sentence of this project's."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    sentence = str(caught.value)
    assert sentence.endswith((".", ")")), sentence
    assert "\n" not in sentence and not PYTHON.search(sentence), sentence


WORKS = {"seed": [5], "strength": [1.5], "batch": [5], "source": ["x", b"x"], "target": ["x", b"x"], "image": [[]]}
"""of those, what the arguments of an edit take"""


@pytest.mark.parametrize(
    "name",
    [
        *"seed seeds region mask fit batch soft detail strength fast direction".split(),
        *"prompt inversions method source target image".split(),
    ],
)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_edit(editor, picture, name, odd):
    method = editor.method("pix2pix-zero" if name == "direction" else "sdedit", {"steps": 2})
    asked = {"image": [picture], "source": "cat", "target": "dog", "method": method} | {name: odd}
    if any(type(odd) is type(one) and odd == one for one in WORKS.get(name, [])):
        assert isinstance(editor.edit(**asked), list)
    else:
        check(lambda: editor.edit(**asked))


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_generate_invert_stream_and_method(editor, picture, odd):
    check(lambda: editor.stream(odd, "cat", "dog", method="sdedit"))
    check(lambda: editor.stream(picture, "cat", "dog", method="sdedit", inversions=odd))
    check(lambda: editor.invert(odd, None))
    check(lambda: editor.invert([picture], odd))
    check(lambda: editor.method(odd))
    if not isinstance(odd, dict):
        check(lambda: editor.method("sdedit", odd))
    if odd is not ODD[0] and odd is not ODD[1]:  # 5 and 1.5 are scales
        check(lambda: editor.generate("a cat", steps=2, guidance_scale=odd))
    if odd is not ODD[0]:
        check(lambda: editor.generate("a cat", steps=odd))


@pytest.mark.parametrize("odd", [None, 5, [], b"x", True], ids=repr)
def test_a_prompt_that_is_no_text(editor, odd):
    with pytest.raises(TypeError, match="A prompt is text"):
        editor.generate(odd)
    with pytest.raises(ValueError, match=r"The guidance scale is a number from 1, .* not '5'\."):
        editor.generate("a cat", steps=2, guidance_scale="5")


@pytest.mark.parametrize("odd", [5, [], b"x", object(), True], ids=lambda odd: repr(odd)[:8])
@pytest.mark.parametrize("name", "model clip captioner vgg cache cache_dir revision segmenter finder sentences".split())
def test_load(name, odd):
    with pytest.raises(TypeError, match=f"^`{name}` is .*, not .*\\.$"):
        load(**{name: odd})


@pytest.mark.parametrize("odd", [5, "style.safetensors", [5], None], ids=repr)
def test_loras(odd):
    with pytest.raises(TypeError, match="^`loras` is a list of texts"):
        load(loras=odd)


def test_save_image(picture, tmp_path):
    with pytest.raises(TypeError, match="names with their values, are written, not Image and int"):
        save_image(picture, tmp_path / "y.png", recipe=5)
    with pytest.raises(TypeError, match="are written, not int and dict"):
        save_image(5, tmp_path / "y.png", recipe={})
    with pytest.raises(TypeError, match="`path` of a picture is text or a Path, not int"):
        save_image(picture, 5, recipe={})
    assert not list(tmp_path.iterdir())


def test_a_model_of_no_name():
    with pytest.raises(ValueError, match="The checkpoint / has no unet folder"):
        load("/")


def test_an_option_is_said_to_be_of_the_method_that_is_asked_for(editor, picture):
    for method in ("sdedit", "ddim", editor.method("sdedit")):
        name = method if isinstance(method, str) else method.name
        with pytest.raises(TypeError, match=rf"editor\.method\('{name}', {{'steps': \.\.\.}}\)"):
            editor.edit(picture, "cat", "dog", method=method, steps=1)
    with pytest.raises(TypeError, match=r"editor\.method\('plug-and-play', {'steps': \.\.\.}\)"):
        editor.edit(picture, "cat", "dog", steps=1)


def test_the_hub_in_a_few_words(monkeypatch):
    """What is not in the cache, offline: no paragraph of the hub's library."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match=r"cannot be downloaded \(HF_HUB_OFFLINE is set\); check the name") as caught:
        load("nope/x")
    assert len(str(caught.value)) < 160
    from huggingface_hub.errors import HFValidationError

    assert why_not(HFValidationError("Repo id must ...")) == "that is no name of a repository"
    assert why_not(OSError(28, "No space left on device")) == "no space left on device"


def test_region_and_arrays(editor, picture):
    nan = np.full((32, 32, 3), np.nan)
    with pytest.raises(zeroshift.ImageError, match="expected uint8"):
        editor.edit(nan, "cat", "dog", method="sdedit")
    with pytest.raises(OptionError, match="`seed` of an edit takes a whole number"):
        editor.edit(picture, "cat", "dog", seed=nan)
