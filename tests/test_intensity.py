"""How much of an edit is made: 0 is the photograph, 1 the method's own, whatever the method."""

import numpy as np
import pytest
from benchmarks.drifting import photograph

import zeroshift
from tests.watch import calls
from zeroshift import EditSpec, InversionMemory
from zeroshift.conditioning.marks import reached
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


@pytest.mark.parametrize("name", ["ddim", "pix2pix-zero", "rediffuser"])
def test_marks_say_how_far_the_prompts_lie(editor, name):
    kept = InversionMemory()
    by_marks = asked(name, conditioning={"strength": 0.5, "strength_marks": (0.7, 0.8, 0.9)})
    farther = asked(name, conditioning={"strength": 0.8}).model_copy(update={"detail": 0.5})
    marked, evenly, weak = (
        editor.edit(PHOTOGRAPH, one, inversions=kept)
        for one in (by_marks, farther, *zeroshift.spread(asked(name), [0.5]))
    )
    np.testing.assert_array_equal(np.asarray(marked.image), np.asarray(evenly.image))
    assert np.abs(np.asarray(marked.image, dtype=int) - np.asarray(weak.image)).max() > 0


def test_marks_lie_at_even_strengths_and_end_at_the_strength_itself():
    assert [reached(s, (0.4, 0.6, 0.7)) for s in (0, 0.25, 0.5, 0.75, 1, 1.5)] == [0, 0.4, 0.6, 0.7, 1, 1.5]
    assert reached(0.125, (0.4, 0.6, 0.7)) == 0.2 and reached(0.875, (0.4, 0.6, 0.7)) == pytest.approx(0.85)
    assert reached(0.3, ()) == 0.3


@pytest.mark.parametrize(
    ("conditioning", "sentence"),
    [
        ({"strength": -0.1}, "^`strength` of .* takes a number from 0 to [0-9]+, not -0.1"),
        ({"strength_marks": (0.5, 0.4)}, "^The `strength_marks` rise from 0 to 1, and 0.5, 0.4 do not"),
        ({"strength_marks": (0.5, 1.2)}, "^`strength_marks` of .* takes numbers from 0 to 1, not 1.2"),
    ],
)
def test_less_than_nothing_and_marks_in_no_order_are_refused(conditioning, sentence):
    for method in METHODS:
        with pytest.raises(zeroshift.OptionError, match=sentence):
            EditSpec(target="dog", source="cat", method=method.name, options={"conditioning": conditioning}).check()


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
