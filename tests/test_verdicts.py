"""What is said of results: nothing changed, or not what was asked for."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.saved import picture
from tests.shell import call, photograph
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.request import Request
from zeroshift.captioning import Judge
from zeroshift.conditioning.task import make_task
from zeroshift.editor import Editor
from zeroshift.image import ImageError, Photo
from zeroshift.results import Result
from zeroshift.verdicts import CELLS, CHANGED, NIGHT, PLAIN, STYLED, blank_as, change_between, judged, verdict_of

SPEC = EditSpec(target="dog", source="cat", method="sdedit", options={"steps": 2})


class Sees:
    """A captioner that misses the same thing in every picture."""

    def __init__(self, missed: str) -> None:
        self.missed = missed

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        return ["a photo of a cat"] * len(pictures)

    def lacking(
        self, pictures: Sequence[Image.Image], prompt: str, source: str = "", unknown: Sequence[str] = ()
    ) -> list[str]:
        assert (prompt, source, list(unknown)) == ("a photo of a dog", "a photo of a cat", [])
        return [self.missed] * len(pictures)


def request(tiny, **options: object) -> Request:
    return SPEC.model_copy(update={"options": options}).resolve(Editor(tiny, {}))


def test_change_is_measured_where_most_of_it_is():
    """A part of a twentieth of the picture counts whole, fine detail not at all."""
    grey = np.full((128, 128, 3), 100, np.uint8)
    assert change_between(Image.fromarray(grey), Image.fromarray(grey)) == 0
    part, checked = grey.copy(), grey.copy()
    part[:32, :32] += 50  # 16 of 256 cells, of which the 13 that changed most count
    checked[::2, ::2] += 40
    checked[1::2, 1::2] += 40
    checked[::2, 1::2] -= 40
    checked[1::2, ::2] -= 40
    assert change_between(Image.fromarray(grey), Image.fromarray(part)) == 50
    assert change_between(Image.fromarray(grey), Image.fromarray(checked)) == 0
    with pytest.raises(ImageError, match="one size"):
        change_between(Image.fromarray(grey), Image.fromarray(grey[:64]))


def test_the_sentence_says_what_is_wrong_and_what_to_try(tiny):
    asked = request(tiny, guidance_scale=3.0)
    little = verdict_of(CHANGED / 2, "a dog (cat 0.90)", asked, near="a `region` close around it")
    assert "hardly differs" in little.advice and "try a `region` close around it, `noise" in little.advice
    assert "`noise_strength` above 0.75" in little.advice and "another `seed`" in little.advice
    wrong = verdict_of(CHANGED * 2, "a dog (cat 0.90)", asked)
    assert "does not look like a dog (cat 0.90)" in wrong.advice and wrong.lacking
    assert verdict_of(CHANGED * 2, "", asked).advice is None
    other = SPEC.model_copy(update={"method": "ddim"}).resolve(Editor(tiny, {}))
    told = verdict_of(0, "", other).advice
    assert "`method` sdedit" in told and "`strength` above 1" in told and "seed" not in told
    assert "region" not in verdict_of(0, "", other).advice
    drawn = verdict_of(0, "", other, photograph=False).advice
    assert "another `seed`" in drawn and "sdedit" not in drawn


def flat(*levels: float) -> Image.Image:
    """A picture of 8 × 8 pixels a cell: its cells have these grey levels, row by row, the rest the last of them."""
    cells = np.full(CELLS**2, levels[-1])
    cells[: len(levels)] = levels
    return Image.fromarray(np.kron(cells.reshape(CELLS, CELLS), np.ones((8, 8))).astype(np.uint8)).convert("RGB")


def test_a_picture_in_which_nothing_can_be_seen_is_known_by_its_cells():
    seen = flat(0, 255, 100)
    assert blank_as(seen, flat(0, NIGHT - 1)) == "nearly black"
    assert blank_as(seen, flat(0, NIGHT)) == blank_as(seen, seen) == ""
    assert blank_as(seen, flat(200, 200 + PLAIN - 1)) == "of nearly one colour"
    assert blank_as(seen, flat(200, 200 + PLAIN)) == ""
    for blank in (flat(3), flat(200)):  # there never was anything to be seen
        assert blank_as(blank, flat(3)) == ""
    for colour, told in (((0, 0, 99), "nearly black"), ((99, 0, 0), "")):  # to the eye blue is the darker one
        half = np.zeros((128, 128, 3), np.uint8)
        half[:64] = colour
        assert blank_as(seen, Image.fromarray(half)) == told
    assert blank_as(seen, flat(255, 0)) == "nearly black"  # a speck
    assert blank_as(seen, flat(*[255] * 6, 0)) == ""


def test_a_result_in_which_nothing_can_be_seen_is_told_with_what_leaves_more(tiny):
    ddim = SPEC.model_copy(update={"method": "ddim"}).resolve(Editor(tiny, {}))
    for asked, option in ((request(tiny), "`noise_strength` below 0.75"), (ddim, "`strength` below 1")):
        results = [Result(edit, edit, flat(0, 255, 100), {}) for edit in (flat(9), flat(0, 200))]
        dark, seen = judged(None, results, asked, ())
        assert dark.verdict.advice == f"The result is nearly black; try {option} or another target."
        assert seen.verdict.advice is None


def test_a_style_alone_need_not_change_as_much_as_another_animal(tiny):
    asked = request(tiny)
    styles = [
        replace(asked, task=make_task("a photo of a cat", "a painting of a cat")),
        replace(asked, task=make_task("a photo of a cat", "a photo of a cat at night"), whole=True),
        replace(asked, task=make_task("a photo", "a painting"), whole=True),
    ]
    others = [
        asked,
        replace(asked, task=make_task("a photo of a cat", "a painting of a dog"), whole=True),
        replace(asked, task=make_task("a photo of a cat", "a photo of an orange cat")),
    ]
    for style in styles:
        assert verdict_of(STYLED, "", style).advice is None
        assert "does not look like a painting" in verdict_of(STYLED, "a painting", style).advice
        assert "hardly differs" in verdict_of(STYLED / 2, "", style).advice
    for other in others:
        assert "hardly differs" in verdict_of(STYLED, "", other).advice


def test_a_word_that_the_model_does_not_know_is_what_is_wrong(tiny):
    asked = replace(request(tiny), task=make_task("cat", "elephant"), unknown=("elephant", "photo"))
    told = verdict_of(CHANGED * 2, "an elephant (still a cat, 0.97)", asked).advice
    assert told == (
        "The result does not look like an elephant (still a cat, 0.97); ask for something that the model knows."
    )


def test_no_change_that_was_asked_for_is_not_advised_against(tiny):
    assert verdict_of(0, "a dog", request(tiny, conditioning={"strength": 0.0})).advice is None


@pytest.mark.parametrize("missed", ["", "a dog (cat 0.93)"])
def test_results_of_photographs_and_of_generated_sources_have_a_verdict(tiny, missed):
    editor = Editor(tiny, {}, Sees(missed))
    assert isinstance(editor.captioner, Judge)
    result = editor.edit(picture(0), SPEC)
    assert result.verdict.lacking == missed
    assert result.verdict.change == change_between(picture(0).image, result.native)
    alone = Editor(tiny, {}).edit(picture(0), SPEC)
    assert alone.verdict.lacking == "" and alone.native.tobytes() == result.native.tobytes()


def test_who_gave_a_mask_is_not_sent_to_a_region(tiny):
    editor, wide = (
        Editor(tiny, {}, Sees("a dog (cat 0.93)")),
        Photo.of(np.tile(np.asarray(picture(0).image), (1, 2, 1))),
    )
    mask = np.zeros((wide.image.height, wide.image.width), np.uint8)
    mask[:, wide.image.width // 4 : 3 * wide.image.width // 4] = 255
    where = {"part": {}, "whole": {"fit": "aspect"}, "mask": {"mask": Image.fromarray(mask)}}
    method = editor.method("sdedit", {"steps": 2})
    told = {name: editor.edit(wide, "cat", "dog", method=method, **said).verdict.advice for name, said in where.items()}
    assert "a `region` close around" in told["part"] and "region" not in told["whole"]
    assert "a `mask` that covers all" in told["mask"] and "region" not in told["mask"]


def test_the_command_line_says_it_and_its_json_has_it(capsys, checkpoint, tmp_path):
    place = photograph(tmp_path / "x.png", 32, 32)
    words = ("edit", place, "--source", "cat", "--target", "dog", "--method", "sdedit", "--model", checkpoint)
    # next to no noise: what comes out is the autoencoder's
    still = (*words, "--noise-strength", "0.02", "--steps", "50", "-o", tmp_path / "y.png")
    done = call(capsys, *still, "--json")
    told = json.loads(done.out)
    assert done.code == 0 and told["warnings"] == [] and told["verdict"]["change"] > 0
    done = call(capsys, *still, "--overwrite")
    assert (told["verdict"]["advice"] is None) == ("warning" not in done.err)
