"""What is said, and not refused: work that goes on, though perhaps not as somebody thinks."""

import warnings


class Doubt(UserWarning):
    """Something that may not be as somebody thinks, in one sentence; ``warnings`` filters it as any other."""


def doubt(sentence: str) -> None:
    """Warn of ``sentence``: in Python once for every place and text, on the command line in one line."""
    warnings.warn(sentence, Doubt, stacklevel=2)
