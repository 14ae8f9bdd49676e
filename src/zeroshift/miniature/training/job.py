"""One training: its options, how its time is shared out, and where on the disk it is remembered."""

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from lightning.pytorch.callbacks import Callback
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.extras import lacking
from zeroshift.files import sha256_of
from zeroshift.miniature.training.decoder import PACKAGES
from zeroshift.miniature.training.export import check_model
from zeroshift.miniature.training.loop import Report, Stage, StageOptions, TrainPrecision, fit
from zeroshift.miniature.training.run_folder import captions_hash, check_free, parted, remember

SHARES = {"autoencoder": 0.17, "decoder": 0.06, "clip": 0.06, "half": 0.15, "denoiser": 0.56}
"""the stages in their order, and how a time limit is shared out if all of them run"""
PARTS = {"classifier": 0.08, "finder": 0.04, "segmenter": 0.04, "restorer": 0.17}
"""what comes beside the model, in the order in which it is trained, and shares of a time limit in the same measure: a
quarter of it if everything runs"""
MAY_CHANGE = {"parts", "minutes", "processes", "consistency", "immiscible"} | {f"{stage}_steps" for stage in SHARES}
"""options that may change when a training goes on; a run remembers all their values"""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False))
class TrainOptions:
    """What is trained, how large and how long."""

    size: Annotated[int, Field(ge=32, le=512, multiple_of=32)] = 128
    """side of the pictures in pixels"""
    factor: Literal[4, 8] = 8
    """pixels per latent, along a side"""
    latent_channels: Annotated[int, Field(ge=1, le=32)] = 8
    """channels of the latents: more keep more of a picture and are harder to generate"""
    minutes: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """time limit, shared out among the model's stages and the parts beside it; without it the step counts decide, and
    the classifier takes half an hour"""
    parts: Literal["all", "none"] = "all"
    """what comes beside the model for captions and edits: classifier, finder, segmenter and restorer, as far as the
    pictures and what is installed allow; none leaves them out"""
    autoencoder_steps: Annotated[int, Field(ge=0)] = 8_000
    """steps of the autoencoder; with `init`, 0 keeps the saved one as it is, so that the denoiser alone goes on"""
    equivariance: Annotated[float, Field(ge=0)] = 0.0
    """weight of the autoencoder's decoding shrunken latents as the shrunken picture: latents with less in their high
    frequencies, which are easier to generate, for some PSNR: 0.35 cost a trained one a decibel"""
    decoder_steps: Annotated[int, Field(ge=0)] = 800
    """steps of the autoencoder's decoder alone, which learns textures where the extra textures is installed; none
    where the autoencoder is kept"""
    clip_steps: Annotated[int, Field(ge=1)] = 3_000
    """steps of the contrastive text and image towers; without effect with `init`, which keeps the saved ones"""
    half_steps: Annotated[int, Field(ge=0)] = 6_000
    """steps of the denoiser at half the picture size, where shapes are learned cheaply; without effect with `init`,
    whose denoiser knows them"""
    denoiser_steps: Annotated[int, Field(ge=1)] = 30_000
    """steps of the denoiser at full size"""
    zero_snr: bool = True
    """a noise schedule that ends in noise alone, where sampling then begins, as the shipped model's does"""
    consistency: Annotated[float, Field(ge=0)] = 0.0
    """weight of the denoiser's answering alike at both ends of a sampling step, so that inversion returns; twice the
    time per step, best in the last part of a training"""
    immiscible: bool = False
    """pair the pictures of a batch with its noises so that they lie near each other, which mixes fewer pictures up;
    the larger the batch, the nearer"""
    alignment: Annotated[float, Field(ge=0)] = 0.0
    """weight of the denoiser's middle telling what an ImageNet network sees in the picture, in the first half of the
    steps at full size; needs the extra textures"""
    snapshots: Annotated[int, Field(ge=0)] = 0
    """steps of the denoiser after which two averages of its weights are kept each time (36 MB), so that the length of
    its average can be chosen after the training; 0 keeps none"""
    lr: Annotated[float, Field(gt=0)] = 5e-4
    """peak learning rate of the denoiser"""
    batch: Annotated[int, Field(ge=1)] = 16
    """pictures per step of the denoiser"""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """seed of weights, batches, noise and captions"""
    precision: TrainPrecision = "auto"
    """arithmetic of the training passes; auto is bf16 where the device computes in it, else fp32"""
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """processes (CPU) or devices that train the model together, each on batches of its own: several single-threaded
    processes are faster than several threads; one trains the parts beside it"""
    close_ups: Annotated[float, Field(ge=0, lt=0.5)] = 0.15
    """share of the draws that are enlarged details, captioned "a close-up photo of ..." """
    styles: Annotated[float, Field(ge=0, lt=0.5)] = 0.25
    """share of the draws that are pencil sketches, black-and-white photographs, paintings and night scenes, made from
    the photographs and captioned so"""
    balance: str | None = None
    """the column of captions.csv whose values are drawn equally often, or none; without it species, if the table has
    that"""

    def stage(self, name: str, running: tuple[str, ...]) -> StageOptions:
        """One stage's share of the budget when the stages and parts ``running`` are those that run."""
        options = {
            "autoencoder": StageOptions(steps=max(self.autoencoder_steps, 1), batch=16, lr=1.2e-3, ema=0.998),
            "decoder": StageOptions(steps=max(self.decoder_steps, 1), batch=8, lr=3e-4, ema=0.996, cooldown=0.6),
            "clip": StageOptions(steps=self.clip_steps, batch=64, lr=6e-4, ema=0.995),
            "half": StageOptions(steps=max(self.half_steps, 1), batch=2 * self.batch, lr=self.lr),
            "denoiser": StageOptions(steps=self.denoiser_steps, batch=self.batch, lr=self.lr),
        }
        return replace(options[name], minutes=self.limit(name, running))

    def limit(self, name: str, running: tuple[str, ...]) -> float | None:
        """The minutes of one of the stages and parts ``running``; None without a limit."""
        shares = SHARES | PARTS
        return self.minutes * shares[name] / sum(shares[each] for each in running) if self.minutes else None


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """One training: what from, where to, how long."""

    options: TrainOptions
    run: Path
    init: Path | None
    say: Report
    save_every: timedelta = timedelta(minutes=3)
    """how much a kill loses at most"""
    parts: tuple[str, ...] = ()
    """what is trained beside the model, of ``PARTS``, in their order"""

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that run: saved weights bring their text tower and know shapes already."""
        idle = {"clip", "half"} if self.init else set()
        idle |= {name for name in ("autoencoder", "decoder", "half") if not getattr(self.options, f"{name}_steps")}
        if "autoencoder" in idle:
            idle.add("decoder")
        return tuple(name for name in SHARES if name not in idle)

    def stage(self, name: str) -> StageOptions:
        """One stage's share of the budget."""
        return self.options.stage(name, self.stages + self.parts)

    def limit(self, part: str) -> float | None:
        """The minutes of one of the parts beside the model; None without a limit."""
        return self.options.limit(part, self.stages + self.parts)

    @property
    def model(self) -> Path:
        """The folder of the finished model, without what comes beside it."""
        return self.run / "bare"

    def done(self, stage: str) -> Path:
        """The folder that a finished stage, or part, leaves behind."""
        return self.run / stage / "done"

    def fit(self, name: str, module: Stage, weights: Tensor, beside: Sequence[Callback] = ()) -> None:
        """Train one stage within its share of the budget; ``beside`` are callbacks of its own."""
        options = self.options
        fit(
            module,
            weights,
            options=self.stage(name),
            folder=self.run / name,
            seed=options.seed,
            precision=options.precision,
            processes=options.processes,
            save_every=self.save_every,
            beside=beside,
        )
        self.say(f"{name}: trained")


def claim(job: Job, folder: Path, out: Path) -> None:
    """Check what ``job`` starts from and writes to; remember in ``job.run`` what is trained there.

    Raises:
        ValueError: ``job.init`` is no saved model of the shape asked for or lacks where it is needed, ``out`` holds
            something or is a place that ``job.run`` needs, what ``alignment`` needs is not installed, or ``job.run``
            belongs to another training.
    """
    options = job.options
    if options.alignment and not all(find_spec(name) for name in PACKAGES):
        raise ValueError(f"`alignment` needs {' and '.join(PACKAGES)}; {lacking('textures')}.")
    if job.init:
        check_model(job.init, factor=options.factor, latent_channels=options.latent_channels)
    elif not options.autoencoder_steps:
        raise ValueError("`autoencoder_steps` 0 keeps a saved autoencoder; name its model with `init`, or give steps.")
    place, run, own = out.resolve(), job.run.resolve(), (job.model.name, *SHARES, *PARTS)
    if run.is_relative_to(place) or any(place.is_relative_to(run / name) for name in own):
        raise ValueError(f"{out} is where the run {job.run} keeps its own; name another folder for what is trained.")
    check_free(out)
    fixed, changeable = parted(options, MAY_CHANGE)
    weights = sha256_of(job.init.glob("*/*.safetensors"), job.init) if job.init else None
    facts = {**fixed, "captions": captions_hash(folder), "init": weights}
    remember(job.run, facts, changeable, trace=job.run / "autoencoder")
