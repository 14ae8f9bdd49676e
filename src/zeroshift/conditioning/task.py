"""What is asked for: from what, to what."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeroshift.sentences import contains_word, swap_word, with_article

if TYPE_CHECKING:
    from zeroshift.conditioning.direction import Direction

_ARTICLE = re.compile(r"^(?:an?|the)\s", re.IGNORECASE)


@dataclass(frozen=True)
class Task:
    """One edit in words. ``source`` and ``target`` are as the user gave them; the prompts are whole sentences."""

    source: str
    target: str
    source_prompt: str
    target_prompt: str
    words: tuple[str, str] | None
    """the swapped words, if both were given as words"""
    direction: "Direction | None" = None
    """an edit direction to use instead of one made from the words"""


def backwards(task: Task) -> Task:
    """The edit from the target to the source, in the same words."""
    words = None if task.words is None else (task.words[1], task.words[0])
    return Task(task.target, task.source, task.target_prompt, task.source_prompt, words)


def is_prompt(text: str) -> bool:
    """Whether ``text`` is a whole prompt: it begins with an article or has more than three words."""
    return bool(_ARTICLE.match(text.strip())) or len(text.split()) > 3


def make_task(source: str, target: str, prompt: str | None = None, direction: "Direction | None" = None) -> Task:
    """Complete words to prompts.

    A word ``source`` stands in ``prompt`` (default: "a photo of a SOURCE"), and a word ``target`` is swapped in for
    it there, the article corrected. A whole prompt is taken as it is.

    Raises:
        ValueError: a text is empty, both are equal, ``source`` does not stand in ``prompt``, or a target word has no
            source word to take the place of.
    """
    source_prompt = complete_source(source, prompt)
    source, target = source.strip(), target.strip()
    check_target(target)
    if source.casefold() == target.casefold():
        raise ValueError(f'Source and target are both "{source}"; give two different ones, or nothing would change.')
    if is_prompt(target):
        return Task(source, target, source_prompt, target, None, direction)
    if is_prompt(source):
        raise ValueError(
            f'The source is a whole prompt and the target "{target}" is a word; give the target as a whole prompt too, '
            "or the source as the word that it replaces together with the prompt."
        )
    return Task(source, target, source_prompt, swap_word(source_prompt, source, target), (source, target), direction)


def check_target(target: str) -> None:
    """Refuse a target that says nothing.

    Raises:
        ValueError: it is empty.
    """
    if not target.strip():
        raise ValueError("The target is empty; give a word such as dog, or a whole prompt.")


def complete_source(source: str, prompt: str | None = None) -> str:
    """The source prompt: ``source`` if it is a whole prompt, else ``prompt``, in which it stands.

    Raises:
        ValueError: ``source`` is empty, does not stand in ``prompt``, or is a whole prompt beside ``prompt``.
    """
    source = source.strip()
    if not source:
        raise ValueError("The source is empty; give a word such as cat, or a whole prompt.")
    if is_prompt(source):
        if prompt is not None:
            raise ValueError("Give the source either as a whole prompt or as a word with a prompt, not both.")
        return source
    source_prompt = f"a photo of {with_article(source)}" if prompt is None else prompt.strip()
    if not contains_word(source_prompt, source):
        raise ValueError(f'The word "{source}" does not stand in the prompt "{source_prompt}"; name a word that does.')
    return source_prompt
