"""``zeroshift direction make`` and ``zeroshift direction show``."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.cli.cache import DEFAULT_CACHE, CacheFlags
from zeroshift.cli.output import check_apart, check_writable, settled, tell
from zeroshift.cli.progress import waiting
from zeroshift.cli.shared import DEFAULT_LOUDNESS, DEFAULT_MODEL, OUTPUT, Loudness, ModelFlags, Overwrite, Text, as_app
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.files import read_regular

if TYPE_CHECKING:
    from zeroshift.conditioning.direction import Direction

File = Annotated[Path | None, Parameter(help="sentences about it, one per line, instead of the template bank's")]


def command(tokens: Sequence[str]) -> App:
    """The verb with its two sub-verbs."""
    app = App(
        name="direction",
        help="Make edit directions from words or sentences, and show saved ones.",
        help_epilogue="",
        usage="zeroshift direction make|show [OPTIONS]",
    )
    app.command(as_app(make, "make", "direction make --source TEXT --target TEXT -o FILE.safetensors [OPTIONS]"))
    app.command(as_app(show, "show", "direction show FILE [--json]"))
    for flag in (*app.help_flags, *app.version_flags):
        app[flag].show = False
    return app


def make(
    *,
    source: Annotated[Text, Parameter(help="word, or the name of the sentences")],
    target: Annotated[Text, Parameter(help="word, or the name of the sentences")],
    output: Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="file to write (.safetensors)")],
    overwrite: Overwrite = False,
    source_sentences: File = None,
    target_sentences: File = None,
    count: Annotated[
        int, Parameter(help="template sentences per word", metavar="N", validator=Number(gte=1, lte=2000))
    ] = 1000,
    model: ModelFlags = DEFAULT_MODEL,
    cache: CacheFlags = DEFAULT_CACHE,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Make an edit direction: the mean difference of two sets of sentences as the model's text encoder sees them."""
    from zeroshift.conditioning.direction import make_direction, save_direction
    from zeroshift.sentences import template_sentences

    if (source_sentences is None) != (target_sentences is None):
        raise Wrong("Give sentences for both words, --source-sentences and --target-sentences, or for none.")
    if source.strip().casefold() == target.strip().casefold():
        raise Wrong(f'Source and target are both "{source}"; give two different ones.')
    check_apart([("the file of sentences", file) for file in (source_sentences, target_sentences)], [output])
    (output,) = settled([output], overwrite, loud)
    check_writable(output, ".safetensors")
    if source_sentences is not None and target_sentences is not None:
        sets, origin = (lines_of(source_sentences), lines_of(target_sentences)), "files"
    else:
        with usage():
            sets, origin = (template_sentences(source, count), template_sentences(target, count)), "template bank"
    editor, _ = model.opened(loud, cache=cache.place)
    begun = time.perf_counter()
    with waiting("encoding sentences", loud.silent):
        direction = make_direction(editor.backbone, *sets, (source, target), origin)
    save_direction(direction, output)
    tell(output, time.perf_counter() - begun, facts_of(direction), loud)


def show(
    file: Annotated[Path, Parameter(help="saved edit direction (.safetensors)")],
    /,
    *,
    json_: Annotated[bool, Parameter(name="--json", help="print one JSON object")] = False,
) -> None:
    """Show where a saved edit direction came from and how large it is."""
    from zeroshift.conditioning.direction import load_direction

    facts = facts_of(load_direction(file))
    print(json.dumps(facts) if json_ else "\n".join(f"{name:17} {value}" for name, value in facts.items()))


def facts_of(direction: "Direction") -> dict[str, object]:
    """Provenance, hash, shape, and the norm over all positions and of each."""
    norms = [round(float(norm), 4) for norm in direction.delta[0].norm(dim=-1)]
    return {
        **direction.provenance,
        "sha256": direction.sha256,
        "tokens": direction.delta.shape[1],
        "width": direction.delta.shape[2],
        "norm": round(float(direction.delta.norm()), 4),
        "norms_by_token": norms,
    }


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        ValueError: it cannot be read as UTF-8.
    """
    try:
        text = read_regular(path).decode("utf-8")
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); give a file with one sentence per line."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read as text ({error}); give a file with one sentence per line.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
