"""A photograph's own detail in an edit: all of it where nothing changed, none where something did."""

import numpy as np
import pytest
from benchmarks.drifting import photograph
from PIL import Image

import zeroshift
from zeroshift import EditSpec, OptionError
from zeroshift.image import frame
from zeroshift.image.detail import agreement, detailed

PHOTOGRAPH = Image.fromarray(photograph())
SEEN, FRAMING = frame(PHOTOGRAPH, "stretch", size=96, multiple=8)
PLAIN = Image.fromarray(np.clip(np.asarray(SEEN, dtype=np.int16) + 3, 0, 255).astype(np.uint8))
"""what a decoder with an error of its own gives back"""


def test_where_nothing_changed_the_photograph_comes_back_whole():
    found = np.asarray(detailed(PLAIN, PLAIN, PHOTOGRAPH, FRAMING, 1.0), dtype=int)
    assert np.abs(found - photograph()).max() <= 1  # rounding
    half = np.asarray(detailed(PLAIN, PLAIN, PHOTOGRAPH, FRAMING, 0.5), dtype=int)
    edit = np.asarray(FRAMING.put(PLAIN, PHOTOGRAPH), dtype=int)
    assert np.abs(half - (edit + photograph()) / 2).max() <= 1
    assert np.array_equal(np.asarray(detailed(PLAIN, PLAIN, PHOTOGRAPH, FRAMING, 0.0)), edit)


def test_where_something_changed_nothing_comes_back():
    edited = np.asarray(PLAIN).copy()
    edited[30:70, 20:60] = edited[30:70, 20:60][::-1, ::-1] // 2 + 90
    found = np.asarray(detailed(Image.fromarray(edited), PLAIN, PHOTOGRAPH, FRAMING, 1.0), dtype=int)
    bare = np.asarray(FRAMING.put(Image.fromarray(edited), PHOTOGRAPH), dtype=int)
    inner, far = (slice(118, 194), slice(120, 255)), (slice(None), slice(350, None))
    assert np.abs(found - bare)[inner].mean() < 1.5 < np.abs(found - photograph())[inner].mean() / 10
    assert np.abs(found - photograph())[far].max() <= 1


def test_other_structure_of_the_same_colour_does_not_agree():
    stripes = np.zeros((96, 96, 3), np.uint8) + 128
    stripes[:, ::4], stripes[:, 2::4] = 168, 88
    across = stripes.transpose(1, 0, 2)
    assert agreement(stripes, across)[12:-12, 12:-12].max() < 0.05
    assert agreement(stripes, stripes).min() == 1


def test_an_edit_that_changes_next_to_nothing_is_the_photograph(checkpoint):
    """Of a strength near 0, exactly reconstructed: all that the tiny autoencoder loses comes back."""
    editor = zeroshift.load(checkpoint, device="cpu", precision="fp32")
    exact = {"kind": "direct", "offset_target": True}
    options = {"steps": 2, "inversion": exact, "conditioning": {"strength": 1e-6}}
    spec = EditSpec(target="dog", source="cat", method="ddim", options=options, fit="stretch")
    result = editor.edit(PHOTOGRAPH, spec)
    assert result.recipe["detail"] == 1 - 1e-6
    plain = FRAMING.put(result.native.resize(SEEN.size), PHOTOGRAPH)
    assert result.drift.inside.largest <= 3 < np.abs(np.asarray(plain, dtype=int) - photograph()).max()


def test_it_is_a_photographs():
    with pytest.raises(OptionError, match="`detail` is a photograph's"):
        EditSpec(target="dog", source="cat", detail=1.0).check(photograph=False)
