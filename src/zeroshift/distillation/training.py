"""Training a student on pairs, resumable, and saving it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import torch

from zeroshift.distillation.examples import open_examples
from zeroshift.distillation.learning import ResidualStage, stage_options
from zeroshift.distillation.options import MAY_CHANGE, DistillOptions
from zeroshift.distillation.parts import laid
from zeroshift.distillation.reals import reals_of
from zeroshift.distillation.residual import Residual
from zeroshift.distillation.strips import Strips
from zeroshift.miniature.training.loop import Report, fit
from zeroshift.miniature.training.run_folder import check_free, parted, remember

STUDENT = "student"
"""the folder of checkpoints inside a run's"""


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
        ValueError: a folder has no pairs, ``out`` is not empty, or ``run`` belongs to another training.
    """
    check_free(out)
    examples = open_examples(folders)
    fixed, changeable = parted(options, MAY_CHANGE)
    remember(run, fixed | {"directions": [list(one) for one in examples.directions]}, changeable, trace=run / STUDENT)
    say(f"{len(examples.pairs)} pairs of {examples.size}x{examples.size} pixels")
    torch.manual_seed(options.seed)
    student = Residual([list(one) for one in examples.directions], examples.size)
    laid(student, torch.channels_last)
    stage = ResidualStage(student, examples, reals_of(examples, reals or {}), options)
    fit(
        stage,
        examples.weights,
        stage_options(options),
        run / STUDENT,
        options.seed,
        options.precision,
        options.processes,
        timedelta(minutes=3),
        [Strips(examples, run / "strips", options.strips_every)],
    )
    laid(student, torch.contiguous_format)
    out.mkdir(parents=True, exist_ok=True)
    student.half().save_pretrained(out)
    say(f"saved {out}")
