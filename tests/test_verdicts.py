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
from zeroshift.inversions import InversionMemory
from zeroshift.recipe import parse_recipe
from zeroshift.redo import replay
from zeroshift.results import Result
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_group
from zeroshift.running.looking import look_at
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


class Rates(Sees):
    """A captioner that sees the target as clearly as it is told, picture by picture."""

    enough, hardly, clearer_by = 1.0, 0.3, 0.5

    def __init__(self, *clear: float) -> None:
        super().__init__("")
        self.clear = [*clear]

    def clarity(self, pictures: Sequence[Image.Image], prompt: str, source: str = "") -> list[float] | None:
        return [self.clear.pop(0) for _ in pictures]


class Everywhere:
    """A finder that takes nearly all of a picture."""

    subject = "head"

    def find(self, picture: Image.Image) -> tuple[int, int, int, int]:
        return 2, 2, min(picture.size), min(picture.size)


def large(seed: int) -> Photo:
    """A picture of more pixels than a frame has."""
    return Photo.of(picture(seed).image.resize((80, 80)))


FEW = {"plug-and-play": {"steps": 2}, "sdedit": {"steps": 4}}


def trying(tiny, *clear: float) -> Editor:
    return Editor(tiny, FEW, Rates(*clear), finder=Everywhere())


DIRECT, OTHER, LAST = ("plug-and-play", "direct"), ("plug-and-play", "edit-friendly"), ("sdedit", "noised")


@pytest.mark.parametrize(
    ("clear", "taken_by"),
    [
        ((1.5,), DIRECT),
        ((-2, 1), OTHER),
        ((-2, -1, 1), LAST),
        ((-2, -1, -0.4), DIRECT),
        ((-2, 0.2, 0.6), OTHER),
        ((-2, 0.2, 0.7), LAST),
        ((-2, 0.3), OTHER),
        ((0.2, 0.6, 0.7), LAST),
        ((0.2, 0.6, 0.6), DIRECT),
        ((0.9, 1.3), DIRECT),
        ((0.9, 1.4), OTHER),
    ],
)
def test_where_the_target_cannot_be_seen_other_methods_are_tried(tiny, clear, taken_by):
    editor, taken = trying(tiny, *clear), large(0)
    result = editor.edit(taken, "cat", "dog")
    method, kind = result.recipe["method"], result.recipe["options"]["inversion"]["kind"]
    assert (method, kind) == taken_by and editor.captioner.clear == []
    assert (result.note is not None) == (taken_by != DIRECT)
    options = {"inversion": {"kind": kind}}
    alone = trying(tiny, 9).edit(taken, "cat", "dog", method=editor.method(method, options), mask="grown")
    assert result.image.tobytes() == alone.image.tobytes()
    *_, last = replay(trying(tiny, 9), parse_recipe(result.recipe), taken)
    assert last.results[0][0].image.tobytes() == result.image.tobytes()


def test_where_memory_is_too_small_for_a_try_the_first_result_stays(tiny, monkeypatch):
    def runs_out(*_, **__):
        raise MemoryError

    taken = large(0)
    monkeypatch.setattr("zeroshift.running.second.translate", runs_out)
    result = trying(tiny, -2).edit(taken, "cat", "dog")
    alone = trying(tiny, 9).edit(taken, "cat", "dog")
    assert result.note is None and result.image.tobytes() == alone.image.tobytes()


def test_tries_keep_their_inversions_and_leave_given_ones_alone(tiny):
    editor, taken, kept = trying(tiny, -2, 1, -2, 1), large(0), InversionMemory()
    first = editor.edit(taken, "cat", "dog", inversions=kept)
    stages = [step.stage for step in editor.stream(taken, "cat", "dog", inversions=kept)]
    assert "invert" not in stages and stages.count("again") < 5
    spec = EditSpec(target="dog", source="cat")
    (group,) = groups(editor, look_at(editor, [taken], spec), [spec])
    *_, inverted = editor.invert([taken], group.requests[0], region="auto")
    *_, last = run_group(trying(tiny, -2), group, trajectory=inverted.trajectory)
    assert first.note is not None and last.results[0][0].note is None


def test_of_a_batch_those_are_tried_again_that_need_it(tiny):
    results = trying(tiny, 1, -1, -1, 3, 0.2, 2).edit([large(n) for n in range(3)], "cat", "dog")
    kinds = [(one.recipe["method"], one.recipe["options"]["inversion"]["kind"]) for one in results]
    assert kinds == [DIRECT, OTHER, LAST]


@pytest.mark.parametrize(
    "asked",
    [{"method": "ddim"}, {"options": {"steps": 2}}, {"mask": "auto"}, {"region": "none"}, {"second_try": False}],
)
def test_who_says_how_gets_that_alone(tiny, asked):
    spec = EditSpec(target="dog", source="cat").model_copy(update=asked)
    assert spec.resolve(trying(tiny)).tries == ()
    assert EditSpec(target="dog", source="cat").resolve(trying(tiny)).tries
