"""Captions as training sees them: every picture is described in many ways, by the same bank that directions use."""

import random
from collections import Counter
from dataclasses import dataclass, replace

from zeroshift.miniature.data import CaptionedPicture
from zeroshift.miniature.vocabulary import BACKGROUND, COLOURS, MEDIA, Scene
from zeroshift.sentences import (
    ADJECTIVES,
    BACKGROUNDS,
    PATTERNS,
    VERBS,
    noun_phrase,
    sentence,
    template_sentences,
    with_article,
)
from zeroshift.words import KnownWords, words_of


@dataclass(frozen=True)
class Shares:
    """How often captions say what; everything else is left to the template bank."""

    plain: float = 0.6
    """a bare sentence rather than one of the bank, whose places and adjectives mean nothing"""
    bare: float = 0.15
    """the noun without its attributes"""
    called: float = 0.5
    """another name of the subject, such as its breed, where it has one"""
    background: float = 0.5
    """the background's colour where it is known"""
    light: float = 0.5
    """that a photograph is dark or bright"""
    blurry: float = 0.7
    """that it is blurry, so that blur is not what "a photo" means"""


SHARES = Shares()
FREQUENT = 0.01
"""share of the pictures from which on a noun is a thing that the model can show"""


def scene_of(caption: str) -> Scene | str:
    """What "a photo of a tabby cat" describes; any other sentence stays as it is."""
    phrase = noun_phrase(caption)
    return caption if phrase is None else Scene(phrase)


def scene_in(row: CaptionedPicture) -> Scene | str:
    """What a row's caption describes, and what its columns species, coat and breed add that the caption leaves out.

    A column closeness says "close" of a close-up.
    """
    phrase = noun_phrase(row.caption)
    if phrase is None:
        return row.caption
    species, coat, breed = (row.labels.get(column, "") for column in ("species", "coat", "breed"))
    medium = "close" if row.labels.get("closeness") == "close" else "photo"
    if not breed or not species:
        return Scene(phrase, medium)
    names = (breed,) if breed.endswith(species) else (f"{breed} {species}", *[breed] * (species == "dog"))
    return Scene(f"{coat} {species}" if coat else species, medium, called=names)


def vary(scene: Scene | str, choice: random.Random, shares: Shares = SHARES) -> str:
    """A random true-ish description of ``scene``; a sentence that is no scene stays as it is."""
    if isinstance(scene, str):
        return scene
    if scene.called and choice.random() < shares.called:
        scene = replace(scene, subject=choice.choice(scene.called))
    elif choice.random() < shares.bare:
        scene = replace(scene, subject=scene.noun)
    said = {"dark": shares.light, "bright": shares.light, "blurry": shares.blurry}.get(scene.medium, 1)
    if choice.random() >= said:
        scene = replace(scene, medium="photo")
    background = ""
    if scene.background and choice.random() < shares.background:
        background = choice.choice(BACKGROUND).format(scene.background)
    if scene.medium == "photo" and choice.random() >= shares.plain:
        parts = (background or choice.choice(BACKGROUNDS), choice.choice(VERBS), choice.choice(ADJECTIVES))
        patterns = [pattern for pattern in PATTERNS if not background or "{background}" in pattern]
        return sentence(choice.choice(patterns), scene.subject, *parts)
    text = choice.choice(MEDIA[scene.medium]).format(with_article(scene.subject))
    return f"{text} {background}" if background else text


def words_said(scenes: list[Scene | str]) -> KnownWords:
    """All words that training says of these scenes, and the nouns of a ``FREQUENT`` share of them and more."""
    nouns = Counter(scene.noun for scene in scenes if isinstance(scene, Scene))
    subjects = tuple(noun for noun, count in nouns.most_common() if count >= FREQUENT * len(scenes))
    bank = template_sentences("thing", 2000)
    words = {word for text in [*spoken(scenes), *bank] for word in words_of(text)} - {"thing"}
    return KnownWords(frozenset(words), subjects)


def spoken(scenes: list[Scene | str]) -> list[str]:
    """Sentences that hold every word that ``vary`` may use of these scenes, for the tokenizer's vocabulary."""
    choice = random.Random(0)
    subjects = sorted({name for s in scenes if isinstance(s, Scene) for name in (s.subject, *s.called)})
    ways = [way.format(with_article(subject)) for subject in subjects for ways in MEDIA.values() for way in ways]
    return [vary(scene, choice) for scene in scenes] + ways + [way.format(c) for way in BACKGROUND for c in COLOURS] * 5
