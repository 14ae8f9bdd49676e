"""What runs on the page: an edit, several side by side, a look inside."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from zeroshift.asked.edits import EditSpec
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.reports.looking import words_in
from zeroshift.running.looking import look_at
from zeroshift.ui import telling
from zeroshift.ui.actions import NO_PHOTO, Page, Update
from zeroshift.ui.asking import Fields, asked_for, at_intensity, intensity_of, numbers
from zeroshift.ui.desk import Desk, Made
from zeroshift.ui.pictures import heat, inline
from zeroshift.ui.students import is_students
from zeroshift.ui.work import LOOK, PAUSE, WAIT, Stopped, Working, cost_of

log = logging.getLogger(__name__)


def told(error: Exception) -> str:
    """What went wrong in one sentence; what nobody expected is written to the log as well."""
    if isinstance(error, ValueError):
        return str(error)
    log.exception("an edit failed")
    return f"Unexpected {type(error).__name__}: {error}"


@dataclass(frozen=True, eq=False)
class Running:
    """One edit."""

    page: Page

    def edit(self, request: gr.Request, desk: Desk, *given: Any) -> Iterator[Update]:
        """Edit the photograph, and show every few steps what becomes of it."""
        if desk.photo is None:
            yield self.page.failed(NO_PHOTO)
            return
        try:
            spec = asked_for(desk, Fields(*given), desk.photo)
        except ValueError as error:
            yield self.page.failed(error)
            return
        yield from self.run(request, desk, desk.with_photo(desk.photo, desk.name, desk.where), spec, fresh=True)

    def stronger(self, request: gr.Request, intensity: float, desk: Desk) -> Iterator[Update]:
        """The shown edit at another intensity, on the inversion that is there."""
        page, made = self.page, desk.shown
        if made is None:
            yield page.same
            return
        if made.photo is None:
            yield {page.show.status: telling.done(made, telling.away(made.name))}
            return
        try:
            spec = at_intensity(made.spec, intensity)
        except ValueError as error:
            yield {page.show.status: telling.done(made, str(error))}
            return
        there = desk.made_before(spec, made.photo)
        if there is not None:
            yield page.shows(desk, there)
            return
        yield from self.run(request, desk, desk.with_photo(made.photo, made.name, made.where), spec, fresh=False)

    def run(self, request: gr.Request, desk: Desk, on: Desk, spec: EditSpec, *, fresh: bool) -> Iterator[Update]:
        """Run an edit of what lies ``on`` a desk's copy; the page has one at a time.

        One that is not ``fresh`` leaves the slider where it is until the new picture is there.
        """
        page, session = self.page, str(request.session_hash)
        stop = page.stops.begin_alone(session)
        if stop is None:
            yield page.same
            return
        picture = ""
        try:
            for at in page.run(on, spec, stop):
                picture = inline(at.picture) if isinstance(at, Working) and at.picture is not None else picture
                yield self.told_of(desk, on, at, picture, fresh=fresh)
        except Exception as error:
            yield self.broken(desk, told(error), fresh)
        finally:
            page.stops.end(session, stop)

    def told_of(self, desk: Desk, on: Desk, at: Working | Stopped | Made, picture: str, *, fresh: bool) -> Update:
        """A state of a run: on the stage, or beside it where another photograph was laid on the desk meanwhile."""
        page = self.page
        if isinstance(at, Made):
            desk.made.append(at)
        if not desk.shows(on.photo):
            return self.aside(desk, on, at)
        if isinstance(at, Made):
            return {**page.shows(desk, at), **self.over, page.desk: desk}
        if isinstance(at, Stopped):
            return {**self.halted(desk, at, fresh), **self.over}
        return self.on_stage(at, picture) if fresh else {page.show.status: telling.progress(at), **self.going}

    def on_stage(self, at: Working, picture: str) -> Update:
        """How far a fresh edit is, with the last picture of it."""
        show = self.page.show
        hidden = {show.slider: gr.ImageSlider(visible=False), show.actions: gr.Column(visible=False)}
        first = {**self.going, **hidden, show.status: ""} if at.stage in (WAIT, LOOK) else {}
        return {show.stage: gr.HTML(telling.working(at, picture), visible=True), **first}

    def aside(self, desk: Desk, on: Desk, at: Working | Stopped | Made) -> Update:
        """A state of the edit of a photograph that does not lie on the desk any more."""
        page = self.page
        cards = {page.beside.history: telling.cards(desk.made, desk.shown)} if isinstance(at, Made) else {}
        buttons = self.going if isinstance(at, Working) else self.over
        status = {page.show.status: telling.beside(at, on.name)} if desk.shown is None else {}
        return {**cards, **buttons, **status}

    @property
    def going(self) -> Update:
        """The buttons while an edit runs."""
        return {self.page.ask.edit: gr.Button(visible=False), self.page.ask.stop: gr.Button(visible=True)}

    @property
    def over(self) -> Update:
        """The buttons when it has ended."""
        return {self.page.ask.edit: gr.Button(visible=True), self.page.ask.stop: gr.Button(visible=False)}

    def halted(self, desk: Desk, at: Stopped, fresh: bool) -> Update:
        """What is shown after a stop: that it was, or the edit that is there already."""
        page = self.page
        if not fresh and desk.shown is not None:
            return {**page.shows(desk, desk.shown), page.show.strength: intensity_of(desk.shown.spec)}
        return {page.show.stage: gr.HTML(telling.stopped(at.seconds), visible=True)}

    def broken(self, desk: Desk, error: str, fresh: bool) -> Update:
        """What is shown of a run that failed, or the edit that is there already with what went wrong."""
        page = self.page
        if not fresh and desk.shown is not None:
            return {**page.shows(desk, desk.shown), page.show.status: telling.done(desk.shown, error), **self.over}
        return {**page.failed(error), **self.over}

    def stop(self, request: gr.Request) -> None:
        """Stop what runs on this page, within one step."""
        self.page.stops.stop(str(request.session_hash))


@dataclass(frozen=True, eq=False)
class Comparing:
    """Edits side by side."""

    page: Page

    def compare(
        self, request: gr.Request, desk: Desk, by: str, methods: list[str], seeds: str, strengths: str, *given: Any
    ) -> Iterator[Update]:
        """Make one edit after another, each as a card; they share inversions where they can."""
        page, beside = self.page, self.page.beside
        over = {beside.compare: gr.Button(visible=True), beside.halt: gr.Button(visible=False)}
        if desk.photo is None:
            yield {beside.told: telling.doubts([NO_PHOTO])}
            return
        stop = page.stops.begin(str(request.session_hash))
        try:
            on = desk.with_photo(desk.photo, desk.name, desk.where)
            specs = self.specs(desk, by, methods, seeds, strengths, Fields(*given))
            yield {beside.compare: gr.Button(visible=False), beside.halt: gr.Button(visible=True), beside.told: ""}
            yield from self.cards(desk, on, specs, stop)
        except Exception as error:
            yield {beside.told: telling.doubts([told(error)])}
        finally:
            page.stops.end(str(request.session_hash), stop)
        yield over

    def specs(
        self, desk: Desk, by: str, methods: Sequence[str], seeds: str, strengths: str, fields: Fields
    ) -> dict[str, EditSpec]:
        """The edits by their titles; other methods than the chosen one with what the model recommends.

        Raises:
            ValueError: a list has no numbers.
        """
        assert desk.photo is not None
        if by == "Seeds":
            wanted = {f"seed {n}": replace(fields, seed=n) for n in numbers(seeds, int)}
        elif by == "Intensities":
            wanted = {f"intensity {n:g}": replace(fields, strength=n) for n in numbers(strengths, float)}
        else:
            wanted = {name: replace(fields, method=name) for name in methods}
        bare = replace(desk, options={})
        return {
            title: asked_for(desk if one.method == fields.method else bare, one, desk.photo)
            for title, one in wanted.items()
        }

    def cards(self, desk: Desk, on: Desk, specs: dict[str, EditSpec], stop: Any) -> Iterator[Update]:
        """Run the edits of what lies ``on`` a desk's copy, and show what is there of them."""
        page, beside = self.page, self.page.beside
        cards: dict[str, dict[str, object]] = {title: waiting(title, "waits") for title in specs}
        for title, spec in specs.items():
            shared = False
            try:
                for at in page.run(on, spec, stop):
                    if isinstance(at, Working):
                        shared = at.shared
                        cards[title] = waiting(title, briefly(at))
                    elif isinstance(at, Made):
                        desk.made.append(at)
                        cards[title] = {**telling.card(at, None, self.lines(at, shared, "…")), "title": title}
                        yield {beside.cards: list(cards.values())}
                        cost = f"{self.cost(at, shared):.0f}"  # counting takes a moment
                        cards[title] = {**telling.card(at, None, self.lines(at, shared, cost)), "title": title}
                    else:
                        yield {beside.history: telling.cards(desk.made, desk.shown)}
                        return
                    yield {beside.cards: list(cards.values())}
            except ValueError as error:
                cards[title] = waiting(title, telling.plain(error))
                yield {beside.cards: list(cards.values())}
        yield {beside.cards: list(cards.values()), beside.history: telling.cards(desk.made, desk.shown)}

    def cost(self, made: Made, shared: bool) -> float:
        """What an edit cost in SF, without an inversion that was there already; a student passes no UNet."""
        if is_students(made.spec):
            return 0.0
        model = str(SHIPPED) if self.page.model is None else self.page.model
        cost = cost_of(made.spec.built(self.page.editor), model)
        mask = cost.auto_mask_sf * made.spec.looks(self.page.editor)
        return (cost.further_edit_sf if shared else cost.first_edit_sf) + mask

    def lines(self, made: Made, shared: bool, cost: str) -> list[str]:
        """Cost and time of an edit, and what is to be said of it."""
        inverted = "inversion shared" if shared else "with its inversion"
        lines = [f"{cost} SF · {made.seconds:.1f} s", "one pass" if is_students(made.spec) else inverted]
        return [*lines, *([telling.plain(made.advice.partition(";")[0]) + "."] if made.advice else [])]


def waiting(title: str, gap: str) -> dict[str, object]:
    """A card without its picture."""
    return {"title": title, "gap": gap, "lines": [], "waiting": True}


def briefly(at: Working) -> str:
    """How far an edit is, on its card."""
    match at.stage:
        case "wait":
            return f"waits, {at.done} before it"
        case "look":
            return "looking"
        case "invert":
            return f"inverting {at.done}/{at.total}"
        case "again":
            return f"trying another method {at.done}/{at.total}"
    return f"editing {at.done}/{at.total}"


@dataclass(frozen=True, eq=False)
class Inside:
    """Where the words look."""

    page: Page

    def words(self, desk: Desk, *given: Any) -> Iterator[Update]:
        """The words of the source prompt, and the map of the last, which mostly is the thing."""
        beside = self.page.beside
        if desk.photo is None:
            yield {beside.words: [], beside.heat: telling.note(NO_PHOTO)}
            return
        on = desk.with_photo(desk.photo, desk.name, desk.where)
        try:
            with self.page.host.turns.one() as turn:
                while turn.ahead:
                    yield {beside.words: [], beside.heat: telling.note(f"{telling.STAGES['wait']}.")}
                    turn.wait(PAUSE)
                maps = self.maps(on, Fields(*given))
        except ValueError as error:
            yield {beside.words: [], beside.heat: telling.doubts([str(error)])}
            return
        desk.looked = on.looked
        yield {beside.words: [{"name": "Words", "words": list(maps)}], beside.heat: self.shown(desk, list(maps)[-1])}

    def maps(self, desk: Desk, fields: Fields) -> dict[str, Any]:
        """The maps of the words of what the photograph shows."""
        assert desk.photo is not None
        spec = asked_for(desk, replace(fields, target=fields.target or "dog"), desk.photo)
        (frame,) = look_at(self.page.editor, [desk.photo], spec, mask=desk.where.painted)
        prompt = spec.source_prompt or frame.caption or ""
        desk.looked = (frame, words_in(self.page.editor.backbone, frame, prompt))
        return desk.looked[1]

    def word(self, desk: Desk, event: gr.EventData) -> str:
        """The map of a word."""
        return self.shown(desk, str(event._data["word"]))

    def shown(self, desk: Desk, word: str) -> str:
        """The map of a word as HTML."""
        if desk.looked is None or word not in desk.looked[1]:
            return ""
        frame, maps = desk.looked
        picture, named = inline(heat(frame, maps[word])), escape(word)
        told = f"Where <b>{named}</b> looks: the brighter, the more."
        picture = f'<img src="{picture}" alt="Where {named} looks">'
        return f'<figure class="zs-heat">{picture}<figcaption>{told}</figcaption></figure>'
