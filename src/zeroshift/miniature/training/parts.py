"""What comes beside a text-to-image model in its folder, trained after it by the same command.

Each part is as its own command makes it by default: ``python -m zeroshift.miniature.training.classifier`` with
``presence``, ``finder``, ``segmenter`` and ``restorer``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from zeroshift.files import copy_folder, folder_atomically
from zeroshift.miniature.classifier import load_classifier, save_classifier
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.training import classifier_job, finder_job, presence, restorer_job, segmenter_job
from zeroshift.miniature.training.job import PARTS, Job


@final
@dataclass(frozen=True)
class Plan:
    """Which parts come beside one model."""

    trained: tuple[str, ...] = ()
    """those that are trained, in their order"""
    taken: tuple[Path, ...] = ()
    """folders of the others that the saved model has from which the training starts"""
    remarks: tuple[str, ...] = ()
    """a line about each that is not trained, and about what the classifier will lack"""


def planned(data: CaptionedFolder, job: Job) -> Plan:
    """See what the folder, and what is installed, can teach; what an earlier call of the training finished stays.

    Raises:
        ValueError: a ``frame`` or ``marks.csv`` cannot be read.
    """
    if job.options.parts == "none":
        return Plan()
    reasons = {part: reason for part, reason in hindrances(data).items() if not job.done(part).exists()}
    trained = tuple(part for part in PARTS if part not in reasons)
    taken = tuple(job.init / part for part in reasons if (job.init / part).is_dir()) if job.init else ()
    kept = {folder.name for folder in taken}
    what = {part: f"taken over from {job.init}" if part in kept else "left out" for part in reasons}
    remarks = [f"{part}: {what[part]}. {reason}" for part, reason in reasons.items()]
    if "classifier" in trained and (reason := presence.hindrance(data)):
        remarks.append(f"classifier: cannot tell whether there is an animal at all. {reason}")
    return Plan(trained, taken, tuple(remarks))


def hindrances(data: CaptionedFolder) -> dict[str, str]:
    """Why parts cannot be trained, a sentence for each that cannot, in their order.

    Raises:
        ValueError: a ``frame`` or ``marks.csv`` cannot be read.
    """
    without = classifier_job.hindrance(data)
    found = {
        "classifier": without,
        "finder": f"It starts from a classifier. {without}" if without else finder_job.hindrance(data),
        "segmenter": segmenter_job.hindrance(data),
        "restorer": restorer_job.hindrance(data),
    }
    return {part: reason for part, reason in found.items() if reason}


def train_parts(data: CaptionedFolder, job: Job) -> None:
    """Train ``job.parts`` for the model in ``job.model``, but for those that an earlier call finished; say figures.

    Checkpoints lie under ``job.run``, where each finished part leaves a folder that is there only when it is whole.
    """
    for part in job.parts:
        if not job.done(part).exists():
            figures = _TRAINERS[part](data, job)
            job.say(f"{part}: trained")
            if figures:
                job.say(f"{part}: {', '.join(f'{name} {value:.4f}' for name, value in figures.items())}")


def put_together(out: Path, job: Job, plan: Plan) -> None:
    """Write the folder ``out``, whole: the model and what comes beside it."""
    with folder_atomically(out) as folder:
        copy_folder(job.model, folder)
        for part in plan.trained:
            copy_folder(job.done(part), folder / part)
        for kept in plan.taken:
            copy_folder(kept, folder / kept.name)


def train_classifier(data: CaptionedFolder, job: Job) -> Mapping[str, float]:
    """Train the classifier and, where there is a split to choose by, its head for no animal; return its figures."""
    bare, options = job.run / "classifier/bare", classifier_job.ClassifierOptions(**_given(job, "classifier"))
    if not bare.exists():
        classifier_job.train_classifier(data, bare, run=bare.parent, options=options)
    made = load_classifier(bare)
    if not presence.hindrance(data):
        made = presence.taught_presence(made, data)
    with folder_atomically(job.done("classifier")) as folder:
        save_classifier(made, folder)
    return made.figures


def train_finder(data: CaptionedFolder, job: Job) -> Mapping[str, float]:
    """Train the finder, which starts from the classifier; return its figures."""
    out, options = job.done("finder"), finder_job.FinderOptions(**_given(job, "finder"))
    trained = finder_job.train_finder(data, out, classifier=job.done("classifier"), run=out.parent, options=options)
    return trained.figures


def train_segmenter(data: CaptionedFolder, job: Job) -> Mapping[str, float]:
    """Train the segmenter, also on what the model makes of the pictures; return its figures."""
    out, options = job.done("segmenter"), segmenter_job.SegmenterOptions(**_given(job, "segmenter"))
    job.say("segmenter: the model draws what it learns from")
    return segmenter_job.train_segmenter(data, out, run=out.parent, options=options, model=job.model).figures


def train_restorer(data: CaptionedFolder, job: Job) -> Mapping[str, float]:
    """Train the restorer of what the model draws; return its figures."""
    out, options = job.done("restorer"), restorer_job.RestorerOptions(**_given(job, "restorer"))
    if not (out.parent / restorer_job.EXAMPLES).exists():
        job.say("restorer: the model draws what it learns from")
    return restorer_job.train_restorer(data, job.model, out, run=out.parent, options=options).figures


_TRAINERS: dict[str, Callable[[CaptionedFolder, Job], Mapping[str, float]]] = {
    "classifier": train_classifier,
    "finder": train_finder,
    "segmenter": train_segmenter,
    "restorer": train_restorer,
}


def _given(job: Job, part: str) -> dict[str, Any]:
    """What the training's options say of a part's; without a time limit it has its own."""
    own = {"seed": job.options.seed, "precision": job.options.precision}
    return own if (minutes := job.limit(part)) is None else {**own, "minutes": minutes}
