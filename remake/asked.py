"""Words of a command line, read by the parser of ``zeroshift edit`` itself: what a page tells its reader to type."""

import shlex
from collections.abc import Sequence

from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import spread
from zeroshift.cli import edit
from zeroshift.cli.editing import numbers_of
from zeroshift.cli.files import DEFAULT_PHOTOGRAPHS
from zeroshift.cli.flags import nested
from zeroshift.cli.main import app_for


def asked(words: str, usual: str = "pix2pix-zero") -> EditSpec:
    """Read the words that follow ``zeroshift edit PHOTOGRAPH``; those that name no method are of the ``usual`` one.

    Raises:
        CycloptsError: an option does not exist, or --target is missing.
        ValueError: --source is missing, or a word, an option or a value makes no sense.
    """
    tokens = ["photograph.png", *shlex.split(words)]
    if not any(token.startswith("--method") for token in tokens):
        tokens += ["--method", usual]
    _, flags = edit.flags_for(tokens)
    app = edit.command(tokens)
    _, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    found = bound.arguments
    if "source" not in found:
        raise ValueError(f"Say with --source what the photograph shows, beside {words}; nothing looks at it here.")
    (target,) = found["target"]
    same: dict[str, object] = {
        name: found[name]
        for name in ("source", "prompt", "method", "paper_defaults", "fast", "restore", "seed")
        if name in found
    }
    photographs = found.get("photographs", DEFAULT_PHOTOGRAPHS)
    own = {"fit": photographs.fit, "region": photographs.region}
    spec = EditSpec.parse({"target": target, "options": nested(flags, found), **own, **same})
    if "strength" in found:
        (spec,) = spread(spec, numbers_of(found["strength"]))
    spec.check()
    return spec


def command(words: Sequence[str]) -> None:
    """Run a command of ``zeroshift`` in this process; what it fails by is raised."""
    tokens = list(words)
    app_for(tokens)(tokens, exit_on_error=False, print_error=False, result_action="return_value")
