"""Sentences from a text file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from zeroshift.files import read_regular
from zeroshift.sentences import swap_word

GAP = "{}"
"""where the word stands in a line for any word"""


@dataclass(frozen=True)
class TextFile:
    """The lines of a text file in UTF-8; where one has {}, the word stands in its place, the article corrected."""

    name: ClassVar[str] = "files"

    path: Path

    @property
    def settings(self) -> Mapping[str, str]:
        return {"file": self.path.name}

    def __call__(self, word: str, count: int) -> Sequence[str]:
        """All lines that are not empty.

        Raises:
            ValueError: it cannot be read as UTF-8.
        """
        return [swap_word(line, GAP, word) if GAP in line else line for line in lines_of(self.path)]


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        ValueError: it cannot be read as UTF-8.
    """
    try:
        text = read_regular(path).decode("utf-8")
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); give a file with one sentence per line."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read as text ({error}); give a file with one sentence per line.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
