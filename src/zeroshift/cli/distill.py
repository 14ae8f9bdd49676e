"""``zeroshift distill``: ``collect``; ``distill_train`` and ``distill_export`` have the other sub-verbs."""

import json
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number
from pydantic import TypeAdapter, ValidationError

from zeroshift.cli.cache import DEFAULT_CACHE, CacheFlags
from zeroshift.cli.distill_export import export
from zeroshift.cli.distill_train import train_verb
from zeroshift.cli.editing import numbers_of, seeds_of
from zeroshift.cli.files import REGION, Recursive
from zeroshift.cli.flags import Given, with_flags
from zeroshift.cli.output import check_apart, check_folder
from zeroshift.cli.quality import follow
from zeroshift.cli.shared import (
    DEFAULT_LOUDNESS,
    DEFAULT_MODEL,
    OUTPUT,
    REMARK,
    SHIPPED_METHOD,
    Loudness,
    ModelFlags,
    Text,
    method_flags,
)
from zeroshift.cli.sub_verbs import with_sub_verbs
from zeroshift.cli.typed import as_typed
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.options.errors import option_error

if TYPE_CHECKING:
    from zeroshift.asked.edits import EditSpec
    from zeroshift.distillation.collecting import CollectOptions
    from zeroshift.distillation.pairs import Pair
    from zeroshift.editor import Editor
    from zeroshift.running.walking import Progress

SHEET = "sheet.jpg"
"""the contact sheet in a folder of pairs"""


def command(tokens: Sequence[str]) -> App:
    """The verb with its sub-verbs, ``collect`` with the options of the method that ``tokens`` name."""
    method, flags = method_flags(tokens)
    of_method = [flag for flag in flags if flag.name != "strength"]
    verb = with_flags(collect, of_method, f"Options of {method.name}", REMARK)
    return with_sub_verbs(
        "distill",
        "Distil an edit into a small network that makes it in milliseconds: collect pairs, train a student.",
        "collect|train|export [OPTIONS]",
        [
            (verb, "collect", "PHOTOGRAPHS... --source TEXT --target TEXT -o FOLDER [OPTIONS]"),
            (train_verb(), "train", "PAIRS... -o FOLDER [OPTIONS]"),
            (export, "export", "STUDENT -o FILE.onnx|FILE.html [OPTIONS]"),
        ],
    )


@Parameter(name="*", group=Group("Which pairs", sort_key=14))
@dataclass(frozen=True, kw_only=True)
class PairFlags:
    """What is tried, and what is kept."""

    strengths: Annotated[
        Text, Parameter(help="strengths that are tried; the best is the whole edit, as in 1,1.2", metavar="X,X")
    ] = "1"
    seeds: Annotated[Text, Parameter(help="seeds that are tried likewise", metavar="N,N")] = "0"
    between: Annotated[
        Text | None,
        Parameter(help="shares of the strength that the student shall learn as intensities, as in 0.5", metavar="X,X"),
    ] = None
    min_overlap: Annotated[
        float,
        Parameter(help="least overlap of the object's masks in photograph and edit; 0 does not look", metavar="X"),
    ] = 0.7
    gains: Annotated[
        bool, Parameter(help="ask the model's CLIP how much nearer to the target an edit is", negative="--no-gains")
    ] = True
    min_gain: Annotated[float, Parameter(help="the least of that, as a difference of cosines", metavar="X")] = 0.1
    classify: Annotated[
        bool,
        Parameter(help="ask the model's classifier, if it has one, for source and target", negative="--no-classify"),
    ] = True
    batch: Annotated[int, Parameter(help="photographs that run together at most", metavar="N")] = 16

    def options(self) -> "CollectOptions":
        """The same as the collection takes it.

        Raises:
            Wrong: a value is out of range.
        """
        from zeroshift.distillation.collecting import CollectOptions

        given = {
            **asdict(self),
            "strengths": numbers_of(self.strengths, "--strengths"),
            "seeds": seeds_of(self.seeds),
            "between": [] if self.between is None else numbers_of(self.between, "--between"),
        }
        try:
            return TypeAdapter(CollectOptions).validate_python(given)
        except ValidationError as error:
            raise Wrong(str(option_error("distill collect", CollectOptions, error))) from error


DEFAULT_PAIRS = PairFlags()


def collect(
    *photographs: Annotated[Path, Parameter(help="photographs, folders or patterns")],
    source: Annotated[Text, Parameter(help="what they show: a word of the prompt")],
    target: Annotated[Text, Parameter(help="what they shall show")],
    prompt: Annotated[Text | None, Parameter(help='the picture in words [default "a photo of a SOURCE"]')] = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="folder of the pairs")],
    count: Annotated[
        int | None, Parameter(help="photographs at most, the first ones", metavar="N", validator=Number(gte=1))
    ] = None,
    method: Annotated[str, Parameter(help="the teacher; see: zeroshift methods", metavar="NAME")] = SHIPPED_METHOD,
    fast: Annotated[bool, Parameter(help="fewer passes of the network; options go before it")] = False,
    paper_defaults: Annotated[bool, Parameter(help="ignore what the model recommends")] = False,
    region: Annotated[Text | None, REGION] = None,
    mask: Annotated[
        Literal["none", "auto"] | None, Parameter(help="where it may change: auto (where the subject is) or none")
    ] = None,
    recursive: Recursive = False,
    pairs: PairFlags = DEFAULT_PAIRS,
    model: ModelFlags = DEFAULT_MODEL,
    cache: CacheFlags = DEFAULT_CACHE,
    loud: Loudness = DEFAULT_LOUDNESS,
    given: Given,
) -> None:
    """Edit photographs into pairs to learn from, keep the good ones, and say why not the others.

    What is there already is not made again: a collection that was stopped goes on when it is started again. Beside the
    pairs are their log, pairs.jsonl, and a contact sheet.
    """
    from zeroshift.asked.edits import EditSpec
    from zeroshift.distillation.collecting import about
    from zeroshift.distillation.pairs import read_pairs, write_about
    from zeroshift.image import find_pictures
    from zeroshift.image.reader import check_there

    wanted = pairs.options()
    with usage():
        # a student learns what the model draws: what would be guessed of that comes after it
        how = {"method": method, "options": given, "restore": False}
        asked = {"source": source, "target": target, "prompt": prompt, **how}
        spec = EditSpec.parse({**asked, "fast": fast, "paper_defaults": paper_defaults, "region": region, "mask": mask})
        spec.check()
    check_folder(output)
    check_apart([("the folder of photographs", one) for one in photographs], [output])
    files = [one.path for one in find_pictures(photographs, recursive=recursive, apart=output)][:count]
    for file in files:
        check_there(file)
    editor, _ = model.opened(loud, cache=cache.place)
    write_about(output, about(editor, spec, as_typed()))
    follow(_steps(editor, files, spec, wanted, output), loud.silent)
    tell_pairs(output, read_pairs(output), loud)


def _steps(
    editor: "Editor", files: Sequence[Path], spec: "EditSpec", wanted: "CollectOptions", output: Path
) -> "Generator[Progress, None, None]":
    from zeroshift.distillation.collecting import collect as collected
    from zeroshift.running.walking import Progress

    for step in collected(editor, files, spec, wanted, output):
        yield Progress("pairs", step.done, step.total, None)


def tell_pairs(output: Path, pairs: "Sequence[Pair]", loud: Loudness) -> None:
    """Write the contact sheet and say how many pairs were kept, and why not the others."""
    from zeroshift.distillation.pairs import kept
    from zeroshift.distillation.report import contact_sheet, reasons

    if any(pair.intensities for pair in pairs):
        contact_sheet(output, pairs).save(output / SHEET, quality=90)
    found, why = len(list(kept(pairs))), reasons(pairs)
    if loud.json:
        print(json.dumps({"pairs": str(output), "kept": found, "looked_at": len(pairs), "left_out": why}))
        return
    print(f"{output}: {found} of {len(pairs)} pairs kept")
    for reason, number in why.items():
        print(f"  {number:5}  {reason}")
