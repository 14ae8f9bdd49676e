"""What happens on the page, without a browser: what its handlers answer, and to whom."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import zeroshift
from zeroshift.image import load_image, read_recipe
from zeroshift.inversions import InversionMemory
from zeroshift.ui import telling
from zeroshift.ui.asking import at_intensity, intensity_of, where_of
from zeroshift.ui.desk import Desk, Host, Where
from zeroshift.ui.visits import Stops
from zeroshift.ui.work import brought

pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")
pytestmark = pytest.mark.slow  # Gradio takes seconds to import
CAT = Path(__file__).parent.parent / "examples" / "cat.png"
REQUEST = SimpleNamespace(session_hash="mine")
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
    made = SimpleNamespace(**{**vars(made), "photo": None, "name": "cat.png"})
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
    _, update = bring(tmp_path / "notes.png", "my notes.png")
    assert "my notes.png is not a picture" in update["show.stage"].value
    assert str(tmp_path) not in update["show.stage"].value

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zeroshift.ui.work.sliding", full)
    _, update = bring(tmp_path / "odd.png")
    assert "result.png cannot be kept here (No space left on device)" in update["show.stage"].value


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


def test_what_lay_on_closed_pages_is_let_go(page, cat):
    """All but the last two: a connection that broke may come back."""
    from zeroshift.ui.page import MOST_PAGES, wire_visits

    opens, closes = [], []
    whole = SimpleNamespace(load=lambda what, *_, **__: opens.append(what), unload=closes.append)
    wire_visits(page, whole)
    assert whole.state_session_capacity == MOST_PAGES
    desks = [Desk(photo=cat) for _ in range(4)]
    folders = [desk.place() for desk in desks]
    for n, desk in enumerate(desks):
        opens[0](SimpleNamespace(session_hash=str(n)), desk)
    assert all(desk.photo is cat for desk in desks)
    for n in (0, 1, 2, 3, 3, 4):  # closed twice, and never opened
        closes[0](SimpleNamespace(session_hash=str(n)))
    assert [desk.photo for desk in desks] == [None, None, cat, cat]
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    desks[0].photo = cat
    assert desks[0].place().exists() and desks[0].place() != folders[0]
