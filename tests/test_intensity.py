"""How much of an edit is made: 0 is the photograph, 1 the method's own, whatever the method."""

import numpy as np
import pytest
from benchmarks.drifting import photograph

import zeroshift
from tests.watch import calls
from zeroshift import EditSpec, InversionMemory
from zeroshift.methods import METHODS

PHOTOGRAPH = np.dstack([photograph()[:120, 100:240], np.full((120, 140), 200, np.uint8)])
FEW: dict[str, dict[str, object]] = {"style-diffusion": {"inversion": {"inner_steps": 1}}}


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


def asked(name: str, **parts: object) -> EditSpec:
    options = {"steps": 2, **FEW.get(name, {}), **parts}
    return EditSpec(target="dog", source="cat", method=name, options=options, fit="stretch")


@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_nothing_is_the_photograph_and_one_the_methods_own(editor, name):
    kept = InversionMemory()
    strengths = zeroshift.spread(asked(name), (0, 0.5, 1))
    none, half, whole = (editor.edit(PHOTOGRAPH, one, inversions=kept) for one in strengths)
    np.testing.assert_array_equal(np.asarray(none.image), PHOTOGRAPH)
    assert none.image.mode == half.image.mode == "RGBA"
    own = editor.edit(PHOTOGRAPH, asked(name), inversions=kept)
    np.testing.assert_array_equal(np.asarray(whole.image), np.asarray(own.image))
    apart = [np.abs(np.asarray(one.image, dtype=int) - PHOTOGRAPH).mean() for one in (half, whole)]
    assert 0 < apart[0] < apart[1]
    assert half.recipe["detail"] == 0.5 and "detail" not in whole.recipe


def test_where_nothing_is_edited_the_network_is_not_asked_again(editor):
    kept = InversionMemory()
    editor.edit(PHOTOGRAPH, asked("pix2pix-zero"), inversions=kept)
    with calls(editor.backbone.unet) as rows:
        editor.edit(PHOTOGRAPH, zeroshift.spread(asked("pix2pix-zero"), [0])[0], inversions=kept)
    assert rows == []


def test_fresh_noise_is_the_less_the_weaker_the_edit(editor):
    options = {"steps": 10, "inversion": {"noise_strength": 0.8}}
    spec = asked("sdedit").model_copy(update={"options": options})
    counts = []
    for one in zeroshift.spread(spec, (0.01, 0.25, 0.5, 1, 1.5)):
        with calls(editor.backbone.unet) as rows:
            editor.edit(PHOTOGRAPH, one)
        counts.append(len(rows))
    assert counts == [0, 2, 4, 8, 8]


def test_of_a_generated_source_nothing_is_the_source(editor):
    half, none = (one.resolve(editor, photograph=False) for one in zeroshift.spread(asked("pix2pix-zero"), (0.5, 0)))
    *_, last = editor.run_generated([half, none], seed=1)
    weak, still = last.results[0]
    np.testing.assert_array_equal(np.asarray(still.image), np.asarray(still.reconstruction))
    assert np.abs(np.asarray(weak.image, dtype=int) - np.asarray(still.image)).max() > 0
    assert "detail" not in weak.recipe
