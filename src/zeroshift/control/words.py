"""Options that speak of the words of a prompt."""

from collections.abc import Iterable

from zeroshift.conditioning.task import Task
from zeroshift.control.alignment import stands_in

Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""words of the source prompt and of the target prompt"""


LARGEST = 100


def parse_factors(text: str | None) -> list[tuple[str, float]]:
    """Read "word=factor,word=factor"; None has no word.

    Raises:
        ValueError: ``text`` has another form, or a factor is no number from -100 to 100.
    """
    try:
        found = [(word, float(value)) for word, value in _items(text)]
    except ValueError as error:
        raise ValueError(f'`amplify` has the form dog=2,fluffy=0.5, not "{text}".') from error
    if not all(abs(factor) <= LARGEST for _, factor in found):
        raise ValueError(f'The factors of `amplify` are from -{LARGEST} to {LARGEST}, and "{text}" has another.')
    return found


def parse_windows(text: str | None) -> list[tuple[str, tuple[float, float]]]:
    """Read "word=begin-end,word=begin-end", shares from 0 to 1 in order; None has no word.

    Raises:
        ValueError: ``text`` has another form.
    """
    found = []
    try:
        for word, value in _items(text):
            begin, end = (float(share) for share in value.split("-"))
            if not 0 <= begin <= end <= 1:
                raise ValueError(value)
            found.append((word, (begin, end)))
    except ValueError as error:
        raise ValueError(f'`word_windows` has the form dog=0-0.4,fluffy=0.2-1, not "{text}".') from error
    return found


def _items(text: str | None) -> list[tuple[str, str]]:
    pairs = [] if text is None else [item.split("=") for item in text.split(",")]
    return [(word.strip(), value) for word, value in pairs]


def parse_pair(text: str | None) -> Pair:
    """Read "cat,dog": words of the source, then of the target, several with blanks between; None has no word.

    Raises:
        ValueError: ``text`` has another form.
    """
    if text is None:
        return (), ()
    sides = [tuple(side.split()) for side in text.split(",")]
    if len(sides) != 2 or not all(sides):
        raise ValueError(f'Words to blend by are given as SOURCE,TARGET, such as cat,dog, not as "{text}".')
    return sides[0], sides[1]


def check_words(words: Iterable[str], prompt: str) -> None:
    """Refuse words that do not stand in ``prompt``.

    Raises:
        ValueError: one does not.
    """
    for word in words:
        if not stands_in(prompt, word):
            raise ValueError(f'The word "{word}" does not stand in the prompt "{prompt}"; name single words that do.')


def check_pair(text: str | None, task: Task) -> None:
    """Refuse words to blend by that do not stand in their prompts.

    Raises:
        ValueError: one does not.
    """
    source, target = parse_pair(text)
    check_words(source, task.source_prompt)
    check_words(target, task.target_prompt)
