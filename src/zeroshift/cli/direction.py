"""``zeroshift direction``: ``make`` and ``show``; ``direction_files`` has the other sub-verbs."""

import json
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.cli.cache import DEFAULT_CACHE, CacheFlags
from zeroshift.cli.direction_files import compose, export, import_, list_
from zeroshift.cli.output import check_apart, check_picture, check_writable, settle, tell, tell_moved, unused, warn
from zeroshift.cli.progress import follow, waiting
from zeroshift.cli.sentences_from import DEFAULT_SENTENCES, SentenceFlags, keep_lines
from zeroshift.cli.shared import (
    DEFAULT_LOUDNESS,
    DEFAULT_MODEL,
    OUTPUT,
    Loudness,
    ModelFlags,
    Overwrite,
    Strict,
    Text,
)
from zeroshift.cli.sub_verbs import with_sub_verbs
from zeroshift.cli.wrong import Wrong
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.conditioning.direction import Direction
    from zeroshift.diffusion.backbone import Backbone
    from zeroshift.generators import Sentences

READ = ("quality", "parts", "source_generator", "target_generator")
"""parts of provenance that are written in JSON"""
File = Annotated[Path | None, Parameter(help="sentences about it, one per line, instead of the template bank's")]


def command(tokens: Sequence[str]) -> App:
    """The verb with its sub-verbs."""
    return with_sub_verbs(
        "direction",
        "Make edit directions from words or sentences; show, add and exchange saved ones.",
        "make|show|list|compose|import|export [OPTIONS]",
        [
            (make, "make", "--source TEXT --target TEXT -o FILE.safetensors [OPTIONS]"),
            (show, "show", "FILE [OPTIONS]"),
            (list_, "list", "[FOLDER] [--json]"),
            (compose, "compose", "FILE... [--weights X,X] -o FILE.safetensors"),
            (import_, "import", "SOURCE.pt TARGET.pt -o FILE.safetensors [OPTIONS]"),
            (export, "export", "FILE -o FOLDER | --to-hub OWNER/NAME"),
        ],
    )


def make(
    *,
    source: Annotated[Text, Parameter(help="word, or the name of the sentences")],
    target: Annotated[Text, Parameter(help="word, or the name of the sentences")],
    output: Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="file to write (.safetensors)")],
    overwrite: Overwrite = False,
    source_sentences: File = None,
    target_sentences: File = None,
    sentences: SentenceFlags = DEFAULT_SENTENCES,
    count: Annotated[
        int, Parameter(help="sentences per word; the bank has 2000", metavar="N", validator=Number(gte=1, lte=10_000))
    ] = 1000,
    strict: Strict = False,
    model: ModelFlags = DEFAULT_MODEL,
    cache: CacheFlags = DEFAULT_CACHE,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Make an edit direction: the mean difference of two sets of sentences as the model's text encoder sees them."""
    from zeroshift.conditioning.direction import save_direction
    from zeroshift.directions.quality import doubts_about, quality_of, with_quality
    from zeroshift.generators.making import direction_of_sifted, few, sifted_lines

    if (source_sentences is None) != (target_sentences is None):
        raise Wrong("Give sentences for both words, --source-sentences and --target-sentences, or for none.")
    if source_sentences is not None and sentences.given:
        raise Wrong(f"{' and '.join(sentences.given)} and --source-sentences both say what is encoded; give one.")
    if source.strip().casefold() == target.strip().casefold():
        raise Wrong(f'Source and target are both "{source}"; give two different ones.')
    check_apart([("the file of sentences", file) for file in (source_sentences, target_sentences)], [output])
    wanted, (output,) = output, unused([output], overwrite)
    check_writable(output, ".safetensors")
    generators = generators_of(sentences, model, source_sentences, target_sentences)
    words, begun = (source, target), time.perf_counter()
    lines = lines_about(words, generators, count, output, loud)
    editor, loaded = model.opened(loud, cache=cache.place, sentences=sentences.sentences_from)
    chosen = generators[0].name == "template bank" or source_sentences is not None
    encoded = [text for part in lines for text in part] if chosen else []  # of others, what is too long is dropped
    settle(editor.doubts(words if source_sentences is None else [], encoded), strict, loud)
    sifted = sifted_lines(editor.backbone, generators, words, lines, count, chosen=chosen)
    doubts = few(generators[0], words, sifted, count)
    settle(doubts, strict, loud)
    tell_moved([wanted], [output], loud)
    sets = [one.sentences for one in sifted]
    encode(editor.backbone, sets, loud)
    made = direction_of_sifted(editor.backbone, generators, words, sifted, doubts)
    quality = quality_of(editor.backbone, *sets)
    warn(doubts_about(made, quality), loud)
    made = with_quality(made, quality)
    save_direction(made, output)
    tell(output, time.perf_counter() - begun - loaded, facts_of(made), loud, dropped_of(made))


def encode(backbone: "Backbone", sets: "Sequence[Sequence[str]]", loud: Loudness) -> None:
    """Encode sets of sentences, showing how far it is; those that are kept are not encoded."""
    from zeroshift.conditioning.means import encoding
    from zeroshift.running.walking import Progress

    begun = Progress("encoding", 0, sum(map(len, sets)), None)
    steps = (Progress("encoding", done, total, None) for done, total in encoding(backbone, sets))
    follow(chain([begun], steps), loud.silent)


def generators_of(
    flags: SentenceFlags, model: ModelFlags, source: Path | None, target: Path | None
) -> "tuple[Sentences, Sentences]":
    """What makes the sentences about the source and the target.

    Raises:
        Wrong: an option does not go with it.
        ValueError: a file cannot be read.
    """
    if source is None or target is None:
        generator = flags.generator(model)
        return generator, generator
    from zeroshift.generators.text_file import TextFile

    return TextFile(source), TextFile(target)


def lines_about(
    words: tuple[str, str], generators: "tuple[Sentences, Sentences]", count: int, output: Path, loud: Loudness
) -> "list[Sequence[str]]":
    """What the generators return, written beside the direction where it could not be had again.

    Raises:
        Wrong: the bank does not hold as many, or a word is empty.
        ValueError: a generator failed; what it had returned by then is written.
    """
    from zeroshift.generators import StoppedShort

    lines: dict[str, Sequence[str]] = {}
    for role, word, generator in zip(("source", "target"), words, generators, strict=True):
        try:
            with waiting(f'sentences about "{word}" from {generator.name}', loud.silent):
                lines[role] = generator(word, count)
        except StoppedShort as error:
            kept = keep_lines(output, {**lines, role: error.lines})
            so_far = f" What came by then is in {' and '.join(map(str, kept))}." if kept else ""
            raise ValueError(f"{error}{so_far}") from error
        except ValueError as error:
            if generator.name == "template bank":
                raise Wrong(str(error)) from error
            raise
    if generators[0].name not in ("template bank", "files"):
        keep_lines(output, lines)
    return list(lines.values())


def dropped_of(direction: "Direction") -> str:
    """What is said of lines that were dropped."""
    facts = direction.provenance
    counts = f"; {facts['source_sentences']} and {facts['target_sentences']} sentences"
    dropped = [f"{role}: {facts[f'{role}_dropped']}" for role in ("source", "target") if f"{role}_dropped" in facts]
    return f"{counts}; dropped of the {', of the '.join(dropped)}" if dropped else counts


def show(
    file: Annotated[Path, Parameter(help="saved edit direction (.safetensors)")],
    /,
    *,
    figure: Annotated[
        Path | None, Parameter(group=OUTPUT, help="also draw its length at each token position (.png)")
    ] = None,
    json_: Annotated[bool, Parameter(name="--json", help="print one JSON object")] = False,
) -> None:
    """Show where a saved edit direction came from, how large it is, and how good."""
    from zeroshift.conditioning.direction import load_direction

    direction = load_direction(file)
    if figure is not None:
        from zeroshift.directions.figure import draw
        from zeroshift.image import save_image

        check_apart([("the edit direction", file)], [figure])
        check_picture(figure)
        save_image(draw(direction), figure, recipe={"command": "direction", "sha256": direction.sha256})
    facts = facts_of(direction)
    lines = (printable(f"{name:17} {value}") for name, value in facts.items())
    print(json.dumps(facts) if json_ else "\n".join(lines))


def facts_of(direction: "Direction") -> dict[str, object]:
    """Provenance, hash, shape, and the norm over all positions and of each."""
    norms = [round(float(norm), 4) for norm in direction.delta[0].norm(dim=-1)]
    told = {key: value for key, value in direction.provenance.items() if key not in READ}
    read = {key: json.loads(direction.provenance[key]) for key in READ if key in direction.provenance}
    return {
        **told,
        **read,
        "sha256": direction.sha256,
        "tokens": direction.delta.shape[1],
        "width": direction.delta.shape[2],
        "norm": round(float(direction.delta.norm()), 4),
        "norms_by_token": norms,
    }
