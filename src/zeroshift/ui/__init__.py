"""The page in a browser: the core with a face, on this machine."""

from zeroshift.ui.look import look
from zeroshift.ui.page import blocks
from zeroshift.ui.serving import mount, serve

__all__ = ["blocks", "look", "mount", "serve"]
