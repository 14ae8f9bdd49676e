"""``zeroshift invert``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.asked.checks import check_region
from zeroshift.asked.request import Request, inversion_facts
from zeroshift.cli.files import REGION, FrameSize
from zeroshift.cli.flags import Flag, Given, with_flags
from zeroshift.cli.invert_report import checked_report, write_report
from zeroshift.cli.output import check_apart, check_writable, settled, tell, warn
from zeroshift.cli.parts import chosen, guided
from zeroshift.cli.progress import follow
from zeroshift.cli.remarks import told as seen
from zeroshift.cli.shared import (
    DEFAULT_LOUDNESS,
    DEFAULT_MODEL,
    OUTPUT,
    REMARK,
    SHIPPED_METHOD,
    Loudness,
    ModelFlags,
    Overwrite,
    Seed,
    Text,
    as_app,
    checked_method,
    method_flags,
)
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.conditioning.task import Task, complete_source
from zeroshift.diffusion.trajectory import Trajectory, save_trajectory
from zeroshift.image import Fit, load_image
from zeroshift.methods import Method
from zeroshift.options.parts import parts_of
from zeroshift.running.inverting import invert as inverted
from zeroshift.running.looking import check_sure, look


def command(tokens: Sequence[str]) -> App:
    """The verb with the options of the inversion that ``tokens`` or the method that they name has."""
    method, flags = method_flags(tokens)
    verb = with_flags(invert, needed(method, flags, tokens), f"Options of {method.name}", REMARK)
    return as_app(verb, "invert", "invert IMAGE [--source TEXT] -o FILE.safetensors [OPTIONS]")


def needed(method: type[Method], flags: Sequence[Flag], tokens: Sequence[str]) -> list[Flag]:
    """The flags that an inversion depends on: its own, the steps, and the guidance scale if it is guided."""
    (part,) = (part for part in parts_of(method) if part.name == "inversion")
    (kind,) = chosen(method, tokens)["inversion"]
    own = ("steps", "guidance_scale", "inversion") if guided(part.kinds[kind]) else ("steps", "inversion")
    return [flag for flag in flags if flag.path[0] in own]


def invert(
    image: Annotated[Path, Parameter(help="photograph")],
    /,
    *,
    source: Annotated[
        Text | None, Parameter(help="what it shows: a word of the prompt, or a whole prompt [default what is seen]")
    ] = None,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], group=OUTPUT, help="file to write (.safetensors)")
    ] = None,
    report: Annotated[
        Path | None, Parameter(group=OUTPUT, help="folder for the mirror report of --inversion redescription")
    ] = None,
    overwrite: Overwrite = False,
    prompt: Annotated[Text | None, Parameter(help='the picture in words [default "a photo of a SOURCE"]')] = None,
    method: Annotated[str, Parameter(help="see: zeroshift methods", metavar="NAME")] = SHIPPED_METHOD,
    paper_defaults: Annotated[bool, Parameter(help="ignore what the model recommends")] = False,
    seed: Seed = 0,
    fit: Annotated[Fit | None, Parameter(help="how it meets the model's frame [default the model's]")] = None,
    region: Annotated[Text | None, REGION] = None,
    size: FrameSize = None,
    max_megapixels: Annotated[float, Parameter(help="refuse larger ones", metavar="X", validator=Number(gt=0))] = 100,
    model: ModelFlags = DEFAULT_MODEL,
    loud: Loudness = DEFAULT_LOUDNESS,
    given: Given,
) -> None:
    """Save a photograph's inversion, for several edits later: zeroshift edit --inversion-file.

    Without --source the model says what it sees, as it does in edits whose targets are words.
    """
    with usage():
        words = None if source is None else complete_source(source, prompt)
        check_region(region or "none")
    if words is None and prompt is not None:
        raise Wrong("--prompt is a sentence with the word --source in it; give both, or leave both out.")
    output, report = settled_places(checked_method(method, given), image, output, report, overwrite, loud)
    picture = load_image(image, max_megapixels=max_megapixels)
    editor, _ = model.opened(loud)
    frames = look(editor, [picture], fit=fit, region=region, size=size, caption=words is None)
    (frame,) = seen([image], frames, loud)
    check_sure(frame)
    words = words or editor.vocabulary.source_prompt(frame.caption or "")
    warn(editor.doubts([words]), loud)
    task = Task(source or words, "", words, "", None)  # the target plays no part
    request = Request(task, editor.method(method, given, paper_defaults))
    if report is not None:
        trajectory, seconds = write_report(editor.backbone, frame, request, report, seed=seed, loud=loud)
    else:
        last, seconds = follow(inverted(editor.backbone, [frame], request, seeds=[seed]), loud.silent)
        trajectory = cast(Trajectory, last.trajectory)
    if output is not None:
        facts = inversion_facts(editor.backbone, [frame], request, seeds=[seed])
        save_trajectory(trajectory, output, facts)
        tell(output, seconds, {"source": str(image), "facts": facts}, loud)


def settled_places(
    method: Method, image: Path, output: Path | None, report: Path | None, overwrite: bool, loud: Loudness
) -> tuple[Path | None, Path | None]:
    """The file and the folder to write, of which one at least is asked for, after a look whether that can be done.

    Raises:
        Wrong: nothing is to be written, or the method's inversion has no report.
        ValueError: a place cannot be written, or is the photograph.
    """
    if output is None and report is None:
        raise Wrong("There is nothing to write; say where to with --output FILE.safetensors, or --report FOLDER.")
    if report is not None:
        report = checked_report(method, report, overwrite, loud)
    check_apart([("the photograph", image)], [output])
    if output is not None:
        (output,) = settled([output], overwrite, loud)
        check_writable(output, ".safetensors")
    return output, report
