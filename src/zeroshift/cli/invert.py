"""``zeroshift invert``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.cli.flags import Given, flags_of, with_flags
from zeroshift.cli.output import check_apart, check_writable, tell
from zeroshift.cli.progress import follow
from zeroshift.cli.shared import (
    DEFAULT_LOUDNESS,
    DEFAULT_MODEL,
    OUTPUT,
    REMARK,
    SHIPPED_METHOD,
    Loudness,
    ModelFlags,
    Seed,
    Text,
    as_app,
    checked_method,
    method_class,
    method_named,
)
from zeroshift.cli.wrong import usage
from zeroshift.conditioning.task import Task, complete_source
from zeroshift.image import Fit, load_image
from zeroshift.request import Request, inversion_facts
from zeroshift.trajectory import Trajectory, save_trajectory


def command(tokens: Sequence[str]) -> App:
    """Return the verb with the options of the inversion of the method that ``tokens`` name."""
    method = method_class(method_named(tokens))
    flags = [flag for flag in flags_of(method) if flag.path[0] in ("steps", "inversion")]
    verb = with_flags(invert, flags, f"Options of {method.name}", REMARK)
    return as_app(verb, "invert", "invert IMAGE --source TEXT -o FILE.safetensors [OPTIONS]")


def invert(
    image: Annotated[Path, Parameter(help="photograph")],
    /,
    *,
    source: Annotated[Text, Parameter(help="what it shows: a word of the prompt, or a whole prompt")],
    output: Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="file to write (.safetensors)")],
    prompt: Annotated[Text | None, Parameter(help='the picture in words [default "a photo of a SOURCE"]')] = None,
    method: Annotated[str, Parameter(help="see: zeroshift methods", metavar="NAME")] = SHIPPED_METHOD,
    paper_defaults: Annotated[bool, Parameter(help="ignore what the model recommends")] = False,
    seed: Seed = 0,
    fit: Annotated[Fit | None, Parameter(help="how it meets the model's frame [default the model's]")] = None,
    max_megapixels: Annotated[float, Parameter(help="refuse larger ones", metavar="X", validator=Number(gt=0))] = 100,
    model: ModelFlags = DEFAULT_MODEL,
    loud: Loudness = DEFAULT_LOUDNESS,
    given: Given,
) -> None:
    """Save a photograph's inversion, for several edits later: zeroshift edit --inversion-file."""
    with usage():
        task = Task(source, "", complete_source(source, prompt), "", None)  # the target plays no part
    checked_method(method, given)
    check_apart([("the photograph", image)], [output])
    check_writable(output, ".safetensors")
    picture = load_image(image, max_megapixels=max_megapixels)
    editor, _ = model.opened(loud)
    request = Request(task, editor.method(method, given, paper_defaults))
    fit = fit or editor.default_fit
    last, seconds = follow(editor.invert([picture], request, seed=seed, fit=fit), loud.silent)
    facts = inversion_facts(editor.backbone, [picture], request, seed=seed, fit=fit)
    save_trajectory(cast(Trajectory, last.trajectory), output, facts)
    tell(output, seconds, {"source": str(image), "facts": facts}, loud)
