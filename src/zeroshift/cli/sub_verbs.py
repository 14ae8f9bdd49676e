"""Verbs that are made of others, as in ``zeroshift direction make``."""

from collections.abc import Callable, Sequence

from cyclopts import App

from zeroshift.cli.shared import as_app


def with_sub_verbs(name: str, about: str, usage: str, verbs: Sequence[tuple[Callable[..., None], str, str]]) -> App:
    """A verb of sub-verbs: of each its function, its name, and what follows that on its command line."""
    app = App(name=name, help=about, help_epilogue="", usage=f"zeroshift {name} {usage}")
    for verb, called, rest in verbs:
        app.command(as_app(verb, called, f"{name} {called} {rest}"))
    for flag in (*app.help_flags, *app.version_flags):
        app[flag].show = False
    return app
