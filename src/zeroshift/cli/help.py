"""Help texts: two columns, no boxes, the same on every terminal."""

import io
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

WIDTH = 100
"""columns of a help text"""
LEFT = 28
"""columns of an option's name"""


@dataclass(frozen=True)
class PlainHelp:
    """What cyclopts calls for every part of a help text."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        if panel.entries:
            lines = [f"{plain(panel.title)}:", *note(plain(panel.description))]
            _print(console, "\n".join([*lines, *(entry for e in panel.entries for entry in rows(e))]))

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: object) -> None:
        if usage:
            text = str(usage).strip()
            _print(console, text if text.startswith("Usage:") else f"Usage: {text}")

    def render_description(self, console: "Console", options: "ConsoleOptions", description: object) -> None:
        if text := plain(description):
            _print(console, "\n\n".join(textwrap.fill(part, WIDTH) for part in text.split("\n\n")))


def note(text: str) -> list[str]:
    """A group's description as lines."""
    return textwrap.wrap(text.strip(), WIDTH, initial_indent="  ", subsequent_indent="  ")


def rows(entry: "HelpEntry") -> list[str]:
    """An option's or a verb's lines."""
    words = textwrap.wrap(f"{plain(entry.description)}{bracket(entry)}", WIDTH - LEFT, break_on_hyphens=False) or [""]
    name = f"  {label(entry)}"
    first = [name] if len(name) > LEFT - 2 else []
    lead = "" if first else name
    return [*first, *(f"{lead if k == 0 else '':{LEFT}}{line}" for k, line in enumerate(words))]


def label(entry: "HelpEntry") -> str:
    """The names, and what follows them: ``-o, --output FILE``, ``--[no-]native``."""
    if entry.positional_label:
        return entry.positional_label
    switches = [f"--[no-]{name.removeprefix('--')}" for name in entry.positive_names if entry.negative_names]
    names = ", ".join([*entry.positive_shorts, *(switches or entry.positive_names)])
    return f"{names} {entry.metavar}" if entry.metavar else names


def bracket(entry: "HelpEntry") -> str:
    """Choices and default as " [a|b; default a]", or nothing."""
    facts = ["|".join(entry.choices)] if entry.choices else []
    if entry.default not in (None, "False"):
        facts.append(f"default {entry.default}")
    if entry.required:
        facts.append("required")
    return f" [{'; '.join(facts)}]" if facts else ""


def plain(description: object) -> str:
    """A description as text, unwrapped and without style."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=10_000, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(description)
    return "\n".join(line.strip() for line in captured.get().strip().splitlines())


def _print(console: "Console", text: str) -> None:
    console.print(f"{text}\n", highlight=False, markup=False, soft_wrap=True)
