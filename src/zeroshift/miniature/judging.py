"""What results of edits do not show, by the heads of the small classifier.

It tells two animals apart, and whether there is one; a tiger is a cat to it. So of other animals it is asked only
whether there is any, but what was made of words that the model does not know, it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zeroshift.captioning.subject import subject_of
from zeroshift.miniature.data.breeds import animal_of
from zeroshift.miniature.reading import style_of
from zeroshift.miniature.vocabulary import BIG_CATS, MEDIA, STYLES
from zeroshift.sentences import contains_word, with_article

STYLE_FROM = 0.9
"""probability from which on another style is said: what a model draws is less clear than what was rendered"""


@dataclass(frozen=True)
class Wanted:
    """What of an edit can be looked for."""

    animal: str = ""
    """one of the classifier's, or nothing"""
    called: str = ""
    """what it, another animal, or what the model does not know is called in the prompt, as in "husky" """
    before: str = ""
    """the animal that the source names"""
    unknown: bool = False
    """whether the model does not know what it is called"""
    style: str = ""
    """one of the classifier's, or nothing"""


@dataclass(frozen=True)
class Shown:
    """What the classifier makes of a picture."""

    animal: str
    likely: float
    """how probable the animal is, 0 to 1"""
    presence: float
    """how clearly there is any, 0 or more where there is"""
    decided: bool
    """whether the animal is no guess"""
    styles: Mapping[str, float]
    """how probable each style is"""


def wanted_by(
    target: str, source: str, unknown: Sequence[str], classes: Sequence[str], styles: Sequence[str]
) -> Wanted:
    """What can be looked for in the results of an edit.

    Of a drawing of what was there before no animal is looked for: the lines are the same, and mislead the classifier.
    """
    style, before, animal = style_of(target), animal_of(source), animal_of(target)
    drawn = style if style != STYLES[0] and style in styles else ""
    strange = " ".join(unknown)
    if animal not in classes or (drawn and before == animal):
        animal = ""
    other = "" if drawn else next((word for word in BIG_CATS if contains_word(target, word)), "")
    called = called_in(target, animal) or strange or other
    return Wanted(animal, called, before, bool(strange) and not animal, drawn)


def called_in(prompt: str, animal: str) -> str:
    """What an animal is called in a prompt that names it, as in "husky"; nothing for no animal."""
    phrase = subject_of(prompt).phrase if animal else ""
    return phrase if animal_of(phrase) == animal else animal


def missing(wanted: Wanted, shown: Shown) -> str:
    """What a picture does not show of what was wanted, as in "a dog (cat 0.93)"; nothing where it does."""
    return " or ".join([*_animal(wanted, shown), *_style(wanted.style, shown.styles)])


ENOUGH, HARDLY, CLEARER_BY = 5.0, 1.0, 1.5
"""clarity from which on no other inversion is tried, below which a target can hardly be seen, and what makes a result
clearer than another: of the default edits of 23 photographs of ``bench-val`` six have less than 5, two of which
edit-friendly inversion made clearer (-3.3 to 1.3, 4.8 to 10.1; the target's probability by an ImageNet network 0.12 to
0.17, 0.72 to 0.97); the others stay. Of 15 whole photographs that became dogs or cats nine have less than 5, three of
which it made clearer (0.2 to 6.0, 4.1 to 6.0, 4.7 to 8.1), two of these to the eye as well"""
CLEAR, NEARER_BY = 10.5, 1.0
"""the same of edits from nearer, see ``vocabulary.NEAR``: of seven whole photographs of cats that became dogs, five
were clearer by that in 0.88 of the usual part; two of these to the eye as well, which have both eyes only there (7.8 to
9.8, 10.0 to 11.2), and one less so"""


def clarity(wanted: Wanted, shown: Shown) -> float:
    """How clearly a picture shows the animal that was wanted, one of the classifier's: below 0 it cannot be seen."""
    other = shown.decided and shown.animal != wanted.animal
    return min(shown.presence, 0.0) - shown.likely if other else shown.presence


def _animal(wanted: Wanted, shown: Shown) -> list[str]:
    if not wanted.called:
        return []
    if shown.presence < 0:
        return [f"{with_article(wanted.called)} (no animal is clear in it)"]
    if shown.animal == wanted.animal or not (wanted.animal or wanted.unknown):
        return []
    before = shown.animal == wanted.before and wanted.before != wanted.animal
    how = ("still " if before else "") if shown.decided else "perhaps still " if before else "perhaps "
    return [f"{with_article(wanted.called)} ({how}{with_article(shown.animal)}, {shown.likely:.2f})"]


def _style(style: str, styles: Mapping[str, float]) -> list[str]:
    if not style:
        return []
    other = max(styles, key=lambda name: styles[name])
    return [f"{MEDIA[style][0].format('it')} ({other})"] if other != style and styles[other] >= STYLE_FROM else []
