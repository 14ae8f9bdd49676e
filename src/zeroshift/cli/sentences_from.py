"""Flags that say where sentences about words come from, and what a generator returned as files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from zeroshift.cli.shared import ModelFlags, Text, hub_id, hush_libraries
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.files import free, slug, why_unwritable, write_atomically

if TYPE_CHECKING:
    from zeroshift.asked.edits import EditSpec
    from zeroshift.generators import Sentences
    from zeroshift.generators.making import GeneratedDirections


OF_ENDPOINT = {
    "endpoint_model": "model",
    "endpoint_timeout": "timeout",
    "endpoint_at_once": "at_once",
    "endpoint_answer_tokens": "answer_tokens",
    "endpoint_requests": "most_requests",
    "endpoint_tokens": "most_tokens",
}
"""what an endpoint calls its options"""
POSITIVE = Number(gte=1)


@Parameter(name="*", group=Group("Sentences", sort_key=18))
@dataclass(frozen=True, kw_only=True)
class SentenceFlags:
    """Where sentences about words come from."""

    sentences_from: Annotated[
        Text | None,
        Parameter(help="bank, a language model (folder or hub id), an endpoint (https://HOST/v1), or a .txt file "
                       "[default bank]"),
    ] = None  # fmt: skip
    endpoint_model: Annotated[
        Text | None, Parameter(help="which of the endpoint's models [default the only one that it lists]")
    ] = None
    endpoint_timeout: Annotated[
        float | None,
        Parameter(help="seconds that the endpoint has for an answer [default 60]", metavar="S", validator=Number(gt=0)),
    ] = None
    endpoint_at_once: Annotated[
        int | None,
        Parameter(
            help="sentences that one request asks the endpoint for [default 50]", metavar="N", validator=POSITIVE
        ),
    ] = None
    endpoint_answer_tokens: Annotated[
        int | None,
        Parameter(help="tokens of one answer at most [default 40 for each sentence]", metavar="N", validator=POSITIVE),
    ] = None
    endpoint_requests: Annotated[
        int | None,
        Parameter(
            help="requests for one word at most, repeated ones too [default 60]", metavar="N", validator=POSITIVE
        ),
    ] = None
    endpoint_tokens: Annotated[
        int | None, Parameter(help="tokens for one word at most [default 200000]", metavar="N", validator=POSITIVE)
    ] = None
    sentences_seed: Annotated[
        int | None, Parameter(help="seed that the bank or language model draws with [default 0]", metavar="N")
    ] = None

    @property
    def given(self) -> list[str]:
        """The flags that stood on the command line."""
        return [f"--{name.replace('_', '-')}" for name in self._named]

    @property
    def _named(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}

    def generator(self, model: ModelFlags) -> "Sentences":
        """What makes the sentences; a language model runs where the model does.

        Raises:
            Wrong: an option does not go with it.
        """
        where = self.sentences_from or "bank"
        endpoint = where.startswith(("http://", "https://"))
        of_endpoint = {OF_ENDPOINT[name]: value for name, value in self._named.items() if name in OF_ENDPOINT}
        if of_endpoint and not endpoint:
            first = next(flag for flag in self.given if flag.startswith("--endpoint"))
            raise Wrong(f"{first} is for an endpoint; add --sentences-from https://HOST/v1.")
        if self.sentences_seed is not None and (endpoint or where.endswith(".txt")):
            raise Wrong("--sentences-seed is for the bank and for language models; leave it out.")
        if endpoint:
            from zeroshift.generators.endpoint import Endpoint

            with usage():
                return Endpoint(where, **of_endpoint)
        if hub_id(where):
            hush_libraries()
        from zeroshift.generators.making import generator_of

        return generator_of(where, seed=self.sentences_seed or 0, device=model.device, cache_dir=model.cache_dir)

    def for_edits(self, specs: "Sequence[EditSpec]", direction: Path | None, model: ModelFlags) -> "Sentences | None":
        """What makes the sentences of edits, if that was asked for.

        Raises:
            Wrong: nothing is made of sentences there, or an option does not go with the generator.
        """
        if not self.given:
            return None
        said = " and ".join(self.given)
        if direction is not None:
            raise Wrong(f"{said} and --direction both say where the edit leads; give one.")
        from zeroshift.presets import build_method

        for spec in specs:
            made = build_method(spec.method, spec.options).conditioning
            if getattr(made, "words", None) != "sentences":
                raise Wrong(
                    f"{said} is for an edit direction made of sentences, and this edit has none; add one that has, "
                    "such as --method pix2pix-zero, or leave it out."
                )
        return self.generator(model)


DEFAULT_SENTENCES = SentenceFlags()


def keep_lines(direction: Path, lines: Mapping[str, Sequence[str]]) -> list[Path]:
    """Write what a generator returned beside a direction, a file for each word, and return the files.

    What an earlier run has left there stays: a generator may have been paid for it.

    Raises:
        ValueError: one cannot be written.
    """
    places = {free(direction.with_suffix(f".{role}.txt")): said for role, said in lines.items() if said}
    for place, said in places.items():
        try:
            write_atomically(place, text_of(said))
        except OSError as error:
            raise ValueError(f"{place} cannot be written ({why_unwritable(error)}); choose another place.") from error
    return list(places)


def keep_made(directions: "GeneratedDirections | None", folder: Path) -> dict[str, Path]:
    """Write directions that a generator made for edits into ``folder``, with what it had returned.

    Returns:
        Their files by the hash of their values.

    Raises:
        ValueError: one cannot be written.
    """
    from zeroshift.conditioning.direction import save_direction

    kept = {}
    for direction, (source, target) in [] if directions is None else directions.made():
        facts = direction.provenance
        name = f"{slug(facts['source'])}-{slug(facts['target'])}-{direction.sha256[:12]}.safetensors"
        kept[direction.sha256] = folder / name
        if not kept[direction.sha256].exists():
            save_direction(direction, folder / name)
            keep_lines(folder / name, {"source": source, "target": target})
    return kept


@contextmanager
def kept_on_failure(directions: "GeneratedDirections | None", folder: Path) -> Iterator[None]:
    """Whatever fails, write into ``folder`` what a generator had returned and is not there yet, a file for each word.

    Raises:
        DoubtfulWords, ValueError: what failed, with where the files are.
    """
    from zeroshift.words import DoubtfulWords

    try:
        yield
    except BaseException as error:  # Ctrl-C as well: the next word may take hours
        there = {file.read_bytes() for file in folder.glob("*.txt") if file.is_file()}
        returned = {} if directions is None else directions.returned
        said = {slug(word): lines for word, lines in returned.items() if text_of(lines) not in there}
        kept = keep_lines(folder / "unfinished.safetensors", said)
        if not kept or not isinstance(error, ValueError):
            raise
        kind = DoubtfulWords if isinstance(error, DoubtfulWords) else ValueError
        raise kind(f"{error} What came by then is in {' and '.join(map(str, kept))}.") from error


def text_of(lines: Sequence[str]) -> bytes:
    """Lines as a file has them; a half of a pair of surrogates, which no file can hold, becomes "?"."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
