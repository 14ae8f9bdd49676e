"""A loaded model: what of it edits need to know, and what it makes of their words."""

from collections.abc import Sequence
from dataclasses import dataclass

from zeroshift.captioning import Captioner, Judge, Vocabulary, judge_of, vocabulary_of
from zeroshift.control.perceptual import Vgg
from zeroshift.critic import Critic
from zeroshift.diffusion.backbone import Backbone
from zeroshift.frames import Frames, SubjectFinder
from zeroshift.generators.making import GeneratedDirections
from zeroshift.image import Fit
from zeroshift.masks.locating import Segmenter
from zeroshift.methods import USUAL, Method
from zeroshift.methods.idle import check_idle
from zeroshift.options.errors import given
from zeroshift.presets import Options, build_method, faster, recommended
from zeroshift.restoring import Restorer
from zeroshift.words import KnownWords, about_unknown, doubts_of_words, offered, unknown_words


@dataclass(frozen=True)
class Sampling:
    """How a model samples from prompts, unless somebody says otherwise."""

    steps: int = 50
    guidance_scale: float = 5.0


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A loaded model, the options that it recommends, and what says in words what a picture shows."""

    backbone: Backbone
    presets: dict[str, Options]
    captioner: Captioner | None = None
    """None: every edit names its source"""
    vgg: Vgg | None = None
    """what the perceptual and the style term of refinement compare pictures by"""
    finder: SubjectFinder | None = None
    """where the subject of a picture is; None: all of it is edited unless a region is given"""
    directions: GeneratedDirections | None = None
    """makes edit directions of two words; None: the template bank does"""
    known: KnownWords | None = None
    """the words that the model was trained with; None: the tokenizer alone tells"""
    own: Captioner | None = None
    """the model's own captioner, which reads targets and judges results whatever ``captioner`` says of pictures"""
    sampled: Sampling = Sampling()
    """how ``generate`` samples by default"""
    segmenter: Segmenter | None = None
    """what finds the subjects of masks that it knows; None: where the words look"""
    restorer: Restorer | None = None
    """what redraws pictures of subjects that it knows; None: they stay as the model drew them"""
    critic: Critic | None = None
    """what says how good results look, so that the best of several is taken; None: nothing does"""

    def __repr__(self) -> str:
        """One line, where the networks' would be hundreds."""
        kind, backbone = type(self).__name__, self.backbone
        return f"{kind}({backbone.identity.name}, {backbone.device.type}, {backbone.precision})"

    @property
    def default_fit(self) -> Fit:
        """ "crop" for a small model, whose training pictures were square crops, else "aspect"."""
        return "crop" if self.backbone.size < 256 else "aspect"

    @property
    def frames(self) -> Frames:
        """What is known of its frames."""
        backbone = self.backbone
        return Frames(backbone.identity.name, backbone.size, backbone.multiple, self.default_fit, self.finder)

    @property
    def vocabulary(self) -> Vocabulary:
        """What makes edits of captions: the captioner's reading of them, else the model's own, else plain English's."""
        return vocabulary_of(self.captioner, self.own)

    @property
    def judge(self) -> Judge | None:
        """What tells whether a result shows what was asked for; None: nothing does."""
        return judge_of(self.captioner, self.own)

    @property
    def targets(self) -> dict[str, tuple[str, ...]]:
        """Targets that the model knows, by what they change, as in {"subject": ("cat", "dog")}; perhaps none."""
        return offered(self.known, self.vocabulary)

    def method(
        self,
        name: str = USUAL,
        options: Options | None = None,
        paper: bool = False,
        fast: bool = False,
        whole: bool = False,
    ) -> Method:
        """A method with this model's presets (not with ``paper``), overlaid by nested ``options``.

        With ``fast`` in fewer passes, as far as the ``options`` do not say otherwise; with ``whole`` as the presets
        have it for edits of the whole picture, such as styles.

        Raises:
            TypeError: the name is no text.
            ValueError: there is no such method or option, a value is out of range, or an option would do nothing.
        """
        if not isinstance(name, str):
            raise TypeError(f"A method is called by its name, as in {USUAL}, not {given(name)}.")
        preset = {} if paper else recommended(self.presets, name, whole)
        own = {} if options is None else options
        built = build_method(name, preset, faster(name, preset) if fast else {}, own)
        check_idle(built, own)
        return built

    def doubts(self, prompts: Sequence[str], sentences: Sequence[str] = (), caption: str = "") -> tuple[str, ...]:
        """What to warn about in prompts or words: those that the model does not know, and those that are cut off.

        Of ``sentences``, those that an edit direction is made of, is said how many are cut. Each is one sentence. Words
        that a picture's ``caption`` has are not held against anybody.
        """
        return doubts_of_words(self.backbone, self.known, prompts, sentences, caption)

    def unknown(self, prompts: Sequence[str], caption: str = "") -> tuple[str, ...]:
        """The words of prompts that the model does not know, those of a picture's ``caption`` left out."""
        return unknown_words(self.backbone, self.known, prompts, caption)

    def about_unknown(self, words: Sequence[str]) -> str:
        """One sentence about words that the model does not know: what they may be meant for, and what it can show."""
        return about_unknown(self.backbone.identity.name, words, self.known, self.backbone.spelling.whole)
