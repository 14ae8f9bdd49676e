"""Captions as training sees them: every picture is described in many ways, by the same bank that directions use."""

import random

from zeroshift.sentences import ADJECTIVES, BACKGROUNDS, PATTERNS, PLAIN, VERBS, noun_phrase, sentence, with_article


def vary(caption: str, choice: random.Random, as_written: float = 0.3, plain: float = 0.3, bare: float = 0.15) -> str:
    """Return a random true-ish description of what ``caption`` describes.

    ``as_written`` and ``plain`` are the shares of untouched captions and of patterns without adjective; the rest
    comes from the whole bank. With probability ``bare`` the noun loses its attributes ("tabby cat" becomes "cat").
    A caption that is not "a photo of a ..." stays as it is.
    """
    phrase = noun_phrase(caption)
    kind = choice.random()
    if phrase is None:
        return caption
    if choice.random() < bare:
        phrase = phrase.split()[-1]
        caption = sentence(PLAIN[0], phrase, "", "", "")
    if kind < as_written:
        return caption
    patterns = PLAIN if kind < as_written + plain else PATTERNS
    parts = (choice.choice(BACKGROUNDS), choice.choice(VERBS), choice.choice(ADJECTIVES))
    return sentence(choice.choice(patterns), phrase, *parts)


def close_up(caption: str) -> str:
    """Return the caption of an enlarged detail, which ``vary`` leaves alone: closeness then has words of its own."""
    phrase = noun_phrase(caption)
    return f"a close-up photo of {with_article(phrase)}" if phrase else f"{caption}, close-up"
