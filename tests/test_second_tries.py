"""Second tries: other methods, and the same from nearer, where a target is not clear."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from tests.saved import picture
from tests.test_verdicts import Sees
from zeroshift.asked.again import asked_again
from zeroshift.asked.edits import EditSpec
from zeroshift.captioning.sentences import PlainEnglish
from zeroshift.editor import Editor
from zeroshift.image import Photo
from zeroshift.image.framing import Within
from zeroshift.inversions import InversionMemory
from zeroshift.recipe import parse_recipe
from zeroshift.redo import replay
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_group
from zeroshift.running.looking import look_at
from zeroshift.running.translate import translate


class Rates(Sees):
    """A captioner that sees the target as clearly as it is told, picture by picture."""

    enough, hardly, clearer_by = 1.0, 0.3, 0.5
    clear, nearer_by = 2.0, 0.25

    def __init__(self, *clear: float) -> None:
        super().__init__("")
        self.clarities = [*clear]

    def clarity(self, pictures: Sequence[Image.Image], prompt: str, source: str = "") -> list[float] | None:
        return [self.clarities.pop(0) for _ in pictures]


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
    assert (method, kind) == taken_by and editor.captioner.clarities == []
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


class Nears(Rates, PlainEnglish):
    """The same, which also looks at dogs from nearer where they are not clear."""

    def within(self, target: str) -> Within:
        return Within(0.9, again=Within(0.8))


def nearing(tiny, *clear: float) -> Editor:
    return Editor(tiny, FEW, Nears(*clear), finder=Everywhere())


FOUND, NEARER = [6, 6, 76, 76], [13, 13, 69, 69]


@pytest.mark.parametrize(
    ("clear", "taken_by", "region"),
    [
        ((2.5,), DIRECT, FOUND),  # clear
        ((1.5, 1.8), DIRECT, NEARER),
        ((1.5, 1.7), DIRECT, FOUND),  # not enough clearer
        ((0.9, 1.4, 1.6), OTHER, FOUND),  # after another method
        ((0.9, 1.4, 1.7), DIRECT, NEARER),
        ((-2, -1, -1.5, -0.1), DIRECT, FOUND),  # not to be seen from nearer either
    ],
)
def test_a_part_that_was_found_is_tried_from_nearer_where_the_target_is_not_clear(tiny, clear, taken_by, region):
    editor, taken = nearing(tiny, *clear), large(0)
    result = editor.edit(taken, "cat", "dog")
    assert editor.captioner.clarities == []
    method, kind = result.recipe["method"], result.recipe["options"]["inversion"]["kind"]
    assert (method, kind) == taken_by and result.recipe["region"] == region
    assert ("nearer" in (result.note or "")) == (region == NEARER)
    assert result.part == f"the head at {region[0]},{region[1]},{region[2] - region[0]},{region[3] - region[1]}"
    *_, last = replay(nearing(tiny, 9), parse_recipe(result.recipe), taken)
    assert last.results[0][0].image.tobytes() == result.image.tobytes()


def test_of_a_batch_those_are_looked_at_from_nearer_that_are_not_clear(tiny):
    editor = nearing(tiny, 3, 1, 1.5, 3, 0.5)
    results = editor.edit([large(n) for n in range(3)], "cat", "dog")
    assert [one.recipe["region"] for one in results] == [FOUND, NEARER, FOUND]
    alone = nearing(tiny, 1, 3).edit(large(1), "cat", "dog")
    assert np.abs(np.asarray(results[1].image).astype(int) - np.asarray(alone.image)).max() <= 1


def test_a_given_region_is_never_left(tiny):
    spec = EditSpec(target="dog", source="cat", region="6,6,70,70", mask="grown")
    editor = nearing(tiny, 1.5)
    assert editor.edit(large(0), spec).recipe["region"] == FOUND


def test_where_memory_is_too_small_for_a_nearer_look_the_first_result_stays(tiny, monkeypatch):
    def runs_out(*_, **__):
        raise MemoryError

    monkeypatch.setattr("zeroshift.running.second.translate", runs_out)
    result = nearing(tiny, 1.5).edit(large(0), "cat", "dog")
    assert result.note is None and result.recipe["region"] == FOUND


class Likes:
    """A critic that likes results as much as it is told, one after another."""

    enough, better_by = 3.0, 0.5

    def __init__(self, *scores: float) -> None:
        self.left, self.known = [*scores], dict[bytes, float]()

    def knows(self, prompt: str) -> bool:
        return "dog" in prompt

    def scores(self, pictures: Sequence[Image.Image]) -> list[float]:
        for one in pictures:
            if one.tobytes() not in self.known:
                self.known[one.tobytes()] = self.left.pop(0)
        return [self.known[one.tobytes()] for one in pictures]


class Kinds(Nears):
    """A captioner that also knows two kinds of dogs."""

    def lacking(
        self, pictures: Sequence[Image.Image], prompt: str, source: str = "", unknown: Sequence[str] = ()
    ) -> list[str]:
        return ["" for _ in pictures]

    def kinds(self, target: str) -> tuple[str, ...]:
        return ("brown dog", "tabby dog") if target == "dog" else ()


def liking(tiny, scores: Sequence[float], clear: Sequence[float] = (9, 9, 9, 9)) -> Editor:
    return Editor(tiny, FEW, Kinds(*clear), finder=Everywhere(), critic=Likes(*scores))


@pytest.mark.parametrize(
    ("scores", "clear", "target", "region"),
    [
        ((3,), (9,), "dog", FOUND),  # good enough
        ((2, 2.4, 2.3, 2.4), (9, 9, 9, 9), "dog", FOUND),  # nothing is so much better
        ((2, 2.4, 2.3, 2.5), (9, 9, 9, 9), "dog", NEARER),
        ((2, 2.4, 3.1), (9, 9, 9), "tabby dog", FOUND),
        ((2, 2.6, 2.5, 3), (9, 9, 9, 9), "brown dog", FOUND),
        ((2, 2.6, 2.5, 3.2), (9, 9, 9, 9), "brown dog", NEARER),
        ((2, 3.5, 3.0), (9, -1, 9), "tabby dog", FOUND),  # no brown dog can be seen
        ((2, 3.5, 3.5, 3.5), (9, -1, -1, -1), "dog", FOUND),
    ],
)
def test_where_a_result_does_not_look_good_kinds_of_the_target_are_tried(tiny, scores, clear, target, region):
    editor, taken = liking(tiny, scores, clear), large(0)
    result = editor.edit(taken, "cat", "dog")
    assert editor.critic.left == [] and editor.captioner.clarities == []
    assert (result.recipe["target"], result.recipe["region"]) == (target, region)
    wanted = [] if target == "dog" else [f"A {target} looks better here than a dog as such."]
    wanted += [] if region == FOUND else ["The target looked less good in the usual part; this is made from nearer."]
    assert (result.note or "") == " ".join(wanted)
    *_, last = replay(liking(tiny, (9,)), parse_recipe(result.recipe), taken)
    assert np.abs(np.asarray(last.results[0][0].image).astype(int) - np.asarray(result.image)).max() <= 1
    assert last.results[0][0].recipe["target"] == target


@pytest.mark.parametrize(
    ("scores", "target", "region"),
    [((2, 2.4, 2.3, 2.5), "dog", NEARER), ((2, 2.6, 2.5, 3), "brown dog", FOUND), ((3,), "dog", FOUND)],
)
def test_who_asks_for_a_recipe_again_gets_that_picture_and_no_other_try(tiny, scores, target, region):
    result = liking(tiny, scores).edit(large(0), "cat", "dog")
    assert (result.recipe["target"], result.recipe["region"]) == (target, region)
    editor = liking(tiny, (2, 4, 4, 4), (0.5, 9, 9, 9))
    again = editor.edit(large(0), asked_again(parse_recipe(result.recipe), editor))
    assert (again.recipe["target"], again.note) == (target, None)
    assert np.abs(np.asarray(again.image).astype(int) - np.asarray(result.image)).max() <= 1


def test_where_memory_is_too_small_for_all_kinds_they_are_tried_one_after_another(tiny, monkeypatch):
    def small(backbone, frames, requests, **given):
        if len(requests) > 1:
            raise MemoryError
        return translate(backbone, frames, requests, **given)

    together = liking(tiny, (2, 2.4, 3.1), (9, 9, 9)).edit(large(0), "cat", "dog")
    monkeypatch.setattr("zeroshift.running.second.translate", small)
    apart = liking(tiny, (2, 2.4, 3.1), (9, 9, 9)).edit(large(0), "cat", "dog")
    assert apart.recipe["target"] == together.recipe["target"] == "tabby dog"
    assert np.abs(np.asarray(apart.image).astype(int) - np.asarray(together.image)).max() <= 1


def test_where_memory_is_too_small_for_one_kind_the_first_result_stays(tiny, monkeypatch):
    asked = []

    def smaller(backbone, frames, requests, **given):
        asked.append([request.task.target for request in requests])
        raise MemoryError

    monkeypatch.setattr("zeroshift.running.second.translate", smaller)
    result = liking(tiny, (2,), (9,)).edit(large(0), "cat", "dog")
    assert result.recipe["target"] == "dog" and result.note is None
    # both kinds, the first of them alone, and from nearer: of the second nothing is hoped for
    assert asked == [["brown dog", "tabby dog"], ["brown dog"], ["dog"]]
