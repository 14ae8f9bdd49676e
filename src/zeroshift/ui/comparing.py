"""Several edits side by side on the page: methods, seeds or intensities."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import gradio as gr

from zeroshift.asked.edits import EditSpec
from zeroshift.ui import foretold, telling
from zeroshift.ui.asking import Fields, asked_for, numbers
from zeroshift.ui.desk import Desk, Made
from zeroshift.ui.parts import NO_PHOTO, Page, Update
from zeroshift.ui.students import is_students
from zeroshift.ui.work import Working

Cards: TypeAlias = dict[str, dict[str, object]]
"""what ``cards.js`` draws, by title"""


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
        cards: Cards = {}
        if desk.photo is None:
            yield {beside.told: telling.doubts([NO_PHOTO])}
            return
        stop = page.stops.begin(str(request.session_hash))
        desk.compared += 1
        try:
            on = desk.with_photo(desk.photo, desk.name, desk.where)
            specs = self.specs(desk, by, methods, seeds, strengths, Fields(*given))
            yield {beside.compare: gr.Button(visible=False), beside.halt: gr.Button(visible=True), beside.told: ""}
            costs: dict[str, float] = {}
            for costs in foretold.counted(page, specs, stop):
                yield {beside.told: foretold.counting(len(costs), len(specs))}
            specs = foretold.cheapest_first(specs, costs)
            yield {beside.told: foretold.sentence(page, desk, costs)}
            cards |= {title: waiting(title, "waits") for title in specs}
            with desk.running(on):
                yield from self.cards(desk, on, specs, stop, cards)
        except Exception as error:
            yield self.ended(desk, cards, "not made", telling.wrong(error))
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

    def cards(self, desk: Desk, on: Desk, specs: dict[str, EditSpec], stop: Any, cards: Cards) -> Iterator[Update]:
        """Run the edits of what lies ``on`` a desk's copy, and show on their ``cards`` what is there of them."""
        page, beside = self.page, self.page.beside
        for title, spec in specs.items():
            shared = False
            try:
                for at in page.run(on, spec, stop):
                    if isinstance(at, Working):
                        shared = at.shared
                        cards[title] = waiting(title, briefly(at))
                    elif isinstance(at, Made):
                        page.keep(desk, on, at)
                        cards[title] = {**telling.card(at, None, self.lines(at, shared, "…")), "title": title}
                        yield {beside.cards: list(cards.values())}
                        cost = f"{self.cost(at, shared):.0f}"  # counting takes a moment
                        cards[title] = {**telling.card(at, None, self.lines(at, shared, cost)), "title": title}
                    else:
                        yield self.ended(desk, cards, "stopped")
                        return
                    yield {beside.cards: list(cards.values())}
            except ValueError as error:
                cards[title] = {**waiting(title, telling.plain(error)), "over": True}
                yield {beside.cards: list(cards.values())}
        yield self.ended(desk, cards)

    def ended(self, desk: Desk, cards: Cards, why: str = "", *wrong: str) -> Update:
        """All cards when nothing runs any more, those that were not come to with ``why``; edits are in the history.

        Beside them stands what went ``wrong``, and how many older edits went for want of room.
        """
        left = [title for title, card in cards.items() if card.get("waiting") and not card.get("over")]
        cards |= {title: waiting(title, why) for title in left}
        beside = self.page.beside
        shown = {beside.cards: list(cards.values())} if cards else {}
        said = [*wrong, *telling.let_go(desk)]
        told = {beside.told: telling.doubts(said)} if said else {}
        return {**shown, **told, beside.history: telling.cards(desk.made, desk.shown)}

    def cost(self, made: Made, shared: bool) -> float:
        """What an edit cost in SF, without an inversion that was there already; a student passes no UNet."""
        return foretold.passes(self.page, made.spec, shared=shared)

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
            return f"trying another way {at.done}/{at.total}"
    return f"editing {at.done}/{at.total}"
