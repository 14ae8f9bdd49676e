"""The model's ``words.json``: what was said of its training pictures."""

from remake.place import Job, Jobs, Place
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.training.captions import scene_in, words_said
from zeroshift.words import write_known_words


def jobs() -> Jobs:
    return [Job("words", make, with_data=True)]


def make(place: Place) -> str:
    """Write the words of the split ``train``, measured attributes among them."""
    assert place.data is not None
    known = words_said([scene_in(row) for row in CaptionedFolder.open(place.data).split("train")])
    write_known_words(place.model, known)
    return f"{len(known.words)} words, of {', '.join(known.subjects)}"
