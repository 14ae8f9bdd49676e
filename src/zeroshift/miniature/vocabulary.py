"""What the shipped model's captions say beyond the noun: coat, style, closeness, light, background colour.

The trainer describes its pictures with these words and the captioner composes its guesses of them, so that one reads
what the other wrote.
"""

from dataclasses import dataclass

from zeroshift.image.framing import Within
from zeroshift.sentences import with_article

MEDIA = {
    "photo": ("a photo of {}", "a picture of {}", "{}", "a snapshot of {}", "portrait of {}"),
    "sketch": ("a pencil sketch of {}", "a sketch of {}", "a pencil drawing of {}", "{}, pencil sketch"),
    "black-and-white": (
        "a black-and-white photo of {}",
        "a monochrome photo of {}",
        "a photo of {} in black and white",
        "{}, black-and-white photo",
    ),
    "painting": ("a painting of {}", "an oil painting of {}", "a posterised painting of {}", "{}, painting"),
    "night": ("a photo of {} at night", "{} at night", "a night photo of {}", "a picture of {} in the dark night"),
    "close": ("a close-up photo of {}", "a close-up of {}", "a photo of {} from very near", "{}, close-up"),
    "blurry": ("a blurry photo of {}", "a soft, blurry photo of {}", "a blurry picture of {}", "{}, blurry photo"),
    "dark": ("a dark photo of {}", "{} in dim light", "a photo of {} in the shade"),
    "bright": ("a bright photo of {}", "{} in bright light", "a photo of {} in bright light"),
}
"""ways to say what kind of picture it is; the first is the usual one"""
STYLES = ("photo", "sketch", "black-and-white", "painting", "night")
"""what a picture is made with; everything else is said of photographs"""
CALLED = {
    "photo": ("photo", "photograph", "day", "daylight", "real"),
    "sketch": ("sketch", "pencil sketch", "drawing", "pencil drawing", "pencil"),
    "black-and-white": (
        "black-and-white",
        "black-and-white photo",
        "black and white photo",
        "monochrome",
        "monochrome photo",
    ),
    "painting": ("painting", "oil painting", "posterised painting"),
    "night": ("night", "at night", "night photo", "dark night"),
    "close": ("close-up", "close up", "close-up photo", "from very near"),
    "dark": ("dark", "dark photo", "dim light", "in dim light", "in the shade"),
    "bright": ("bright", "bright photo", "bright light", "in bright light"),
}
"""names of the keys of ``MEDIA``, where one is asked for alone"""
BIG_CATS = ("tiger", "lion", "cheetah")
"""animals that the shipped model knows besides cats and dogs"""
NEAR = {
    "cat": Within(0.82),
    "dog": Within(again=Within(0.88, lift=0.06)),
    "tiger": Within(0.72),
    "lion": Within(0.85),
    "cheetah": Within(0.85),
}
"""what is edited into an animal of the frame that is found around head and shoulders. Found frames are 1.13 times as
wide as those that the model was trained on (the median of 103 heads of ``val`` and ``bench-val`` put into scenes), and
it saw big cats from nearer. Looked at, on whole photographs: of twelve cats that became tigers with 0.7, 0.85 and 1,
and six with 0.64 and 0.72, most have eyes at 0.75 or less and few at 1; of six, lions' manes want more room, and
cheetahs are little better with less; of six, cats are sharper at 0.88 and 0.78 than at 1, and keep a dog's paws: theirs
lies between; of seven, dogs that kinds are tried of are clearly better at 1 in two, where ears and chins lie inside of
the frame, and a little in one, and a little better at 0.88 in three, by two language models that see and agreed. That
is tried where they do not look good enough"""
KINDS = {"dog": ("cocker spaniel", "english springer", "sussex spaniel")}
"""breeds to try where an animal does not look good enough. Of 21 photographs of cats, of ``train`` and ``bench-val``,
mean scores of 0 to 4 that language models gave: 1.7 for a dog as such, 2.5 for what the critic chooses of these and
that, of which it had not seen the photograph, 2.6 for the best of them. Of no three or four of twelve breeds did it
choose better; they were chosen by the same photographs, so that 2.5 is a little too good. Of cats, which begin at 2.3,
no kind brought more than 0.1"""
COATS = (
    "tabby",
    "black",
    "black and white",
    "tan",
    "orange",
    "brown and white",
    "white",
    "black and tan",
    "calico",
    "brown",
    "colorpoint",
    "gray",
    "gray and white",
)
"""coats that the shipped model's captions say"""
BACKGROUND = ("on a {} background", "with a {} background", "in front of a {} background")
"""ways to say a background's colour"""
COLOURS = ("black", "white", "grey", "red", "brown", "yellow", "green", "blue")
"""colours that backgrounds have"""


@dataclass(frozen=True)
class Scene:
    """What a picture shows, as far as captions say it."""

    subject: str
    """noun with its attributes, without article: "tabby cat" """
    medium: str = "photo"
    """a key of ``MEDIA``"""
    background: str = ""
    """one of ``COLOURS``, or nothing"""
    called: tuple[str, ...] = ()
    """what the subject is called as well, without article: "pug", "pug dog" """

    @property
    def noun(self) -> str:
        """The subject without its attributes."""
        return self.subject.split()[-1]

    @property
    def caption(self) -> str:
        """The usual sentence about it."""
        text = MEDIA[self.medium][0].format(with_article(self.subject))
        return f"{text} {BACKGROUND[0].format(self.background)}" if self.background else text

    @property
    def empty(self) -> str:
        """The usual sentence without what is in it: "a photo"."""
        return empty(self.medium)


def empty(medium: str) -> str:
    """What a picture of a medium is called, whatever it shows: "a photo", "a photo at night"."""
    return MEDIA[medium][0].replace(" of {}", "")
