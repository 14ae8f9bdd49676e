"""How the page looks: theme, style sheet and fonts, which come with Gradio. Nothing is fetched from elsewhere."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

ASSETS = Path(__file__).parent / "assets"


def asset(name: str) -> str:
    """The text of a file of the page."""
    return (ASSETS / name).read_text(encoding="utf-8")


def look() -> dict[str, Any]:
    """What ``launch`` and ``mount_gradio_app`` take of it."""
    return {"theme": theme(), "css": asset("page.css"), "footer_links": [], "run_history": False}


def theme() -> gr.themes.Base:
    """Paper, ink, and one colour."""
    sans, mono = LocalFont("IBM Plex Sans", weights=(400, 700)), LocalFont("IBM Plex Mono", weights=(400, 700))
    base = gr.themes.Base(
        primary_hue=gr.themes.Color(*_ACCENT),
        neutral_hue=gr.themes.colors.stone,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_md,
        font=[sans, "system-ui", "sans-serif"],
        font_mono=[mono, "ui-monospace", "monospace"],
    )
    return base.set(
        body_background_fill="#f7f5f1",
        body_background_fill_dark="#171513",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_padding="0px",
        block_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="#211e1b",
        input_border_color="#ddd8cf",
        input_border_color_dark="#3a3530",
        input_border_width="1px",
        input_shadow="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#26221f",
        button_secondary_background_fill_hover="#f1ede6",
        button_secondary_background_fill_hover_dark="#322d29",
        button_secondary_border_color="#ddd8cf",
        button_secondary_border_color_dark="#3a3530",
        button_border_width="1px",
        slider_color="*primary_600",
    )


_ACCENT = (
    "#fdf4ef",
    "#fae4d8",
    "#f3c6af",
    "#e9a07f",
    "#dc7950",
    "#cb5a2e",
    "#b54a22",
    "#943a1b",
    "#763019",
    "#5f2917",
    "#33130a",
)
