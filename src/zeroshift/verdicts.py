"""What became of an edit: whether anything changed, and whether the result shows what was asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from zeroshift.asked.request import Request
from zeroshift.captioning import Judge, Rating
from zeroshift.captioning.lexicon import DEPICTIONS
from zeroshift.captioning.subject import subject_of
from zeroshift.framed import FramedPhoto
from zeroshift.image.errors import ImageError
from zeroshift.results import Result, Verdict
from zeroshift.running.walking import Progress
from zeroshift.sentences import contains_word
from zeroshift.words import listed

Floats: TypeAlias = npt.NDArray[np.float64]

CELLS = 16
"""into how many cells a side is parted: fine detail, which an autoencoder loses in any case, averages out"""
SHARE = 0.05
"""share of the cells that changed most, whose mean counts: an edit may be of a small part"""
CHANGED = 20.0
"""grey levels of change from which on something happened"""
STYLED = 10.0
"""the same where a style alone is asked for, which leaves shapes and most colours where they are: above what the
autoencoder alone changes of photographs (3.7 to 7.9), below all of the weak sketches, paintings and nights (from 31)"""
NIGHT = 24.0
"""luma, 0 to 255, that the brightest cells of a picture do not reach which is black to the eye"""
PLAIN = 8.0
"""grey levels between the least and the most of all cells in each channel, where there is nothing to be seen"""
LUMA = (0.299, 0.587, 0.114)
"""shares of red, green and blue in luma (ITU-R BT.601)"""


def with_verdicts(
    judge: Judge | None, steps: Iterator[Progress], requests: Sequence[Request], frames: Sequence[FramedPhoto]
) -> Iterator[Progress]:
    """Say with each result what became of the edit, and what was doubtful about its words.

    Pictures are compared with what the model saw of the photograph, or with the source that it generated.
    """
    for step in steps:
        if not step.results:
            yield step
            continue
        columns = [[row[n] for row in step.results] for n in range(len(requests))]
        told = [judged(judge, column, one, frames) for column, one in zip(columns, requests, strict=True)]
        yield replace(step, results=tuple(zip(*told, strict=True)))


def judged(
    judge: Judge | None, results: Sequence[Result], request: Request, frames: Sequence[FramedPhoto]
) -> list[Result]:
    """The results of one request with their verdicts."""
    task, after = request.task, [result.native for result in results]
    before = [frame.pixels for frame in frames] or [result.reconstruction or result.native for result in results]
    if frames:  # what is seen of a result, whose mask may have cut an edit off
        after = [f.framing.view(result.image.convert("RGB")) for f, result in zip(frames, results, strict=True)]
    shown = [frame.about(edit) for frame, edit in zip(frames, after, strict=True)] if frames else after
    words = (task.target_prompt, task.source_prompt)
    missed = [""] * len(after) if judge is None else judge.lacking(shown, *words, strange(request))
    clear = judge.clarity(shown, *words) if isinstance(judge, Rating) else None
    nearer = [nearer_to(frame) for frame in frames] or [""] * len(after)
    verdicts = [
        verdict_of(change_between(*pair), lacking, request, photograph=bool(frames), near=near, blank=blank_as(*pair))
        for *pair, lacking, near in zip(before, after, missed, nearer, strict=True)
    ]
    if clear is not None:
        verdicts = [replace(verdict, clarity=one) for verdict, one in zip(verdicts, clear, strict=True)]
    return [
        replace(result, verdict=verdict, warnings=request.doubts)
        for result, verdict in zip(results, verdicts, strict=True)
    ]


def change_between(source: Image.Image, edit: Image.Image) -> float:
    """Mean difference in grey levels, 0 to 255, of the cells that changed most.

    Raises:
        ImageError: the pictures have different sizes.
    """
    if source.size != edit.size:
        raise ImageError(f"Pictures of one size are compared, and these have {source.size} and {edit.size}.")
    return most(np.abs(cells_of(source) - cells_of(edit)).mean(2))


def cells_of(picture: Image.Image) -> Floats:
    """Mean colours of a picture's cells, (CELLS, CELLS, 3), 0 to 255."""
    return np.asarray(picture.convert("RGB").resize((CELLS, CELLS), Image.Resampling.BOX), float)


def most(values: Floats) -> float:
    """Mean of the greatest values, a ``SHARE`` of all."""
    ordered = np.sort(values, axis=None)
    return float(ordered[-round(SHARE * len(ordered)) :].mean())


def blank_as(source: Image.Image, edit: Image.Image) -> str:
    """What an edit is in which nothing can be seen, as in "nearly black"; empty where something can, or never could."""
    return "" if blankness(source) else blankness(edit)


def blankness(picture: Image.Image) -> str:
    """What a picture is in which nothing can be seen; empty where something can."""
    cells = cells_of(picture)
    if most(cells @ np.array(LUMA)) < NIGHT:
        return "nearly black"
    return "of nearly one colour" if np.ptp(cells, axis=(0, 1)).max() < PLAIN else ""


def nearer_to(frame: FramedPhoto) -> str:
    """What shows the model more of what shall change; empty where it has all of the photograph, with no mask given."""
    if frame.mask is not None:
        return "a `mask` that covers all of what shall change"
    return "" if frame.whole else "a `region` close around what shall change"


def verdict_of(
    change: float, lacking: str, request: Request, *, photograph: bool = True, near: str = "", blank: str = ""
) -> Verdict:
    """What is to be said of a change and of what is missing; nothing where no change was asked for.

    Args:
        photograph: whether a photograph was edited.
        near: of ``nearer_to``.
        blank: of ``blank_as``.
    """
    if blank:
        return Verdict(change, lacking, f"The result is {blank}; try {listed(less(request), 'or')}.")
    least = STYLED if style_alone(request) else CHANGED
    if vars(request.method.conditioning).get("strength") == 0 or (change >= least and not lacking):
        return Verdict(change, lacking)
    fault = "hardly differs from its source" if change < least else f"does not look like {lacking}"
    return Verdict(change, lacking, f"The result {fault}; {what_to_try(request, photograph, near)}.")


def style_alone(request: Request) -> bool:
    """Whether the target is the source's thing in another kind of picture, as in "a painting of a cat"."""
    prompts = (request.task.source_prompt, request.task.target_prompt)
    try:
        nouns = [subject_of(prompt).noun.casefold() for prompt in prompts]
    except ValueError:
        return False
    same = nouns[0] == nouns[1] or DEPICTIONS.issuperset(nouns)  # "a photo" alone, where nobody is sure of what
    media = {prompt.casefold().partition(" of ")[0] for prompt in prompts}
    return same and (request.whole or len(media) > 1)


def strange(request: Request) -> list[str]:
    """The words of the target alone that the model does not know."""
    task = request.task
    return [
        word
        for word in request.unknown
        if contains_word(task.target_prompt, word) and not contains_word(task.source_prompt, word)
    ]


def what_to_try(request: Request, photograph: bool, near: str) -> str:
    """What makes an edit change more: a known word, another part, more noise or more strength.

    Another seed is named where the picture is drawn from noise: an inversion leads back to its photograph, and what is
    random in it changes next to nothing.
    """
    if strange(request):
        return "ask for something that the model knows"
    noise = vars(request.method.inversion).get("noise_strength")
    if noise is not None:
        more = [f"`noise_strength` above {noise:g}", "another `seed`"]
    else:
        more = [stronger(request), *(["`method` sdedit, which keeps less"] if photograph else ["another `seed`"])]
    return f"try {listed([*([near] if near else []), *more], 'or')}"


def stronger(request: Request) -> str:
    """The option that makes more of the target."""
    option, value = measure(request)
    return f"{option} above {value:g}"


def less(request: Request) -> list[str]:
    """What leaves more of a source of which nothing is to be seen any more."""
    noise = vars(request.method.inversion).get("noise_strength")
    option, value = ("`noise_strength`", noise) if noise is not None else measure(request)
    return [f"{option} below {value:g}", "another target"]


def measure(request: Request) -> tuple[str, float]:
    """The option that says how much is made of the target, and what it is."""
    strength = vars(request.method.conditioning).get("strength")
    return ("`guidance_scale`", request.method.guidance_scale) if strength is None else ("`strength`", strength)
