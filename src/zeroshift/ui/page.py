"""The page, wired."""

from typing import Any

import gradio as gr

from zeroshift.editor import Editor
from zeroshift.inversions import InversionMemory
from zeroshift.methods import METHODS
from zeroshift.recipe import STUDENT
from zeroshift.ui import layout, photographs
from zeroshift.ui.bringing import Bringing, other_seed
from zeroshift.ui.comparing import Comparing
from zeroshift.ui.desk import Desk, Host
from zeroshift.ui.foretold import Foretelling, untold
from zeroshift.ui.inside import Inside
from zeroshift.ui.kept import Kept
from zeroshift.ui.look import asset
from zeroshift.ui.panel import QUIET, RAISES, WITHIN, panel
from zeroshift.ui.parts import Page
from zeroshift.ui.running import Running
from zeroshift.ui.students import Offered
from zeroshift.ui.visits import Closed, Stops

HOUR, DAY = 3600, 86400
MOST_PAGES = 64
"""whose desks are kept; of more, those that were used longest ago are as if newly opened"""
RUNS: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 32, "api_visibility": "private"}
"""of events that run an edit: many pages may ask, and are told that they wait for their turn"""
TO_STAGE = """() => {
  if (window.innerWidth <= 760) document.querySelector(".zs-show").scrollIntoView({ behavior: "smooth" });
}"""
"""on a phone, what becomes of the edit lies below"""
PLACED = """async (...given) => {
  const untold = () => document.querySelector("#photograph [data-told]");
  for (let n = 0; n < 100 && untold(); n++) await new Promise((then) => setTimeout(then, 50));
  return given;
}"""
"""lets an edit begin when the page knows of the box or the mask that was drawn a moment ago"""
COPY = """async (text) => {
  await navigator.clipboard.writeText(text);
  const button = document.querySelector("BUTTON"), words = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = words), 1200);
}"""
"""puts a text on the clipboard and says so"""


def blocks(
    editor: Editor,
    model: str | None = None,
    student: Offered | None = None,
    *,
    host: Host | None = None,
    kept: Kept | None = None,
) -> gr.Blocks:
    """The page of an editor, to be launched or mounted with ``look()``.

    Args:
        editor: edits; any number of pages may be open.
        model: folder, file or hub id that it was loaded from, for costs and command lines; None is the shipped model.
        student: a small network that stands among the methods.
        host: what an application tells it that it is mounted on.
        kept: where its files lie; None is where the system has what is temporary.
    """
    kept, told = kept or Kept(), host or Host()
    methods = [*(method.name for method in METHODS), *([] if student is None else [STUDENT])]
    with gr.Blocks(title="zeroshift", analytics_enabled=False, delete_cache=(HOUR, DAY)) as whole:
        desk = gr.State(Desk(home=kept.desks), time_to_live=DAY, delete_callback=Desk.clear)
        version = gr.State(0)
        layout.header(editor)
        with gr.Row(elem_classes="zs-main"):
            with gr.Column(scale=4, min_width=320, elem_classes="zs-ask"):
                ask = layout.ask_side(editor, {"examples": photographs.examples(), "most": told.file_bytes}, methods)
            with gr.Column(scale=7, min_width=320, elem_classes="zs-show"):
                show = layout.show_side()
                beside = layout.beside(methods)
        with ask.fold:
            panel(editor, desk, ask, version, beside.told, whole, student)
        page = Page(editor, model, InversionMemory(), Stops(), told, ask, show, beside, desk, version, student, kept)
        wire_photograph(page)
        wire_words(page)
        wire_runs(page)
        wire_beside(page)
        wire_visits(page, whole, kept.closed)
    return whole


def wire_visits(page: Page, whole: gr.Blocks, closed: Closed) -> None:
    """Pages open and close: a closed one's edit stops, and what lay on its desk is let go.

    A photograph that comes, goes or is drawn on, another method, its options reset, an edit, another intensity,
    a comparison, a look inside and an earlier edit are signs of life. Each begins the desk's day anew, also of a page
    that Gradio takes for closed since its connection broke off: it would delete the desk an hour after it was set.
    """
    run, ask, show, beside = Running(page), page.ask, page.show, page.beside
    whole.state_session_capacity = MOST_PAGES

    def arrives(request: gr.Request, desk: Desk) -> Desk:
        closed.opened(str(request.session_hash), desk)
        whole.state_holder[str(request.session_hash)].STATE_TTL_WHEN_CLOSED = DAY
        return desk

    def leaves(request: gr.Request) -> None:
        run.stop(request)
        closed.closed(str(request.session_hash))

    asked = [ask.photo.brought, ask.photo.example, ask.photo.placed, ask.photo.cleared, ask.method.input]
    asked += [ask.reset.click, ask.edit.click, ask.target.submit, beside.inside.select]
    asked += [show.strength.release, show.again.click, beside.compare.click, beside.history.picked, beside.cards.picked]
    for event in (whole.load, *asked):
        event(arrives, page.desk, page.desk, **QUIET)
    for script in ("intensity.js", "leaving.js", "slider.js"):
        whole.load(None, None, None, js=asset(script))
    whole.unload(leaves)


def wire_photograph(page: Page) -> None:
    """The photograph, and results that come back."""
    act, ask, desk = Bringing(page), page.ask, page.desk
    ask.photo.brought(act.bring, [desk, page.version], page.every, **RAISES)
    ask.photo.example(act.example, [desk], page.every, **RAISES)
    ask.photo.placed(act.place, [desk], page.every, **RAISES)
    ask.photo.cleared(act.clear, [desk], page.every, **RAISES)
    page.show.again.click(act.again, [desk], page.every, **RAISES)
    for cards in (page.beside.history, page.beside.cards):
        cards.picked(act.picked, [desk, page.version], page.every, **RAISES)


def wire_words(page: Page) -> None:
    """Words, seeds and options."""
    act, ask, desk, version = Bringing(page), page.ask, page.desk, page.version
    ask.chips.picked(act.chip, None, ask.target, **QUIET)
    for text in (ask.target, ask.source):
        text.change(act.words, [ask.target, ask.source, ask.prompt], ask.words, trigger_mode="always_last", **QUIET)
    ask.method.input(act.reset, [desk, version], version, **RAISES)
    ask.reset.click(act.reset, [desk, version], version, **RAISES)
    ask.fast.input(lambda now: now + 1, version, version, **RAISES)
    ask.dice.click(other_seed, None, ask.seed, **QUIET)
    gr.on([ask.seed.change, ask.method.change], act.seeds, [desk, ask.method, ask.seed], ask.drawn, **QUIET)


def wire_runs(page: Page) -> None:
    """Edit, stop, another intensity; and what can be done with a result."""
    run, ask, show = Running(page), page.ask, page.show
    fields = [page.desk, *fields_of(page)]
    for event in (ask.edit.click, ask.target.submit):
        event(None, None, None, js=TO_STAGE)
    gr.on([ask.edit.click, ask.target.submit], run.edit, fields, page.every, concurrency_id="edit", js=PLACED, **RUNS)
    show.strength.release(
        run.stronger,
        [show.strength, page.desk],
        page.every,
        trigger_mode="always_last",
        concurrency_id="intensity",
        js=WITHIN.format(low=show.strength.minimum, high=show.strength.maximum),
        **RUNS,
    )
    for button in (ask.stop, page.beside.halt):
        button.click(run.stop, None, None, **QUIET)
    show.line.click(None, show.line_text, None, js=COPY.replace("BUTTON", "#copy-line"))
    show.python.click(None, show.python_text, None, js=COPY.replace("BUTTON", "#copy-python"))


def wire_beside(page: Page) -> None:
    """Side by side, and a look inside."""
    ask, beside, compare, inside = page.ask, page.beside, Comparing(page), Inside(page)
    lists = [beside.by, beside.methods, beside.seeds, beside.strengths]
    fields = [page.desk, *fields_of(page)]
    beside.by.change(by_what, beside.by, lists[1:], **QUIET)
    foretelling = Foretelling(page, compare)
    listed = [beside.across.select, *(one.change for one in lists)]
    asked = [page.desk, *lists, *fields[1:]]
    told = gr.on(listed, foretelling.told, asked, beside.told, trigger_mode="always_last", **RAISES)
    others = [ask.fast, ask.method, ask.source, ask.prompt, ask.photo, page.version]
    gr.on([one.change for one in others], untold, page.desk, beside.told, cancels=told, **QUIET)
    beside.compare.click(compare.compare, asked, page.every, cancels=told, concurrency_id="compare", **RUNS)
    beside.inside.select(inside.words, fields, [beside.words, beside.heat], concurrency_id="inside", **RUNS)
    beside.words.picked(inside.word, page.desk, beside.heat, **QUIET)


def by_what(by: str) -> list[Any]:
    """Which list belongs to what is compared by."""
    return [
        gr.CheckboxGroup(visible=by == "Methods"),
        gr.Textbox(visible=by == "Seeds"),
        gr.Textbox(visible=by == "Intensities"),
    ]


def fields_of(page: Page) -> list[Any]:
    """The components of ``asking.Fields``, in its order."""
    ask = page.ask
    return [ask.target, ask.source, ask.prompt, ask.method, ask.fast, ask.seed, page.show.strength]
