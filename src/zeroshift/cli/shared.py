"""What several verbs have in common: which model, how loud, which method."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from zeroshift.backbones.checkpoint import Device, Memory, Precision
from zeroshift.cli.flags import Flag, flags_of
from zeroshift.cli.numbers import check_threads, read
from zeroshift.cli.parts import chosen, named_in
from zeroshift.cli.progress import waiting
from zeroshift.cli.start import uncollected
from zeroshift.cli.wrong import Wrong, usage

if TYPE_CHECKING:
    from zeroshift.editor import Editor
    from zeroshift.methods import Method

MODEL = Group("Model", sort_key=20)
OUTPUT = Group("Output", sort_key=30)
Seed: TypeAlias = Annotated[
    int,
    Parameter(
        help="seed of all that is random; next to nothing is, where a photograph is inverted",
        metavar="N",
        validator=Number(gte=0, lt=2**63),
    ),
]
Output: TypeAlias = Annotated[
    Path | None,
    Parameter(name=["--output", "-o"], group=OUTPUT, metavar="PATH"),
]
Overwrite: TypeAlias = Annotated[
    bool, Parameter(group=OUTPUT, help="replace what is there [default it stays, and NAME-2 is written]")
]
Strict: TypeAlias = Annotated[
    bool, Parameter(help="refuse words that the model does not know or see [default a warning]")
]
Vgg: TypeAlias = Annotated[
    Path | None,
    Parameter(group=MODEL, help="weights of torchvision's VGG16 (.safetensors), for --extras refinement"),
]
Text: TypeAlias = Annotated[str, Parameter(metavar="TEXT")]
Loras: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        help="LoRA to add to the model's weights; may be given again",
        metavar="FILE[:WEIGHT]",
        group=MODEL,
        show_default=False,
    ),
]
Cache: TypeAlias = Path | Literal[False] | None
"""folder of encoded sentences; None is the user's, False none"""
SHIPPED_METHOD = "plug-and-play"
REMARK = (
    "A model may recommend other values than these, which are the paper's; see --paper-defaults. "
    "With another KIND, --help lists the options of that."
)


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class ModelFlags:
    """Which model runs where."""

    model: Annotated[
        Text | None,
        Parameter(help="folder in diffusers format, one .safetensors file, or hub id [default the shipped one]"),
    ] = None
    revision: Annotated[Text | None, Parameter(help="hub revision")] = None
    clip: Annotated[
        Text | None, Parameter(help="folder or hub id of a CLIP to see pictures with [default the model's own]")
    ] = None
    lora: Loras = ()
    captioner: Annotated[
        Text | None,
        Parameter(help="folder or hub id of a BLIP, or file of captions (.csv, .json, .txt) [default the model's own]"),
    ] = None
    cache_dir: Annotated[Path | None, Parameter(help="where hub downloads are kept")] = None
    device: Annotated[Device, Parameter(help="where it runs")] = "auto"
    precision: Annotated[Precision, Parameter(help="auto is fp16 on CUDA, else fp32")] = "auto"
    memory: Annotated[
        Memory, Parameter(help="low takes less, for more time; auto does so where memory is short, high never")
    ] = "auto"
    compile: Annotated[bool, Parameter(help="compile parts of the UNet: takes a minute, then faster on a GPU")] = False
    channels_last: Annotated[bool, Parameter(help="lay out weights as convolutions on some GPUs like them")] = False
    deterministic: Annotated[bool, Parameter(help="on CUDA, the same bytes at every run where torch can")] = False
    threads: Annotated[int | None, Parameter(help="CPU threads", metavar="N", validator=Number(gte=1))] = None

    def opened(
        self, loud: "Loudness", vgg: Path | None = None, cache: Cache = None, sentences: str | None = None
    ) -> "tuple[Editor, float]":
        """Load the model as ``open`` does, saying so, and return it with the seconds that took."""
        begun = time.perf_counter()
        with waiting("loading the model", loud.silent), uncollected():
            editor = self.open(vgg, cache, sentences)
        return editor, time.perf_counter() - begun

    def open(self, vgg: Path | None = None, cache: Cache = None, sentences: str | None = None) -> "Editor":
        """Load the model; ``sentences`` is where those come from, which may be downloaded as well.

        Raises:
            Wrong: an option is about downloads, and the model is not downloaded; there are too many threads.
            ValueError: the model cannot be loaded.
        """
        check_hub(self.model, self.revision, self.cache_dir, self.clip, self.captioner, hub_id(sentences))
        check_threads(self.threads)
        if self.lora:
            from zeroshift.backbones.lora import parted

            with usage():  # a weight is refused before anything is loaded
                for lora in self.lora:
                    parted(lora)
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once
        import torch

        from zeroshift.loading import load

        hush_libraries()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        if self.deterministic:
            torch.use_deterministic_algorithms(True, warn_only=True)
        return load(
            self.model,
            revision=self.revision,
            cache_dir=self.cache_dir,
            device=self.device,
            precision=self.precision,
            memory=self.memory,
            compile=self.compile,
            channels_last=self.channels_last,
            clip=self.clip,
            captioner=self.captioner,
            loras=self.lora,
            vgg=vgg,
            cache=cache,
        )


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class Loudness:
    """How much a command says."""

    json: Annotated[bool, Parameter(help="print one JSON object per result and nothing else")] = False
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], help="print errors only")] = False

    @property
    def silent(self) -> bool:
        """Whether progress is off."""
        return self.json or self.quiet


DEFAULT_MODEL = ModelFlags()
DEFAULT_LOUDNESS = Loudness()


def hub_id(sentences: str | None) -> str | None:
    """What sentences come from where that may be downloaded: no bank, file or endpoint; else None."""
    known = sentences in (None, "bank") or str(sentences).startswith(("http://", "https://"))
    return None if known or str(sentences).endswith(".txt") else sentences


def check_hub(model: str | None, revision: str | None, cache_dir: Path | None, *others: str | None) -> None:
    """Refuse options of hub downloads where nothing is downloaded.

    ``model`` is None for the shipped one; ``others`` are models beside it, None where there is none.

    Raises:
        Wrong: there is one.
    """
    local = model is None or Path(model).exists()
    apart = any(one is not None and not Path(one).exists() for one in others)
    idle = ["--revision"] * (local and revision is not None)
    idle += ["--cache-dir"] * (local and not apart and cache_dir is not None)
    if idle:
        raise Wrong(
            f"{' and '.join(idle)} {'say' if idle[1:] else 'says'} how a model is downloaded, and this one is not; "
            "leave that out, or name a hub id with --model."
        )


def as_app(verb: Callable[..., None], name: str, usage: str) -> App:
    """Wrap a function as a verb; its docstring is the help, ``usage`` what follows the name."""
    app = App(
        name=name,
        help=verb.__doc__,
        help_epilogue="",
        usage=f"zeroshift {usage}",
        default_parameter=Parameter(negative=(), converter=read, json_list=False),
        group_arguments=Group("Arguments", sort_key=0),
        group_parameters=Group("Options", sort_key=10),
    )
    app.default(verb)
    return app


def method_named(tokens: Sequence[str]) -> str:
    """The method that a command line names; of several the first, whose options they share."""
    name = named_in(tokens, "method")
    return SHIPPED_METHOD if name is None else name.partition(",")[0].strip()


def method_flags(tokens: Sequence[str]) -> "tuple[type[Method], list[Flag]]":
    """The method that a command line names, and its flags with those of the kinds that it names.

    Raises:
        Wrong: there is no such method or kind.
    """
    method = method_class(method_named(tokens))
    return method, flags_of(method, chosen(method, tokens))


def method_class(name: str) -> "type[Method]":
    """The method of that name.

    Raises:
        Wrong: there is none.
    """
    from zeroshift.methods import by_name

    with usage():
        return by_name(name)


def checked_method(name: str, *layers: Mapping[str, object]) -> "Method":
    """A method with nested options.

    Raises:
        Wrong: there is no such option, or a value is out of range.
    """
    from zeroshift.presets import build_method

    with usage():
        return build_method(name, *layers)


def hush_libraries() -> None:
    """Keep diffusers and transformers from warning and drawing bars; called where they are about to be imported."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for library in (of_diffusers, of_transformers):
        library.set_verbosity_error()
        library.disable_progress_bar()
