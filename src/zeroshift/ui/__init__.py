"""The page in a browser: the core with a face, on this machine.

What it is made of and needs no browser for (controls, what is asked for, what is told) needs no Gradio either.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroshift.ui.look import look
    from zeroshift.ui.page import blocks
    from zeroshift.ui.serving import mount, serve

__all__ = ["blocks", "look", "mount", "serve"]
_HOME = {"blocks": "page", "look": "look", "mount": "serving", "serve": "serving"}


def __getattr__(name: str) -> object:
    """Import a name when it is first used: Gradio takes seconds."""
    if name not in _HOME:
        raise AttributeError(f"zeroshift.ui has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"zeroshift.ui.{_HOME[name]}"), name)
