"""What sentences of edit directions are worth: edits by swapped words and by 1 to 1000 sentences, in several tasks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from PIL import Image, ImageDraw

from remake.asked import asked
from remake.pages import put
from remake.place import Job, Jobs, Place
from remake.sitting import Sitting
from zeroshift.editor import Editor
from zeroshift.image import Photo, save_image
from zeroshift.image.tensors import to_bytes, to_tensor
from zeroshift.miniature.classifier import Classifier, load_classifier
from zeroshift.miniature.data import CaptionedFolder

SPLIT, PICTURES = "val", 12
MARK, FIGURE = "sentences", "docs/directions.png"
COUNTS = (1, 10, 100, 1000)
WAYS = {"words swapped": "--words swap", **{f"{n} sentence{'s' * (n > 1)}": f"--sentences {n}" for n in COUNTS}}
"""what the columns are called, and the words that follow ``zeroshift edit``"""
ALWAYS = "--fit stretch"
STRENGTHS = {"": "", ", at half strength": "--strength 0.5"}
"""what is said of each strength, and the words for it"""
Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""edits that succeeded, by task and way"""


@dataclass(frozen=True)
class Task:
    """One edit of photographs of one kind."""

    name: str
    species: str
    """of the photographs"""
    words: str
    head: str
    """of the classifier, which says whether an edit has become what it was to be: classes, coats, styles"""
    wanted: str
    coat: str | None = None
    """of the photographs, where that matters"""


STYLES = {"sketch": "sketch", "painting": "painting", "black-and-white": "monochrome photo"}
"""what the classifier calls a style, and what it is asked for by"""
TABBY = '--source tabby --target black --prompt "a photo of a tabby cat"'
ANIMALS = (
    Task("cat → dog", "cat", "--source cat --target dog", "classes", "dog"),
    Task("dog → cat", "dog", "--source dog --target cat", "classes", "cat"),
    Task("tabby → black", "cat", TABBY, "coats", "black", "tabby"),
)


def tasks() -> list[Task]:
    """Animals, a coat, and each style of each animal."""
    found = list(ANIMALS)
    for style, asked_for in STYLES.items():
        for species in ("cat", "dog"):
            words = f'--source photo --target "{asked_for}" --prompt "a photo of a {species}"'
            found.append(Task(f"photo → {style}, {species}s", species, words, "styles", style))
    return found


def jobs(pictures: int = PICTURES) -> Jobs:
    return [Job("sentences", partial(make, pictures), with_data=True)]


def make(pictures: int, place: Place) -> str:
    """Edit photographs of ``val`` in every task, way and strength; write the table and the plot of what succeeded."""
    classifier, editor = load_classifier(place.model / "classifier"), place.editor()
    known = [task for task in tasks() if task.wanted in getattr(classifier, task.head)]
    found = {
        said: {task.name: successes(place, editor, classifier, task, pictures, words) for task in known}
        for said, words in STRENGTHS.items()
    }
    return written(place, found, pictures)


def written(place: Place, found: Mapping[str, Counts], pictures: int) -> str:
    """Write what was counted at each strength; say where."""
    save_image(plot(found, pictures), place.root / FIGURE, recipe={"command": "remake sentences"})
    return f"{FIGURE}, {put(place.root, {MARK: table(found, pictures, ' '.join(place.words))})}"


def successes(
    place: Place, editor: Editor, classifier: Classifier, task: Task, count: int, strength: str
) -> dict[str, int]:
    """How many edits of the first ``count`` photographs that a task is about became what they were to be, by way.

    Raises:
        ValueError: there are too few photographs.
    """
    assert place.data is not None
    data = CaptionedFolder.open(place.data)
    rows = [row for row in data.split(SPLIT) if row.labels.get("species") == task.species]
    rows = [row for row in rows if task.coat is None or row.labels.get("coat") == task.coat][:count]
    if len(rows) < count:
        raise ValueError(f"{place.data} has too few pictures in {SPLIT} for {task.name}; {count} are edited.")
    pixels = data.read(rows, editor.backbone.size)
    sitting = Sitting(editor, [Photo.of(Image.fromarray(one.permute(1, 2, 0).contiguous().numpy())) for one in pixels])
    found = {}
    for name, way in WAYS.items():
        results = sitting.edit(asked(" ".join((task.words, ALWAYS, strength, way, *place.words))))
        edits = to_bytes((to_tensor([result.native for result in results]) + 1) * 127.5)
        found[name] = seen(classifier, edits, task.head).count(task.wanted)
    return found


def seen(classifier: Classifier, edits: torch.Tensor, head: str) -> list[str]:
    """What uint8 edits (N, 3, S, S) show by one head of the classifier."""
    if head == "classes":
        return list(classifier.labels(edits))
    _, coats, styles = classifier.logits(edits)
    names, logits = {"coats": (classifier.coats, coats), "styles": (classifier.styles, styles)}[head]
    return [names[int(k)] for k in logits.argmax(1)]


def table(found: Mapping[str, Counts], pictures: int, words: str = "") -> str:
    """A row for every task at full strength, and one of all together at each; ``words`` are said of all edits."""
    lines = [f"| of {pictures} photographs each{f', {words}' if words else ''} | {' | '.join(WAYS)} |"]
    lines.append("|---" * (1 + len(WAYS)) + "|")
    full = next(iter(found.values()))
    lines += [f"| {name} | {' | '.join(str(of[way]) for way in WAYS)} |" for name, of in full.items()]
    for said, counts in found.items():
        sums = together(counts)
        lines.append(f"| all {pictures * len(counts)}{said} | {' | '.join(str(sums[way]) for way in WAYS)} |")
    return "\n".join(lines)


def together(counts: Counts) -> dict[str, int]:
    """The sum over all tasks, by way."""
    return {way: sum(of[way] for of in counts.values()) for way in WAYS}


def plot(found: Mapping[str, Counts], pictures: int) -> Image.Image:
    """Share of edits that succeeded against the number of sentences, and a thin line for swapped words."""
    width, height, left, top = 480, 260, 48, 24
    figure = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(figure)

    def at(count: float, share: float) -> tuple[float, float]:
        across = math.log10(count) / math.log10(COUNTS[-1])
        return left + (width - left - 24) * across, top + (height - top - 40) * (1 - share)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.line([at(1, share), at(COUNTS[-1], share)], "lightgrey")
        pen.text((8, at(1, share)[1] - 6), f"{share:.0%}", "black")
    for (said, counts), colour in zip(found.items(), ("navy", "darkorange"), strict=False):
        shares = {way: total / max(pictures * len(counts), 1) for way, total in together(counts).items()}
        swapped = shares["words swapped"]
        points = [at(n, shares[way]) for n, way in zip(COUNTS, sentence_ways(), strict=True)]
        pen.line([at(1, swapped), at(COUNTS[-1], swapped)], colour)
        pen.line(points, colour, 3)
        pen.text((points[1][0], points[1][1] + 6), f"sentences{said}; thin: words swapped", colour)
    for n in COUNTS:
        pen.text((at(n, 0)[0] - 8, height - 34), str(n), "black")
    pen.text((left, 6), "edits that the classifier finds to be what they were to be", "black")
    pen.text((width // 2 - 60, height - 16), "sentences for each word", "black")
    return figure


def sentence_ways() -> Sequence[str]:
    """The ways that are made of sentences, in the order of ``COUNTS``."""
    return [way for way in WAYS if way != "words swapped"]
