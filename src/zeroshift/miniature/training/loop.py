"""What every training stage shares: budget, learning rate, averaging, checkpoints, resumption (on Lightning)."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Literal, final

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, RichProgressBar, Timer, WeightAveraging
from lightning.pytorch.loggers import CSVLogger
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from zeroshift.backbones.read import pick_device
from zeroshift.diffusion.machine import quick_in_bf16
from zeroshift.doubts import doubt
from zeroshift.files import regular, write_atomically

TrainPrecision = Literal["auto", "fp32", "bf16"]

REMARKS = (
    ".*exists and is not empty.*",
    ".*does not have many workers.*",
    ".*isinstance\\(treespec, LeafSpec\\).*",
    ".*weights_only.*",
    ".*in eval mode at the start.*",
)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False))
class StageOptions:
    """How long and how fast one stage trains."""

    steps: Annotated[int, Field(ge=1)] = 20_000
    """optimiser steps at most"""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """time limit; whichever of the two limits comes first ends the stage"""
    batch: Annotated[int, Field(ge=1)] = 32
    """pictures per step"""
    lr: Annotated[float, Field(gt=0)] = 5e-4
    """peak learning rate of AdamW"""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """decay of the weights' moving average; the averaged weights are the ones saved"""
    warmup: Annotated[int, Field(ge=0)] = 200
    """steps over which the learning rate rises"""
    cooldown: Annotated[float, Field(ge=0, le=1)] = 0.3
    """share of the budget, at its end, over which the learning rate falls to a hundredth"""


LAST = "last.ckpt"
"""what a stage's checkpoint is called"""
CLIP = 1.0
"""largest norm of a step's gradient"""


class Batches(IterableDataset[Tensor]):
    """Endless batches of picture indices; batch ``n`` depends on the seed and ``n`` alone, so a resumed run goes on.

    ``weights`` balances classes (drawn with replacement); of several processes each takes every ``stride``-th batch.
    """

    def __init__(self, weights: Tensor, batch: int, seed: int, start: int = 0, stride: int = 1) -> None:
        self.weights, self.batch, self.seed, self.start, self.stride = weights, batch, seed, start, stride

    def __iter__(self) -> Iterator[Tensor]:
        for number in count(self.start, self.stride):
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
            yield torch.multinomial(self.weights, self.batch, replacement=True, generator=generator)


class Pace(Callback):
    """Set the learning rate, and the stage's progress, from the budget that is used, whichever limit is nearer.

    A group of weights that has a "share" learns at that share of it.
    """

    def __init__(self, options: StageOptions, timer: Timer | None) -> None:
        self.options, self.timer = options, timer

    def progress(self, step: int) -> float:
        used = step / self.options.steps
        if self.timer is not None and self.options.minutes:
            used = max(used, self.timer.time_elapsed() / (60 * self.options.minutes))
        return min(used, 1.0)

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        module.progress = self.progress(trainer.global_step)
        options, left = self.options, 1 - module.progress
        rise = min(1.0, (trainer.global_step + 1) / max(options.warmup, 1))
        fall = max(0.01, left / options.cooldown) if left < options.cooldown else 1.0
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = options.lr * rise * fall * group.get("share", 1.0)


@final
class Bar(RichProgressBar):
    """Lightning's bar under the stage's name: a training is one epoch without an end, which nobody need read."""

    def __init__(self, stage: str) -> None:
        super().__init__(refresh_rate=20)
        self.stage = stage

    def _get_train_description(self, current_epoch: int) -> str:
        return self.stage

    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, Any]:
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


class WholeCheckpoints(TorchCheckpointIO):
    """Write checkpoints beside their place and rename them: Lightning's way by another disk can leave half a file."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        data = io.BytesIO()
        torch.save(checkpoint, data)
        write_atomically(Path(path), data.getvalue())


class Stage(lightning.LightningModule):
    """What a stage trains; the fused optimiser, which Lightning will not clip for, needs its gradients clipped here."""

    progress: float = 0.0
    """share of its budget that is used"""

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters(), CLIP)


@final
class Saves(Callback):
    """Write a checkpoint every so often; Lightning's own does so only where it takes the steps itself."""

    def __init__(self, path: Path, every: timedelta) -> None:
        self.path, self.seconds, self.last = path, every.total_seconds(), monotonic()

    def on_train_batch_end(self, trainer: Any, *_: object) -> None:
        due = trainer.strategy.broadcast(monotonic() - self.last >= self.seconds)  # all processes save, or none
        if due:
            self.last = monotonic()
            trainer.save_checkpoint(self.path, weights_only=False)


def fit(
    module: Stage,
    weights: Tensor,
    options: StageOptions,
    folder: Path,
    seed: int,
    precision: TrainPrecision,
    processes: int = 1,
    save_every: timedelta = timedelta(minutes=3),
    beside: Sequence[Callback] = (),
) -> None:
    """Train ``module`` within its budget, going on from ``folder/last.ckpt`` if that is there.

    On return ``module`` holds the averaged weights, in eval mode. A run that is killed loses at most ``save_every``.
    ``beside`` are callbacks beyond those that every stage has.
    """
    last = folder / LAST
    saved = torch.load(regular(last), weights_only=True, mmap=True) if last.exists() else {"global_step": 0}
    step = saved["global_step"]
    if step >= options.steps:  # Lightning would skip the loop, and with it the averages, which lie there as the weights
        module.load_state_dict(saved["state_dict"])
        module.eval()
        return
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        precision="bf16-mixed" if in_bf16(precision) else "32-true",
        max_steps=options.steps,
        max_epochs=-1,
        callbacks=[*watchers(options, folder, save_every), *beside],
        logger=CSVLogger(folder, name=None, version="log", flush_logs_every_n_steps=100),
        log_every_n_steps=50,
        enable_model_summary=False,
        enable_checkpointing=False,
        plugins=[WholeCheckpoints()],
    )
    first = step * processes + trainer.global_rank
    lightning.seed_everything((seed * 1_000_003 + first) % 2**32, verbose=False)
    loader = DataLoader(Batches(weights, options.batch, seed, first, processes), batch_size=None)
    module.train()
    with quiet():
        trainer.fit(module, loader, ckpt_path=last if last.exists() else None, weights_only=True)
        trainer.save_checkpoint(last, weights_only=False)
    module.eval()


def in_bf16(precision: TrainPrecision) -> bool:
    """Whether passes are in bfloat16: if that was asked for, or is quick where Lightning trains."""
    device = pick_device("auto")
    quick = quick_in_bf16(device)
    if precision == "bf16" and not quick and device.type == "cpu":
        doubt("This CPU imitates bf16, which takes many times as long as fp32; leave `precision` out.")
    return precision == "bf16" or (precision == "auto" and quick)


def watchers(options: StageOptions, folder: Path, save_every: timedelta) -> list[Callback]:
    """What accompanies a training: averaging, checkpoints, learning rate, progress and time limit."""
    timer = Timer(duration=timedelta(minutes=options.minutes)) if options.minutes else None
    average = WeightAveraging(use_buffers=False, multi_avg_fn=ramped_average(options.ema))
    return [
        average,
        Pace(options, timer),
        Bar(folder.name),
        *([timer] if timer else []),
        Saves(folder / LAST, save_every),
    ]


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out Lightning's remarks about what is meant: used folders, one process, frozen parts."""
    with warnings.catch_warnings():
        for remark in REMARKS:
            warnings.filterwarnings("ignore", message=remark)
        yield


def ramped_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """A moving average whose memory grows with the run, so that the untrained weights are soon forgotten."""

    def average(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        weight = 1 - min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(averaged, current, weight)

    return average


def adamw(module: torch.nn.Module, options: StageOptions, decay: float = 0.01) -> torch.optim.AdamW:
    """AdamW over what ``module`` trains."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, lr=options.lr, betas=(0.9, 0.99), weight_decay=decay, fused=True)


Report = Callable[[str], None]
