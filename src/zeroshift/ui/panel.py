"""The options of the chosen method, drawn from their types, and the other fields of an edit likewise."""

from functools import partial
from html import escape
from typing import Any

import gradio as gr

from zeroshift.asked.edits import EditSpec
from zeroshift.editor import Editor
from zeroshift.presets import options_of
from zeroshift.recipe import STUDENT
from zeroshift.ui.asking import FRAMING, changed_in
from zeroshift.ui.controls import Control, Options, control, put, read, sections_of
from zeroshift.ui.desk import Desk
from zeroshift.ui.foretold import untold
from zeroshift.ui.layout import Ask
from zeroshift.ui.students import Offered

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""of events that answer at once"""
WITHIN = "(value, ...others) => [Math.min(Math.max(value, {low}), {high}), ...others]"
"""takes a number that was typed beyond a slider's range for its end, as its field shows it a moment later"""
RAISES: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""of events that raise a state's number: Gradio tells of that only where events queue"""


def panel(
    editor: Editor,
    desk: gr.State,
    ask: Ask,
    version: gr.State,
    told: gr.HTML,
    page: gr.Blocks,
    student: Offered | None = None,
) -> None:
    """What draws the controls when the page opens and whenever ``version`` changes; a change of a kind raises it.

    Any change takes away what was ``told`` of edits side by side.
    """

    @gr.render(  # type: ignore[untyped-decorator]
        inputs=[desk, ask.method, ask.fast, version], triggers=[page.load, version.change], show_progress="hidden"
    )
    def draw(mine: Desk, name: str, quick: bool, now: int) -> None:
        if student is not None and name == STUDENT:
            gr.HTML(f'<p class="zs-note">{escape(student.about)}</p>')
            return
        usual = options_of(editor.method(name, fast=quick))
        for n, section in enumerate(sections_of(name, usual, mine.options)):
            changed = any(one.changed for one in section.controls)
            with gr.Accordion(section.title, open=n == 0 or changed, elem_classes="zs-section"):
                gr.HTML(f'<p class="zs-note">{section.about}</p>')
                with gr.Row(elem_classes="zs-grid"):
                    for one in section.controls:
                        _wire(one, usual, desk, version, told)
        with gr.Accordion("Frame and finish", open=bool(mine.framing), elem_classes="zs-section"):
            with gr.Row(elem_classes="zs-grid"):
                for name in FRAMING:
                    _wire_field(name, mine, desk, told)


def _wire(one: Control, usual: Options, desk: gr.State, version: gr.State, told: gr.HTML) -> None:
    component = widget(one)
    if one.widget == "choices" or one.path[-1] == "kind":
        component.input(partial(_chosen, one, usual), [component, desk, version], version, **RAISES)
        return
    within = WITHIN.format(low=one.low, high=one.high) if one.widget == "slider" else None
    component.input(partial(_set, one, usual), [component, desk], told, js=within, **QUIET)


def _set(one: Control, usual: Options, given: object, desk: Desk) -> str:
    desk.options = put(desk.options, usual, one, read(one, given))
    return untold(desk)


def _chosen(one: Control, usual: Options, given: object, desk: Desk, version: int) -> int:
    desk.options = put(desk.options, usual, one, given)
    return version + 1


def _wire_field(name: str, mine: Desk, desk: gr.State, told: gr.HTML) -> None:
    info = EditSpec.model_fields[name]
    one = control((name,), info, mine.framing.get(name, info.default), info.default, info.default)
    component = widget(one)

    def set_field(given: object, desk: Desk) -> str:
        value = read(one, given)
        desk.framing = changed_in(desk.framing, name, None if value == NOTHING else value)
        return untold(desk)

    component.input(set_field, [component, desk], told, **QUIET)


NOTHING = "as usual"
"""the choice of what may be left out"""


def widget(one: Control) -> Any:
    """The component of a control; its defaults stand below it, and a mark if it was changed."""
    info = f"{one.about[:1].upper()}{one.about[1:]} · {one.marks}" if one.about else one.marks
    label = f"{one.label} ●" if one.changed else one.label
    same: dict[str, Any] = {"label": label, "info": info, "interactive": True, "elem_classes": "zs-option"}
    match one.widget:
        case "slider":
            return gr.Slider(one.low, one.high, value=one.value, step=one.step, **same)
        case "number" if one.optional:
            return gr.Textbox("" if one.value is None else str(one.value), placeholder=NOTHING, **same)
        case "number":
            return gr.Number(one.value, precision=0 if one.one is int else None, **same)
        case "switch":
            return gr.Checkbox(bool(one.value), **same)
        case "yes or no":
            return gr.Dropdown([NOTHING, ("yes", True), ("no", False)], value=_or_nothing(one.value), **same)
        case "choice":
            choices = [*([NOTHING] if one.optional else []), *one.choices]
            return gr.Dropdown(choices, value=_or_nothing(one.value), **same)
        case "choices":
            return gr.Dropdown(list(one.choices), value=one.value, multiselect=True, **same)
        case "list":
            return gr.Textbox(", ".join(map(str, one.value or ())), placeholder="with commas between", **same)
    return gr.Textbox(one.value or "", placeholder=NOTHING if one.optional else "", **same)


def _or_nothing(value: object) -> object:
    return NOTHING if value is None else value
