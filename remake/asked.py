"""Words of a command line, read by the parser of ``zeroshift edit`` itself: what a page tells its reader to type."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from zeroshift.cli import edit
from zeroshift.cli.editing import asked_for
from zeroshift.cli.files import DEFAULT_PHOTOGRAPHS
from zeroshift.cli.flags import Given, nested
from zeroshift.cli.main import app_for
from zeroshift.cli.shared import SHIPPED_METHOD, method_flags
from zeroshift.conditioning.task import Task
from zeroshift.editor import Editor
from zeroshift.image import Fit
from zeroshift.request import Request


@dataclass(frozen=True)
class Asked:
    """One edit of one photograph."""

    task: Task
    method: str
    given: Given
    """nested options that stood in the words"""
    paper: bool
    fit: Fit | None
    seed: int = 0

    def request(self, editor: Editor) -> Request:
        """Return what the command runs: the model's presets, overlaid by what was given."""
        return Request(self.task, editor.method(self.method, self.given, self.paper))


def asked(words: str) -> Asked:
    """Read the words that follow ``zeroshift edit PHOTOGRAPH``.

    Raises:
        CycloptsError: an option does not exist, or --target is missing.
        ValueError: --source is missing.
        Wrong: a word, an option or a value makes no sense.
    """
    tokens = ["photograph.png", *shlex.split(words)]
    _, flags = method_flags(tokens)
    app = edit.command(tokens)
    _, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    found = bound.arguments
    if "source" not in found:
        raise ValueError(f"Say with --source what the photograph shows, beside {words}; nothing looks at it here.")
    method, given = found.get("method", SHIPPED_METHOD), nested(flags, found)
    (wanted,) = asked_for(found["source"], found["target"], found.get("prompt"), None, method, given, None)
    fit = found.get("photographs", DEFAULT_PHOTOGRAPHS).fit
    return Asked(wanted.task, method, wanted.given, found.get("paper_defaults", False), fit, found.get("seed", 0))


def command(words: Sequence[str]) -> None:
    """Run a command of ``zeroshift`` in this process; what it fails by is raised."""
    tokens = list(words)
    app_for(tokens)(tokens, exit_on_error=False, print_error=False, result_action="return_value")
