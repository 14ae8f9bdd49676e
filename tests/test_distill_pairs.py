"""Collecting pairs: what is kept, what is chosen, and that nothing is done twice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshift.asked.edits import EditSpec
from zeroshift.captioning import Seen
from zeroshift.distillation.collecting import CollectOptions, about, collect
from zeroshift.distillation.filters import ODD, Filters, overlap, reason
from zeroshift.distillation.pairs import LOG, Scores, read_about, read_pairs, write_about
from zeroshift.distillation.report import contact_sheet, reasons
from zeroshift.editor import Editor
from zeroshift.image.tensors import to_tensor

SPEC = EditSpec(source="cat", target="dog", method="ddim", options={"steps": 2})
UNSEEN = {"gains": False, "classify": False, "min_overlap": 0.0}


class Dark:
    """Sees a cat in the dark and a dog in the light."""

    def see(self, pictures):
        return [Seen("a photo of a cat") for _ in pictures]

    def captions(self, pictures):
        return ["a photo of a cat" for _ in pictures]

    def lacking(self, pictures, prompt, source="", unknown=()):
        light = [np.asarray(one.convert("L")).mean() >= 64 for one in pictures]
        return ["" if ("dog" in prompt) == shown else "what it should" for shown in light]


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    drawn, paths = np.random.default_rng(0), [tmp_path / f"{k}.png" for k in range(3)]
    for path in paths:
        Image.fromarray(drawn.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return paths


@pytest.fixture
def editor(tiny) -> Editor:
    return Editor(tiny, {})


def collected(editor, photographs, root, **wanted):
    return [*collect(editor, photographs, SPEC, CollectOptions(**wanted), root)]


def test_pairs_are_the_edits(editor, photographs, tmp_path):
    steps = collected(editor, photographs, tmp_path / "pairs", **UNSEEN, between=(0.5,), batch=2)
    assert [(step.done, step.total) for step in steps] == [(2, 3), (3, 3)]
    pairs = read_pairs(tmp_path / "pairs")
    assert [pair.photo for pair in pairs] == ["0.png", "1.png", "2.png"]
    method = editor.method("ddim", {"steps": 2})
    edits = editor.edit([str(path) for path in photographs], "cat", "dog", method=method, batch=2)
    for pair, path, edit in zip(pairs, photographs, edits, strict=True):
        assert pair.intensities == (0.5, 1.0)
        for intensity, picture in ((0, Image.open(path)), (1, edit.image)):
            assert np.array_equal(np.asarray(pair.picture(tmp_path / "pairs", intensity)), np.asarray(picture))


def test_nothing_is_done_twice(editor, photographs, tmp_path):
    root = tmp_path / "pairs"
    collected(editor, photographs[:2], root, **UNSEEN, batch=1)
    log = (root / LOG).read_bytes()
    (root / LOG).write_bytes(log[:-20])  # as a kill leaves it
    steps = collected(editor, [*photographs, photographs[0]], root, **UNSEEN, batch=1)
    assert [[pair.photo for pair in step.pairs] for step in steps] == [["1.png"], ["2.png"]]
    assert (root / LOG).read_bytes().startswith(log)
    assert not collected(editor, photographs, root, **UNSEEN)
    assert len(collected(editor, photographs, root, **UNSEEN, seeds=(1,))) == 1  # other edits are others


def test_the_strength_of_the_largest_gain_is_chosen(editor, photographs, tmp_path):
    strengths = (0.5, 1.0, 1.5)
    collected(
        editor, photographs[:1], tmp_path / "all", min_overlap=0.0, classify=False, min_gain=-2.0, strengths=strengths
    )
    text = editor.backbone.clip.text_features(["a photo of a dog"])[0]
    for pair in read_pairs(tmp_path / "all"):
        gained = {}
        for strength in strengths:
            options = {"steps": 2, "conditioning": {"strength": strength}}
            path = str(tmp_path / pair.photo)
            edit = editor.edit([path] * 3, "cat", "dog", method=editor.method("ddim", options))[0]
            before, after = (
                editor.backbone.clip.image_features(to_tensor([one]))[0] for one in (Image.open(path), edit.image)
            )
            gained[strength] = float(torch.dot(after, text) - torch.dot(before, text))
        assert pair.strength == max(gained, key=gained.__getitem__)
        assert pair.scores.gain == pytest.approx(gained[pair.strength], abs=1e-3)  # rounding of other batches


def test_photographs_without_the_source_are_not_edited(editor, photographs, tmp_path):
    Image.new("RGB", (32, 32)).save(photographs[1])  # dark: the source
    own = replace(editor, captioner=Dark())
    collected(own, [*photographs, tmp_path / "none.png"][:3], tmp_path / "pairs", gains=False, min_overlap=0.0)
    pairs = read_pairs(tmp_path / "pairs")
    assert [pair.why for pair in pairs][::2] == [ODD, ODD]
    assert pairs[1].intensities == (1.0,) and pairs[0].intensities == ()
    assert reasons(pairs)[ODD] == 2
    write_about(tmp_path / "pairs", about(own, SPEC, "once"))
    assert contact_sheet(tmp_path / "pairs", pairs).height > 192


def test_a_file_that_is_no_picture_is_noted(editor, photographs, tmp_path):
    photographs[1].write_bytes(b"none")
    collected(editor, photographs, tmp_path / "pairs", **UNSEEN)
    pairs = read_pairs(tmp_path / "pairs")
    assert [bool(pair.why) for pair in pairs] == [False, True, False]
    assert list(reasons(pairs)) == ["it cannot be edited"]


def test_masks_are_looked_for_where_nothing_else_is_wrong(editor, photographs, tmp_path):
    collected(editor, photographs, tmp_path / "pairs", gains=False, classify=False, min_overlap=1e-6)
    assert all(0 <= pair.scores.overlap <= 1 for pair in read_pairs(tmp_path / "pairs"))


def test_overlap_is_intersection_over_union():
    one, other = np.zeros((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    assert overlap(one, other) == 0
    one[:2], other[1:] = True, True  # 8 and 12 places, 4 in both
    assert overlap(one, other) == 4 / 16
    assert overlap(one, one) == 1


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        (Scores(0.1, 0.7), True),
        (Scores(0.09, 0.7), False),
        (Scores(0.1, 0.69), False),
        (Scores(0.1, 0.7, "a dog"), False),
        (Scores(), True),  # nobody looked
    ],
)
def test_the_papers_thresholds(scores, kept):
    assert (not reason(scores, Filters())) == kept
    assert not reason(scores, Filters(min_overlap=0, gains=False, classify=False))


def test_a_folder_holds_pairs_of_one_edit(editor, tmp_path):
    write_about(tmp_path, about(editor, SPEC, "once"))
    write_about(tmp_path, about(editor, SPEC, "again"))
    assert read_about(tmp_path).mask == SPEC.mask is None
    write_about(tmp_path, about(editor, SPEC.model_copy(update={"mask": "auto"}), "masked"))
    assert read_about(tmp_path).mask == "auto"
    with pytest.raises(ValueError, match="source is cat, and these have dog; name another folder"):
        write_about(tmp_path, about(editor, SPEC.model_copy(update={"source": "dog", "target": "cat"}), "other"))
