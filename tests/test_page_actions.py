"""What happens on the page, without a browser: what its handlers answer, and to whom."""

import asyncio
import gc
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageChops

import zeroshift
from zeroshift.image import Photo, load_image, read_recipe
from zeroshift.inversions import InversionMemory
from zeroshift.ui import telling
from zeroshift.ui.asking import at_intensity, intensity_of, where_of
from zeroshift.ui.desk import Desk, Host, Where
from zeroshift.ui.kept import Kept
from zeroshift.ui.visits import Closed, Stops
from zeroshift.ui.work import brought, parting, sliding

pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")
pytestmark = pytest.mark.slow  # Gradio takes seconds to import
CAT = Path(__file__).parent.parent / "examples" / "cat.png"
REQUEST = SimpleNamespace(session_hash="mine")
SIGNS = {"bring", "example", "place", "clear", "again", "picked", "edit", "stronger", "compare", "words", "reset"}
"""of a page that is used: handlers whose events begin its desk's day anew"""
FIELDS = ("dog", "cat", "", "sdedit", False, 0, 1.0)


@dataclass(frozen=True)
class Parts:
    """Stands for the components of a side: each is its name."""

    side: str

    def __getattr__(self, name: str) -> str:
        return f"{self.side}.{name}"


@pytest.fixture(scope="module")
def editor(checkpoint):
    return zeroshift.load(checkpoint, device="cpu", cache=False)


@pytest.fixture
def page(editor):
    from zeroshift.ui.parts import Page

    sides = (Parts("ask"), Parts("show"), Parts("beside"))
    return Page(editor, None, InversionMemory(), Stops(), Host(), *sides, "desk", "version")


@pytest.fixture
def cat():
    return load_image(CAT)


@pytest.fixture
def desk(cat):
    return Desk(photo=cat, name="cat.png", where=Where("whole"), options={"steps": 2})


def running(page):
    from zeroshift.ui.running import Running

    return Running(page)


def edited(page, desk, *fields):
    return list(running(page).edit(REQUEST, desk, *(fields or FIELDS)))


def without_photo(page, desk):
    """The desk of somebody who drops the result of an edit alone."""
    edited(page, desk)
    from zeroshift.ui import photographs

    file, other = desk.shown.file, Desk()
    made = photographs.result_brought(other, file, file.name, photographs.recipe_in(file), desk.shown.spec)
    made = replace(made, source=None, name="cat.png")
    other.made, other.shown = [made], made
    return other


def test_every_handler_answers_whatever_lies_on_the_desk(page, desk):
    """An answer without anything is refused by Gradio, and a generator without answers empties the page."""
    from zeroshift.ui.bringing import Bringing
    from zeroshift.ui.comparing import Comparing
    from zeroshift.ui.inside import Inside

    act, run = Bringing(page), running(page)
    for lies in (Desk(), without_photo(page, desk)):
        answers = [
            list(run.edit(REQUEST, lies, *FIELDS)),
            list(run.stronger(REQUEST, 0.5, lies)),
            list(Comparing(page).compare(REQUEST, lies, "Seeds", [], "0", "1", *FIELDS)),
            list(Inside(page).words(lies, *FIELDS)),
            [act.place(lies, SimpleNamespace(_data={"mode": "whole"}))],
            [act.example(lies, SimpleNamespace(_data={"name": "no example"}))],
            [act.picked(lies, 0, SimpleNamespace(_data={"key": 99}))],
        ]
        assert all(said and all(said) for said in answers)
    assert act.again(Desk())
    (said,) = run.stronger(REQUEST, 0.5, lies)
    assert "cat.png itself is not here; drop it" in said["show.status"]
    assert "is not here any more" in act.picked(lies, 0, SimpleNamespace(_data={"key": 99}))["show.status"]


def test_another_intensity_is_of_the_edit_that_is_shown(page, desk):
    """Words and options that were changed since do not count."""
    edited(page, desk)
    first = desk.shown
    desk.options = {"steps": 3}
    list(running(page).stronger(REQUEST, 0.5, desk))
    assert desk.shown is not first and intensity_of(desk.shown.spec) == 0.5
    assert desk.shown.spec == at_intensity(first.spec, 0.5)
    assert at_intensity(desk.shown.spec, 1) == first.spec
    assert "dog · sdedit · seed 0 · intensity 0.5 · " in telling.done(desk.shown)
    assert telling.card(desk.shown)["lines"][:2] == ["sdedit", "intensity 0.5"]
    assert "intensity" not in telling.done(first) and len(telling.card(first)["lines"]) == 2
    (back,) = running(page).stronger(REQUEST, 1, desk)
    assert desk.shown is first and len(desk.made) == 2


def test_what_another_intensity_cannot_do_leaves_the_edit_there(page, desk):
    edited(page, desk)
    first = desk.shown
    *_, last = running(page).stronger(REQUEST, -1.0, desk)
    assert desk.shown is first and last["show.slider"].visible
    assert "<b>Intensity</b> of sdedit takes a number from 0 to 2, not -1.0." in last["show.status"]
    assert last["ask.edit"].visible and not last["ask.stop"].visible


def test_an_edit_whose_photograph_was_taken_away_is_kept_beside(page, desk, cat):
    other = load_image(CAT.with_name("cat-sketch.png"))
    run = running(page).edit(REQUEST, desk, *FIELDS)
    assert "show.stage" in next(run)
    desk.photo, desk.name, desk.where = other, "other.png", Where()
    *_, last = run
    assert desk.shown is None and "show.slider" not in last and "show.stage" not in last
    assert len(last["beside.history"]) == 1 and last["ask.edit"].visible
    assert "The edit of cat.png is done; it is in the history." in last["show.status"]
    assert desk.made[0].photo is cat and desk.made[0].name == "cat.png" and desk.made[0].where.mode == "whole"


def test_an_edit_that_waits_is_of_the_photograph_that_lay_there(page, desk, cat):
    with page.host.turns.one():
        run = running(page).edit(REQUEST, desk, *FIELDS)
        assert telling.STAGES["wait"] in next(run)["show.stage"].value
        desk.photo, desk.where = load_image(CAT.with_name("cat-sketch.png")), Where()
    list(run)
    assert desk.made[0].photo is cat


def test_a_second_click_begins_no_second_edit(page, desk):
    run = running(page).edit(REQUEST, desk, *FIELDS)
    next(run)
    (second,) = running(page).edit(REQUEST, desk, *FIELDS)
    assert set(second) == {"version"}
    list(run)
    assert len(desk.made) == 1
    edited(page, desk, "dog", "cat", "", "sdedit", False, 1, 1.0)
    assert len(desk.made) == 2


def test_results_with_names_that_no_file_can_have_are_read(page, desk, tmp_path, monkeypatch):
    """Recipes come from strangers; what is wrong is said in one sentence, without the server's paths."""
    from zeroshift.ui.bringing import Bringing

    edited(page, desk)
    recipe, image = read_recipe(desk.shown.file), load_image(desk.shown.file).image
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    def bring(path, name="result.png"):
        other = Desk()
        return other, Bringing(page).bring(other, 0, SimpleNamespace(_data={"path": str(path), "name": name}))

    for said, name in (("..", "photograph"), (".", "photograph"), ("", "photograph"), ("a\0b.png", "ab.png")):
        zeroshift.save_image(
            image, tmp_path / "odd.png", recipe={**recipe, "source_path": said, "source_sha256": "0" * 64}
        )
        other, update = bring(tmp_path / "odd.png")
        assert other.shown.name == name and other.shown.file.name == "result.png"
        assert f"{name} itself is not here" in update["ask.seen"]
    (tmp_path / "notes.png").write_text("no picture")
    huge = {**recipe, "rows": 1000}
    zeroshift.save_image(image, tmp_path / "0123.png", recipe=huge)
    _, update = bring(tmp_path / "0123.png", "my result.png")
    assert "The recipe in my result.png is damaged" in update["ask.photo"]["wrong"]
    assert "0123" not in update["ask.photo"]["wrong"]
    _, update = bring(tmp_path / "notes.png", "my notes.png")
    assert "my notes.png is not a picture" in update["ask.photo"]["wrong"]
    assert str(tmp_path) not in update["ask.photo"]["wrong"]

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zeroshift.ui.work.sliding", full)
    _, update = bring(tmp_path / "odd.png")
    assert "result.png cannot be kept here (No space left on device)" in update["ask.photo"]["wrong"]

    def breaks(*_):
        raise MemoryError

    monkeypatch.setattr("zeroshift.ui.work.sliding", breaks)
    _, update = bring(tmp_path / "odd.png")
    assert "Something unexpected went wrong (MemoryError)" in update["ask.photo"]["wrong"]


def test_a_photograph_that_comes_after_its_result_shows_where_it_changed(page, desk, cat):
    """A box that is of the recipe lies on the photograph as a box that the model found would."""
    from zeroshift.ui.bringing import Bringing

    desk.where = Where("box", (0.2, 0.1, 0.5, 0.5))
    edited(page, desk)
    other, spec = Desk(awaits=cat.sha256), desk.shown.spec.model_copy(update={"mask": "none"})
    said = {"called": "r.png", "name": "cat.png", "spec": spec, "photo": None, "where": where_of(spec, None, None)}
    other.shown = brought(other, desk.shown.file, **said)
    other.made = [other.shown]
    Bringing(page).laid(other, cat, "my cat.png")
    assert other.where.mode == "auto" and other.where.box == pytest.approx((0.2, 0.1, 0.5, 0.5), abs=0.01)
    assert other.shown is other.made[0] and (other.shown.photo, other.shown.name) == (cat, "my cat.png")
    assert np.array_equal(load_image(other.shown.before).image, cat.image)


def test_the_history_keeps_no_photograph_decoded(page, desk, cat, tmp_path):
    """Nor painted masks: they wait in files of the page's own, and come back also where the brought file has gone."""
    from zeroshift.ui.bringing import Bringing

    mine, mask = tmp_path / "mine.png", Image.new("L", cat.image.size, 0)
    cat.image.rotate(180).save(mine)
    mask.paste(255, (100, 100, 300, 200))
    mask.save(tmp_path / "mask.png")
    desk.photo, desk.where = load_image(mine), Where("brush", mask=load_image(tmp_path / "mask.png"))
    both = {desk.photo.sha256, desk.where.mask.sha256}
    mine.unlink()
    edited(page, desk)
    (made,) = desk.made
    Bringing(page).laid(desk, cat, "other.png")
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Photo) and one.sha256 in both]
    Bringing(page).picked(desk, 0, SimpleNamespace(_data={"key": made.key}))
    assert {desk.photo.sha256, desk.where.mask.sha256} == both and made.photo is desk.photo
    assert np.array_equal(desk.photo.image, cat.image.rotate(180))
    assert desk.where.mode == "brush" and np.array_equal(desk.where.mask.image.convert("L"), mask)
    edited(page, desk, "dog", "cat", "", "sdedit", False, 1, 1.0)
    assert len(desk.made) == 2 and len([*(desk.folder / "photographs").iterdir()]) == 1
    made.source.file.unlink()
    desk.photo = None
    gc.collect()
    said = Bringing(page).picked(desk, 0, SimpleNamespace(_data={"key": made.key}))
    assert "cat.png itself is not here; drop it" in said["ask.seen"]


def test_room_is_made_after_an_edit_and_it_is_told(page, desk, monkeypatch, tmp_path):
    from zeroshift.ui import kept as kept_files

    files = Kept(tmp_path)
    page, desk.home = replace(page, files=files), files.desks
    files.closed.opened("mine", desk)
    edited(page, desk)
    edited(page, desk, "dog", "cat", "", "sdedit", False, 1, 1.0)
    first, second = desk.made
    monkeypatch.setattr(kept_files, "MOST_KEPT", files.too_many() + kept_files.MOST_KEPT)
    *_, last = edited(page, desk, "dog", "cat", "", "sdedit", False, 2, 1.0)
    assert desk.made[0] is second and len(desk.made) == 2 and not first.file.exists() and desk.shown.file.exists()
    assert len(last["beside.history"]) == 2
    assert "The oldest edit of this page is not here any more" in last["show.status"]
    assert "dropped here brings its edit back" in last["show.status"]
    assert second.photo is not None


def of_one_edit(page, desk, monkeypatch, tmp_path):
    """The page with one edit on that desk, and room for no other."""
    from zeroshift.ui import kept as kept_files

    files = Kept(tmp_path)
    page, desk.home = replace(page, files=files), files.desks
    files.closed.opened("mine", desk)
    edited(page, desk)
    desk.shown = None
    monkeypatch.setattr(kept_files, "MOST_KEPT", 1)
    return page


def test_no_room_leaves_the_new_edit_with_its_photograph(page, desk, monkeypatch, tmp_path):
    """Nothing is shown meanwhile, so the earlier edit goes, the last one of that photograph but for the new one."""
    page = of_one_edit(page, desk, monkeypatch, tmp_path)
    (first,) = desk.made
    *_, last = edited(page, desk, "dog", "cat", "", "sdedit", False, 1, 1.0)
    (second,) = desk.made
    assert second is not first and second.after.exists() and second.source.file.exists() and desk.runs == []
    assert "The oldest edit of this page is not here any more" in last["show.status"]


def test_a_comparison_tells_of_edits_that_went_and_keeps_its_own(page, desk, monkeypatch, tmp_path):
    from zeroshift.ui.comparing import Comparing

    page = of_one_edit(page, desk, monkeypatch, tmp_path)
    *_, last, _ = Comparing(page).compare(REQUEST, desk, "Seeds", [], "1, 2", "", *FIELDS)
    keys = [card["key"] for card in last["beside.cards"]]
    assert [made.key for made in desk.made] == keys and all(made.source.file.exists() for made in desk.made)
    assert "The oldest edit of this page is not here any more" in last["beside.told"] and desk.runs == []


def test_edits_that_went_are_told_of_after_a_stop_too(page, desk):
    edited(page, desk)
    desk.gone = 3
    said = page.back(desk, desk.shown, telling.halted(1.0))["show.status"]
    assert "Stopped after" in said and "The 3 oldest edits of this page are not here any more" in said
    assert desk.gone == 0


def cost(first, further, mask=1.0):
    return SimpleNamespace(first_edit_sf=first, further_edit_sf=further, auto_mask_sf=mask)


COSTS = {"sdedit": cost(20, 20), "ddim": cost(60, 40), "pix2pix-zero": cost(100, 70)}


@pytest.fixture
def costs(monkeypatch):
    """Methods of which it is known what they cost; those that were counted."""
    told = []

    def known(method, model):
        told.append(method)
        return COSTS[method.name]

    monkeypatch.setattr("zeroshift.ui.foretold.cost_of", known)
    return told


def foretold_by(page, desk, by, methods=(), seeds="0", strengths="1", fields=FIELDS):
    from zeroshift.ui.comparing import Comparing
    from zeroshift.ui.foretold import Foretelling

    return list(Foretelling(page, Comparing(page)).told(desk, by, list(methods), seeds, strengths, *fields))


def test_what_edits_side_by_side_cost_is_said_beforehand(page, desk, costs):
    first, *_, last = foretold_by(page, desk, "Methods", ["ddim", "sdedit", "pix2pix-zero"])
    assert "Counting what 3 edits cost, 0 counted." in first
    assert "3 edits of 20 to 100 SF, at most 180 SF in all, the cheapest first" in last
    assert "how long that takes is known after the first" in last
    edited(page, desk)
    desk.made[0] = replace(desk.made[0], seconds=2.0)
    *_, last = foretold_by(page, desk, "Seeds", seeds="0, 1, 2, 3, 4")
    assert "5 edits of 20 SF, at most 100 SF in all, the cheapest first: about 10 s." in last
    del costs[:]
    foretold_by(page, desk, "Intensities", strengths="0.5, 0.75, 1", fields=("dog", "cat", "", "sdedit", False, 0, 1.0))
    assert len({*costs}) == 1  # another intensity is not counted anew
    (said,) = foretold_by(page, desk, "Seeds", seeds="none")
    assert "Whole numbers with commas" in said
    assert foretold_by(page, Desk(), "Seeds") == [""] and foretold_by(page, desk, "Methods") == ["", ""]


def test_what_is_counted_is_not_told_any_more_once_a_comparison_has_begun(page, desk, costs):
    from zeroshift.ui.comparing import Comparing
    from zeroshift.ui.foretold import Foretelling

    compare, fields = Comparing(page), ("dog", "cat", "", "sdedit", True, 0, 1.0)
    telling = Foretelling(page, compare).told(desk, "Methods", ["ddim", "sdedit", "pix2pix-zero"], "0", "1", *fields)
    assert "0 counted" in next(telling) and "1 counted" in next(telling)
    list(compare.compare(REQUEST, desk, "Methods", ["sdedit"], "0", "1", *fields))
    assert list(telling) == []


@pytest.mark.parametrize("steps", [1, 4])
def test_what_is_counted_is_not_told_any_more_once_an_option_was_set(page, desk, costs, steps):
    """Neither how far it is nor, where all was counted, the sentence."""
    from zeroshift.ui.comparing import Comparing
    from zeroshift.ui.foretold import Foretelling, untold

    fields, methods = ("dog", "cat", "", "sdedit", True, 0, 1.0), ["ddim", "sdedit", "pix2pix-zero"]
    telling = Foretelling(page, Comparing(page)).told(desk, "Methods", methods, "0", "1", *fields)
    for _ in range(steps):
        next(telling)
    assert untold(desk) == "" and list(telling) == []


def test_the_cheapest_of_edits_side_by_side_is_made_first(page, desk, costs):
    from zeroshift.ui.comparing import Comparing

    desk.options = {}
    fields = ("dog", "cat", "", "sdedit", True, 0, 1.0)
    said = list(Comparing(page).compare(REQUEST, desk, "Methods", ["ddim", "sdedit"], "0", "1", *fields))
    assert [made.spec.method for made in desk.made] == ["sdedit", "ddim"]
    told = [one["beside.told"] for one in said if "beside.told" in one]
    assert any("at most 80 SF in all, the cheapest first" in one for one in told)


def test_what_lay_on_closed_pages_is_let_go(cat):
    """All but the last two: a connection that broke may come back."""
    closed, desks = Closed(), [Desk(photo=cat) for _ in range(4)]
    folders = [desk.place() for desk in desks]
    for n, desk in enumerate(desks):
        closed.opened(str(n), desk)
    assert all(desk.photo is cat for desk in desks)
    for n in (0, 1, 2, 3, 3, 4):  # closed twice, and never opened
        closed.closed(str(n))
    assert [desk.photo for desk in desks] == [None, None, cat, cat]
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    desks[0].photo = cat
    assert desks[0].place().exists() and desks[0].place() != folders[0]


def test_a_page_whose_connection_broke_keeps_its_desk_as_long_as_it_is_used(editor, cat):
    """Gradio takes it for closed, and would delete its desk an hour later."""
    from gradio.state_holder import StateHolder

    from zeroshift.ui.page import DAY, MOST_PAGES, blocks

    kept = Kept()

    async def built():  # in a loop, or Gradio opens one that nobody closes
        return blocks(editor, kept=kept)

    whole = asyncio.run(built())
    assert whole.state_session_capacity == MOST_PAGES
    sessions = StateHolder()
    sessions.set_blocks(whole)
    arrivals = [one for one in whole.fns.values() if one.name == "arrives"]
    arrives, asked = arrivals[0], {target for one in arrivals for target in one.targets}
    whose = {target for one in whole.fns.values() if one.name in SIGNS for target in one.targets}
    whose = {(part, event) for part, event in whose if event != "change"}  # what is typed is told when it is asked for
    assert len(whose) > len(SIGNS) and asked >= whose
    (state,) = [one for one in whole.blocks.values() if isinstance(one.value if hasattr(one, "value") else 0, Desk)]
    session = sessions["mine"]
    desk = session[state._id]
    desk.photo = cat

    def used():
        session[state._id] = arrives.fn(REQUEST, session[state._id])

    def after(seconds):
        session._state_ttl = {one: (lives, then - timedelta(seconds=seconds)) for one, (lives, then) in
                              session._state_ttl.items()}  # fmt: skip
        sessions.delete_all_expired_state()
        return session[state._id]

    used()
    kept.closed.closed("mine")
    session.is_closed = True
    assert after(5000) is desk
    used()
    others = [Desk(photo=cat) for _ in range(3)]
    for n, other in enumerate(others):  # pages that are opened and closed meanwhile
        kept.closed.opened(str(n), other)
        kept.closed.closed(str(n))
    assert [other.photo for other in others] == [None, cat, cat]
    assert after(DAY - 5000) is desk and desk.photo is cat
    used()
    assert after(DAY - 5000) is desk
    assert after(DAY) is not desk and desk.photo is None


def test_another_intensity_while_an_edit_runs_is_told_to_come_later(page, desk):
    edited(page, desk)
    first = desk.shown
    run = running(page).edit(REQUEST, desk, "dog", "cat", "", "sdedit", False, 1, 1.0)
    next(run)
    (said,) = running(page).stronger(REQUEST, 0.5, desk)
    assert telling.RUNNING in said["show.status"] and said["show.strength"] == 1
    assert desk.shown is first
    list(run)
    list(running(page).stronger(REQUEST, 0.5, desk))
    assert len(desk.made) == 3


def test_a_look_inside_is_of_the_photograph_that_lies_there(page, desk, cat):
    from zeroshift.ui.bringing import Bringing
    from zeroshift.ui.inside import Inside

    inside, other = Inside(page), load_image(CAT.with_name("cat-sketch.png"))
    list(inside.words(desk, *FIELDS))
    assert "<img" in inside.word(desk, SimpleNamespace(_data={"word": "cat"}))
    said = Bringing(page).laid(desk, other, "other.png")
    assert said["beside.words"] == [] and telling.LOOK_ANEW in said["beside.heat"]
    assert desk.looked is None and not inside.word(desk, SimpleNamespace(_data={"word": "cat"}))
    assert "beside.words" not in Bringing(page).laid(desk, cat, "cat.png")
    with page.host.turns.one():
        looking = inside.words(desk, *FIELDS)
        next(looking)  # it waits
        desk.photo = other
    *_, said = looking
    assert said["beside.words"] == [] and telling.LOOK_ANEW in said["beside.heat"] and desk.looked is None


def test_what_nobody_expected_is_said_without_where_the_server_keeps_things(page, desk, monkeypatch, caplog):
    edited(page, desk)
    for error, says in (
        (OSError(28, "No space left on device", "/secret/place"), "cannot be kept here (No space left on device)"),
        (ConnectionResetError(104, "reset", "/secret/place"), "Something unexpected went wrong (ConnectionResetError)"),
        (KeyError("/secret/place"), "Something unexpected went wrong (KeyError)"),
    ):

        def fails(*_, error=error):
            raise error

        monkeypatch.setattr("zeroshift.ui.work.sliding", fails)
        *_, last = running(page).edit(REQUEST, desk, *FIELDS)
        assert says in last["show.status"] and "secret" not in last["show.status"]
    failures = [record.exc_info[0] for record in caplog.records if record.levelname == "ERROR"]
    assert failures == [OSError, ConnectionResetError, KeyError]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"failed": 'HTTP 413: {"error": {"message": "The body is larger than 20 MB."}}'}, "larger than 20 MB."),
        ({"failed": "HTTP 502: Bad gateway"}, "did not arrive here: Bad gateway"),
        ({"failed": "Connection errored out. Failed to fetch", "size": 5}, "its connection broke off"),
        ({"failed": "HTTP 413: [1]"}, "did not arrive here: [1]"),
        ({"size": 123_000_000, "failed": "larger"}, "has 123 MB, and a photograph may have 100 MB here"),
        ({"size": 100_010_000, "failed": "larger"}, "has 100.1 MB, and a photograph may have 100 MB here"),
        ({"path": "/etc/passwd"}, "did not arrive here"),
        ({}, "did not arrive here"),
    ],
    ids=range(8),
)
def test_why_a_file_did_not_come_is_said(page, told, says):
    from zeroshift.ui.bringing import Bringing

    update = Bringing(page).bring(Desk(), 0, SimpleNamespace(_data={"path": "", "name": "cat.png", **told}))
    assert says in update["ask.photo"]["wrong"]


def test_a_file_that_is_refused_leaves_all_that_lies_there(page, desk, cat):
    """It is said where the file was brought: with the frame that was found, the slider and the card's mark stays."""
    from zeroshift.ui.bringing import Bringing

    edited(page, desk)
    shown = desk.shown
    update = Bringing(page).bring(desk, 0, SimpleNamespace(_data={"path": "", "name": "cat.png"}))
    assert set(update) == {"ask.photo"} and set(update["ask.photo"]) == {"wrong", "tick", "brought"}
    assert desk.photo is cat and desk.shown is shown


def test_an_answer_says_which_file_it_is_to(page):
    """So the page tells it from answers to what was drawn while the file was on its way."""
    from zeroshift.ui.bringing import Bringing

    said = {"path": "", "name": "cat.png", "number": 7}
    assert Bringing(page).bring(Desk(), 0, SimpleNamespace(_data=said))["ask.photo"]["brought"] == 7
    assert "brought" not in Bringing(page).example(Desk(), SimpleNamespace(_data={"name": "cat.png"}))["ask.photo"]


@pytest.mark.parametrize("kind", ["a photograph", "a result", "an awaited photograph"])
def test_where_the_look_at_a_file_fails_all_stays(page, desk, cat, monkeypatch, tmp_path, kind):
    from zeroshift.ui.bringing import Bringing

    edited(page, desk)
    file = desk.shown.file if kind == "a result" else tmp_path / "other.png"
    if kind != "a result":
        cat.image.rotate(180).save(file)
    desk.awaits = load_image(file).sha256 if kind == "an awaited photograph" else ""
    desk.options = {"steps": 3}
    before, cards = {**vars(desk)}, [*desk.made]

    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr("zeroshift.ui.bringing.uploaded", lambda *_: file)
    monkeypatch.setattr("zeroshift.ui.photographs.look", fails)
    answer = Bringing(page).bring(desk, 0, SimpleNamespace(_data={"name": file.name}))
    assert "wrong" in answer["ask.photo"] and vars(desk) == before and desk.made == cards


def test_an_edit_that_is_done_while_an_awaited_photograph_comes_is_kept(page, desk, cat):
    """Runs add to the list that their copy of the desk has."""
    from zeroshift.ui.bringing import Bringing

    other = without_photo(page, desk)
    other.place()
    other.awaits, run = cat.sha256, other.with_photo(cat, "cat.png", Where())
    Bringing(page).laid(other, cat, "cat.png")
    assert run.made is other.made and other.made == [other.shown] and other.shown.photo is not None


def test_an_awaited_photograph_joins_its_own_result_alone(page, desk, cat):
    """Whatever card was chosen meanwhile."""
    from zeroshift.ui.bringing import Bringing

    other, act = without_photo(page, desk), Bringing(page)
    (alone,) = other.made
    tiger = Photo(cat.image.rotate(180), None, "0" * 64)
    act.laid(other, tiger, "tiger.png")
    edited(page, other)
    mine = other.shown
    act.restored(other, alone, 0)
    assert other.awaits == cat.sha256
    act.restored(other, mine, 0)
    act.laid(other, cat, "cat.png")
    assert other.shown is None and other.made == [alone, mine]
    act.restored(other, alone, 0)
    act.laid(other, cat, "cat.png")
    assert other.shown.key == alone.key and other.shown.source.sha256 == cat.sha256 and other.made[1] is mine


def test_why_a_file_cannot_be_read_is_logged_and_no_reason_is_no_word(tmp_path, caplog):
    from zeroshift.ui.uploads import wrong_with

    said = wrong_with(OSError("image file is truncated"), tmp_path / "0", "cat.png")
    assert said == "cat.png cannot be read again here; bring it once more."
    assert "image file is truncated" in caplog.text
    assert "(reset)" in wrong_with(ConnectionResetError(104, "reset"), tmp_path / "0", "cat.png")


def test_another_intensity_reads_the_photograph_once(page, desk, cat):
    """Its file may go meanwhile, and reading it takes time."""
    edited(page, desk)
    reads = []

    class Once:
        sha256 = cat.sha256

        @property
        def photo(self):
            reads.append(self)
            return cat if len(reads) == 1 else None

    desk.shown = replace(desk.shown, source=Once())
    for _ in running(page).stronger(REQUEST, 0.5, desk):
        pass
    assert len(reads) == 1 and len(desk.made) == 2


def test_an_edit_that_comes_to_nothing_leaves_the_one_before_it(page, desk, monkeypatch):
    """Whether its words are none, it is stopped, or it fails: the marked card and the slider show one edit."""
    edited(page, desk)
    first = desk.shown

    def there(last):
        assert desk.shown is first and last["show.slider"].visible and last["show.actions"].visible
        assert last["show.download"].value and not last["show.stage"].visible
        assert last["show.strength"] == 1 and last["ask.edit"].visible
        return last["show.status"]

    *_, last = edited(page, desk, "", *FIELDS[1:])
    assert 'role="alert"' in there(last) and "dog · sdedit" in last["show.status"]
    run = running(page).edit(REQUEST, desk, "tiger", *FIELDS[1:])
    next(run)
    page.stops.stop("mine")
    *_, last = run
    assert "Stopped after" in there(last) and "dog · sdedit" in last["show.status"]

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zeroshift.ui.work.sliding", fails)
    *_, last = edited(page, desk, "tiger", *FIELDS[1:])
    assert "cannot be kept here" in there(last) and "dog · sdedit" in last["show.status"]
    desk.photo = None
    (last,) = edited(page, desk)
    assert set(last) == {"show.status"} and "There is no photograph yet" in last["show.status"]  # nothing was hidden


def test_no_card_waits_when_a_comparison_has_ended(page, desk, monkeypatch):
    from zeroshift.ui.comparing import Comparing

    def compared(during):
        answers = []
        for answer in Comparing(page).compare(REQUEST, desk, "Seeds", [], "0, 1, 2", "", *FIELDS):
            answers.append(answer)
            during(answer)
        return [update["beside.cards"] for update in answers if "beside.cards" in update][-1], answers

    def stop(answer):
        if any(card.get("src") for card in answer.get("beside.cards", ())):
            page.stops.stop("mine")

    cards, answers = compared(stop)
    assert [card["title"] for card in cards] == ["seed 0", "seed 1", "seed 2"]
    assert cards[0]["src"] and [card["gap"] for card in cards[1:]] == ["stopped", "stopped"]
    assert len(answers[-2]["beside.history"]) == 1

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zeroshift.ui.work.sliding", fails)
    cards, answers = compared(lambda answer: None)
    assert [card["gap"] for card in cards] == ["not made"] * 3
    assert "cannot be kept here" in answers[-2]["beside.told"] and answers[-1]["beside.compare"].visible


def test_a_look_inside_offers_the_words_that_name_something(page, desk, monkeypatch):
    """No articles or prepositions; a repeated one is another; the sentence is said, and what it lacks."""
    from zeroshift.ui.inside import Inside

    def looked(source):
        *_, said = Inside(page).words(desk, "dog", source, *FIELDS[2:])
        return said

    said = looked("a photo of a cat, and a cat on the mat")
    (chips,) = said["beside.words"]
    assert chips["words"] == ["photo", "cat", "cat (2)", "mat"] and "Where <b>mat</b> looks" in said["beside.heat"]
    assert "a cat on the mat” that name something." in chips["about"] and "too long" not in chips["about"]
    assert looked("the of")["beside.words"] == []
    long = f"a photo of a {'very ' * 80}orange cat"
    (chips,) = looked(long)["beside.words"]
    assert "cat" not in chips["words"] and "does not read: " in chips["about"]
    assert chips["about"].endswith("orange, cat.")

    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr("zeroshift.ui.inside.look_at", fails)
    said = looked("cat")
    assert said["beside.words"] == [] and "went wrong (MemoryError)" in said["beside.heat"]


@pytest.mark.parametrize(("box", "at"), [(None, 50.0), ((10, 5, 30, 20), 25.0), ((60, 0, 80, 40), 87.5)])
def test_the_slider_parts_what_changed(tmp_path, box, at):
    before = Image.effect_noise((80, 40), 20).convert("RGB")
    after = ImageChops.add(before, Image.new("RGB", before.size, (9, 9, 9)))  # a tint that nobody sees
    if box:
        after.paste((0, 0, 0), box)
        before.paste((255, 255, 255), box)
    files = sliding(tmp_path, before, after)
    assert parting(*files) == at
