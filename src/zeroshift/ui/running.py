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
from zeroshift.ui.asking import Fields, asked_for, numbers
from zeroshift.ui.desk import Desk, Made
from zeroshift.ui.pictures import heat, inline
from zeroshift.ui.students import is_students
from zeroshift.ui.work import PAUSE, Stopped, Working, cost_of

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
        yield from self.run(desk, given, request, fresh=True)

    def run(self, desk: Desk, given: Sequence[Any], request: gr.Request, fresh: bool) -> Iterator[Update]:
        """Run an edit; one that is not ``fresh`` leaves the slider where it is until the new picture is there."""
        page = self.page
        if desk.photo is None:
            yield page.failed(NO_PHOTO)
            return
        stop = page.stops.begin(str(request.session_hash))
        try:
            spec = asked_for(desk, Fields(*given), desk.photo)
            yield from self.steps(desk, spec, stop, fresh)
        except Exception as error:
            yield page.failed(told(error))
        finally:
            page.stops.end(str(request.session_hash), stop)

    def steps(self, desk: Desk, spec: EditSpec, stop: Any, fresh: bool) -> Iterator[Update]:
        """The states of a run that goes well."""
        page, picture = self.page, ""
        ask, show = page.ask, page.show
        running = {ask.edit: gr.Button(visible=False), ask.stop: gr.Button(visible=True)}
        over = {ask.edit: gr.Button(visible=True), ask.stop: gr.Button(visible=False)}
        for at in page.run(desk, spec, stop):
            if isinstance(at, Made):
                desk.made.append(at)
                yield {**page.shows(desk, at), **over, page.desk: desk}
            elif isinstance(at, Stopped):
                yield {**self.halted(desk, at, fresh), **over}
            elif fresh:
                picture = inline(at.picture) if at.picture is not None else picture
                hidden = {show.slider: gr.ImageSlider(visible=False), show.actions: gr.Column(visible=False)}
                first = {**running, **hidden, show.status: ""} if at.stage in ("wait", "look") else {}
                yield {show.stage: gr.HTML(telling.working(at, picture), visible=True), **first}
            else:
                yield {show.status: telling.progress(at), **running}

    def halted(self, desk: Desk, at: Stopped, fresh: bool) -> Update:
        """What is shown after a stop: that it was, or the edit that is there already."""
        if not fresh and desk.shown is not None:
            return self.page.shows(desk, desk.shown)
        return {self.page.show.stage: gr.HTML(telling.stopped(at.seconds), visible=True)}

    def stronger(self, request: gr.Request, desk: Desk, *given: Any) -> Iterator[Update]:
        """The same edit at another intensity, on the inversion that is there."""
        if desk.shown is None or desk.shown.photo is None:
            return
        wanted = asked_for(desk, Fields(*given), desk.shown.photo)
        there = desk.made_before(wanted, desk.shown.photo)
        if there is not None:
            yield self.page.shows(desk, there)
            return
        yield from self.run(desk, given, request, fresh=False)

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
            specs = self.specs(desk, by, methods, seeds, strengths, Fields(*given))
            yield {beside.compare: gr.Button(visible=False), beside.halt: gr.Button(visible=True), beside.told: ""}
            yield from self.cards(desk, specs, stop)
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

    def cards(self, desk: Desk, specs: dict[str, EditSpec], stop: Any) -> Iterator[Update]:
        """Run the edits, and show what is there of them."""
        page, beside = self.page, self.page.beside
        cards: dict[str, dict[str, object]] = {title: waiting(title, "waits") for title in specs}
        for title, spec in specs.items():
            shared = False
            try:
                for at in page.run(desk, spec, stop):
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
                cards[title] = waiting(title, str(error))
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
        return [*lines, *([made.advice.partition(";")[0] + "."] if made.advice else [])]


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
        try:
            with self.page.host.turns.one() as turn:
                while turn.ahead:
                    yield {beside.words: [], beside.heat: telling.note(f"{telling.STAGES['wait']}.")}
                    turn.wait(PAUSE)
                maps = self.maps(desk, Fields(*given))
        except ValueError as error:
            yield {beside.words: [], beside.heat: telling.doubts([str(error)])}
            return
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
