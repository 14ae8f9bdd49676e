"""What stands where on the page. Nothing happens here; ``page`` wires it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from zeroshift import __version__
from zeroshift.editor import Editor
from zeroshift.methods import USUAL
from zeroshift.ui import telling
from zeroshift.ui.look import asset

CHIPS = '<div class="zs-chips"></div>'
CARDS = '<div class="zs-cards"></div>'


@dataclass(frozen=True, eq=False)
class Ask:
    """The left side: what is asked for."""

    photo: gr.HTML
    seen: gr.HTML
    target: gr.Textbox
    chips: gr.HTML
    words: gr.HTML
    edit: gr.Button
    stop: gr.Button
    source: gr.Textbox
    prompt: gr.Textbox
    method: gr.Dropdown
    fast: gr.Checkbox
    seed: gr.Number
    dice: gr.Button
    reset: gr.Button
    fold: gr.Accordion
    """where the options of the method are drawn"""
    drawn: gr.HTML
    """what says of seeds that they change nothing"""


@dataclass(frozen=True, eq=False)
class Show:
    """The right side: what became of it."""

    stage: gr.HTML
    slider: gr.ImageSlider
    status: gr.HTML
    actions: gr.Column
    strength: gr.Slider
    again: gr.Button
    download: gr.DownloadButton
    mask: gr.DownloadButton
    line: gr.Button
    python: gr.Button
    line_text: gr.Code
    python_text: gr.Code


@dataclass(frozen=True, eq=False)
class Beside:
    """Below it: history, edits side by side, and a look inside."""

    history: gr.HTML
    by: gr.Radio
    methods: gr.CheckboxGroup
    seeds: gr.Textbox
    strengths: gr.Textbox
    compare: gr.Button
    halt: gr.Button
    told: gr.HTML
    cards: gr.HTML
    inside: gr.Tab
    words: gr.HTML
    heat: gr.HTML
    drift: gr.HTML
    across: gr.Tab


def header(editor: Editor) -> None:
    """The name, the model, and what becomes of the photographs."""
    gr.HTML(
        f'<header class="zs-header"><h1>zeroshift</h1><p>Edit a photograph with a word. Everything runs on this '
        f'machine.</p><span title="version {__version__}">model: {editor.backbone.identity.name}</span></header>'
    )


def ask_side(editor: Editor, photograph: dict[str, Any], methods: Sequence[str]) -> Ask:
    """Photograph, word, Edit, and below them what somebody who knows more may set."""
    photo = gr.HTML(
        photograph,
        html_template=asset("photograph.html"),
        js_on_load=asset("photograph.js"),
        elem_id="photograph",
        apply_default_css=False,
    )
    seen = gr.HTML("", elem_id="seen")
    target = gr.Textbox(
        "",
        label="What shall it show?",
        placeholder="dog",
        elem_id="target",
        max_lines=2,
        submit_btn=False,
        autofocus=False,
    )
    groups = [{"name": name.capitalize(), "words": words} for name, words in editor.targets.items()]
    chips = gr.HTML(
        groups,
        html_template=CHIPS,
        js_on_load=asset("chips.js"),
        apply_default_css=False,
        elem_id="chips",
        visible=bool(groups),
    )
    words = gr.HTML("", elem_id="words")
    edit = gr.Button("Edit", variant="primary", size="lg", elem_id="edit")
    stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_id="stop")
    with gr.Accordion("More about the picture", open=editor.captioner is None, elem_classes="zs-fold"):
        source = gr.Textbox(
            "", label="Source", elem_id="source", info="What it shows, a word or a sentence; else the model says it."
        )
        prompt = gr.Textbox("", label="Prompt", elem_id="prompt", info="A sentence with the word Source in it.")
    with gr.Accordion("Method and options", open=False, elem_classes="zs-fold", elem_id="options") as fold:
        method = gr.Dropdown(list(methods), value=USUAL, label="Method", elem_id="method")
        with gr.Row(elem_classes="zs-line"):
            fast = gr.Checkbox(False, label="Fast", info="Fewer passes of the network.", min_width=110)
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=90, elem_id="seed")
            dice = gr.Button("New seed", size="sm", min_width=90)
            reset = gr.Button("Reset options", size="sm", min_width=110, elem_id="reset")
        drawn = gr.HTML("", elem_id="drawn")
    knobs = (source, prompt, method, fast, seed, dice, reset, fold, drawn)
    return Ask(photo, seen, target, chips, words, edit, stop, *knobs)


def show_side() -> Show:
    """The stage, and what can be done with a result."""
    stage = gr.HTML(telling.EMPTY, elem_id="stage")
    slider = gr.ImageSlider(
        visible=False,
        interactive=False,
        show_label=False,
        buttons=["fullscreen"],
        max_height=620,
        elem_id="slider",
        label="Before and after",
    )
    status = gr.HTML("", elem_id="status")
    with gr.Column(visible=False, elem_id="actions") as actions:
        strength = gr.Slider(
            0, 2, value=1, step=0.05, label="Intensity", elem_id="strength",
            info="0 is the photograph, 1 the edit. Another one inverts nothing anew.",
        )  # fmt: skip
        with gr.Row(elem_classes="zs-line"):
            download = gr.DownloadButton("Download", size="sm", variant="primary", elem_id="download", min_width=90)
            again = gr.Button("Use as input", size="sm", elem_id="again", min_width=110)
            line = gr.Button("Copy as command line", size="sm", elem_id="copy-line", min_width=150)
            python = gr.Button("Copy as Python", size="sm", elem_id="copy-python", min_width=120)
            mask = gr.DownloadButton("Mask", size="sm", visible=False, min_width=70)
        with gr.Accordion("The same elsewhere", open=False, elem_classes="zs-fold"):
            line_text = gr.Code(language="shell", label="Command line", interactive=False, elem_id="line", lines=2)
            python_text = gr.Code(language="python", label="Python", interactive=False, elem_id="python", lines=4)
    return Show(stage, slider, status, actions, strength, again, download, mask, line, python, line_text, python_text)


def beside(names: Sequence[str]) -> Beside:
    """History, edits side by side, a look inside."""
    with gr.Tabs(elem_id="beside"):
        with gr.Tab("History"):
            gr.HTML('<p class="zs-note">Click an edit to have it back with all that it was made with. Drop the file of '
                    "an older one on the page for the same.</p>")  # fmt: skip
            history = gr.HTML(
                [], html_template=CARDS, js_on_load=asset("cards.js"), apply_default_css=False, elem_id="history"
            )
        with gr.Tab("Side by side", elem_id="tab-compare") as across:
            by = gr.Radio(["Methods", "Seeds", "Intensities"], value="Methods", show_label=False, elem_id="by")
            methods = gr.CheckboxGroup(list(names), value=list(names), label="Methods", elem_id="methods")
            seeds = gr.Textbox("0, 1, 2, 3", label="Seeds", visible=False)
            strengths = gr.Textbox("0.5, 0.75, 1, 1.25", label="Intensities", visible=False)
            gr.HTML('<p class="zs-note">SF is one pass of the network; <b>Fast</b> makes less of all of them.</p>')
            compare = gr.Button("Compare", elem_id="compare")
            halt = gr.Button("Stop", variant="stop", visible=False, elem_id="halt")
            told = gr.HTML("", elem_id="compared")
            cards = gr.HTML(
                [], html_template=CARDS, js_on_load=asset("cards.js"), apply_default_css=False, elem_id="cards"
            )
        with gr.Tab("Look inside", elem_id="tab-inside") as inside:
            with gr.Row():
                with gr.Column():
                    words = gr.HTML(
                        [],
                        html_template=CHIPS,
                        js_on_load=asset("chips.js"),
                        apply_default_css=False,
                        elem_id="attended",
                    )
                    heat = gr.HTML("", elem_id="heat")
                with gr.Column():
                    drift = gr.HTML(telling.drift(None), elem_id="drift")
    return Beside(
        history, by, methods, seeds, strengths, compare, halt, told, cards, inside, words, heat, drift, across
    )
