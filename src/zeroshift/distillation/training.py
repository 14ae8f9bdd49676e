"""Training a student on pairs, resumable, and saving it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import torch

from zeroshift.conditioning.task import make_task
from zeroshift.distillation.base import opened
from zeroshift.distillation.card import card
from zeroshift.distillation.comod import CoModulated
from zeroshift.distillation.comod_learning import CoModStage
from zeroshift.distillation.examples import Examples, open_examples
from zeroshift.distillation.learning import ResidualStage
from zeroshift.distillation.one_step import OneStep
from zeroshift.distillation.one_step_learning import OneStepStage
from zeroshift.distillation.options import MAY_CHANGE, DistillOptions
from zeroshift.distillation.parts import laid
from zeroshift.distillation.reals import reals_of
from zeroshift.distillation.residual import Residual
from zeroshift.distillation.stage import DistillStage, stage_options
from zeroshift.distillation.strips import CURVES, Strips, draw_losses
from zeroshift.distillation.students import save_student
from zeroshift.miniature.training.loop import Report, fit
from zeroshift.miniature.training.run_folder import check_free, parted, remember

STRIPS, STUDENT = "strips", "student"
"""folders of a run: samples, and checkpoints with the log"""


def train(
    folders: Sequence[Path],
    out: Path,
    run: Path,
    options: DistillOptions,
    say: Report,
    reals: Mapping[str, Path] | None = None,
) -> None:
    """Train a student on the pairs of ``folders``, a direction each, and write it to ``out``.

    Checkpoints lie in ``run``; a killed training goes on from there when called again, with the pairs that there are
    then.

    Raises:
        ValueError: a folder has no pairs, ``out`` is not empty, ``run`` belongs to another training, or as of
            ``stage_of``.
    """
    check_free(out)
    examples = open_examples(folders)
    torch.manual_seed(options.seed)
    stage = stage_of(examples, options, reals or {})  # what is refused leaves no run behind
    fixed, changeable = parted(options, MAY_CHANGE)
    remember(run, fixed | {"directions": [list(one) for one in examples.directions]}, changeable, trace=run / STUDENT)
    say(f"{len(examples.pairs)} pairs of {examples.size}x{examples.size} pixels")
    student = laid(stage.student, torch.channels_last)
    fit(
        stage,
        examples.weights,
        stage_options(options),
        run / STUDENT,
        options.seed,
        options.precision,
        options.processes,
        save_every=timedelta(minutes=options.save_every),
        beside=[Strips(examples, run / STRIPS, run / STUDENT, options.strips_every)],
    )
    draw_losses(run / STUDENT, run / STRIPS / CURVES)
    laid(student, torch.contiguous_format)
    save_student(student, out, card(student, folders, examples, options))
    say(f"saved {out}")


def stage_of(examples: Examples, options: DistillOptions, reals: Mapping[str, Path]) -> DistillStage:
    """The training of a new student of the architecture that is asked for.

    Args:
        reals: folders of photographs by the word that they show.

    Raises:
        ValueError: there are no photographs of a target that an adversary asks for, ``reals`` names a word of which no
            photographs are asked for, or the pairs are of another size than the model's pictures.
    """
    directions = [list(one) for one in examples.directions]
    heeded = options.architecture == "one-step" and options.unpaired > 0
    photographs = reals_of(
        examples,
        reals,
        targets=options.architecture != "co-mod" and options.adversary > 0,
        sources=heeded and (options.guidance > 0 or options.adversary > 0),
    )
    if options.architecture == "co-mod":
        return CoModStage(CoModulated(directions, examples.size, options.channels, options.channels), examples, options)
    if options.architecture == "one-step":
        tasks = [make_task(*pair) for pair in examples.directions]
        changed = OneStep(directions, [task.target_prompt for task in tasks], options.base, rank=options.rank)
        if changed.size != examples.size:
            raise ValueError(
                f"The pairs are of {examples.size} pixels, and {options.base} makes pictures of {changed.size}; "
                "collect pairs with it."
            )
        sources = opened(options.base, "").embed([task.source_prompt for task in tasks]).tokens.float()
        return OneStepStage(changed, sources, examples, photographs, options)
    student = Residual(directions, examples.size)
    return ResidualStage(student, examples, photographs, options)
