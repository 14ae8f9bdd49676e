"""What a generator of sentences is, and how one that may answer badly is asked until there are enough."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from zeroshift.generators.sifting import sift

Answers: TypeAlias = Callable[[str, int], Sequence[str]]
"""from a word and the number of a request to lines of text"""
PATIENCE = 3
"""requests without a single new good sentence, one after another, after which a generator is not asked again"""


class Sentences(Protocol):
    """Makes sentences about a word, among them ones that ``sifting`` drops."""

    @property
    def name(self) -> str:
        """What it is, for provenance: "template bank", "language model flan-t5-xl"."""

    @property
    def settings(self) -> Mapping[str, str]:
        """All that its sentences depend on, for provenance; no secrets."""

    def __call__(self, word: str, count: int) -> Sequence[str]:
        """Lines about ``word``, as they came, ``count`` good ones among them if it has as many.

        Raises:
            StoppedShort: something went wrong on the way; it has what came before.
            ValueError: nothing can be made.
        """


class StoppedShort(ValueError):
    """A generator failed on the way."""

    def __init__(self, sentence: str, lines: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.lines = list(lines)
        """what it had returned by then"""


class Remembered:
    """A generator that is asked about a word once, however often its sentences are wanted."""

    def __init__(self, generator: Sentences) -> None:
        self._generator = generator
        self._known: dict[tuple[str, int], Sequence[str]] = {}
        self.returned: dict[str, Sequence[str]] = {}
        """all lines about each word, those that came before a failure too"""

    @property
    def name(self) -> str:
        return self._generator.name

    @property
    def settings(self) -> Mapping[str, str]:
        return self._generator.settings

    def __call__(self, word: str, count: int) -> Sequence[str]:
        if (word, count) not in self._known:
            try:
                self._known[word, count] = self.returned[word] = self._generator(word, count)
            except StoppedShort as error:
                self.returned[word] = error.lines
                raise
        return self._known[word, count]


def asked(ask: Answers, word: str, count: int, most_requests: int) -> list[str]:
    """Lines of one request after another until ``count`` of them are good, or it is no use.

    Raises:
        StoppedShort: a request failed; it has the lines of those before.
    """
    lines: list[str] = []
    good, idle = 0, 0
    for number in range(most_requests):
        try:
            lines += ask(word, number)
        except StoppedShort as error:
            raise StoppedShort(str(error), [*lines, *error.lines]) from error
        found = len(sift(lines, word).sentences)
        idle = idle + 1 if found == good else 0
        good = found
        if good >= count or idle == PATIENCE:
            break
    return lines
