"""``zeroshift cache list``, ``size`` and ``clear``, and the flags of verbs that use the cache."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from zeroshift.cli.shared import MODEL
from zeroshift.cli.sub_verbs import with_sub_verbs
from zeroshift.cli.wrong import Wrong
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.cache import CacheFolder

Folder = Annotated[Path | None, Parameter(help="its folder [default that of ZEROSHIFT_CACHE, else the user's]")]
AsJson = Annotated[bool, Parameter(name="--json", help="print one JSON object per line")]


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class CacheFlags:
    """Where encoded sentences are kept for later runs."""

    cache: Annotated[
        Path | None,
        Parameter(
            help="folder of encoded sentences and of captions, which later runs need not make [default the user's]"
        ),
    ] = None
    no_cache: Annotated[bool, Parameter(help="keep and use no encoded sentences and captions")] = False

    @property
    def place(self) -> "Path | Literal[False] | None":
        """The folder; None for the usual one, False for none.

        Raises:
            Wrong: both flags are given.
        """
        if self.no_cache and self.cache is not None:
            raise Wrong("--cache names a folder for what is encoded, and --no-cache wants none; give one of them.")
        return False if self.no_cache else self.cache


DEFAULT_CACHE = CacheFlags()


def command(tokens: Sequence[str]) -> App:
    """The verb with its three sub-verbs."""
    return with_sub_verbs(
        "cache",
        "List, measure or clear the encoded sentences and captions that are kept for later runs.",
        "list|size|clear [OPTIONS]",
        [(verb, name, "[OPTIONS]") for verb, name in ((list_, "list"), (size, "size"), (clear, "clear"))],
    )


def list_(*, cache: Folder = None, json_: AsJson = False) -> None:
    """List what is kept, least recently used first: kilobytes, when it was used last, model, sentences or caption."""
    for kept in sorted((kept for folder in folders_of(cache) for kept in folder.entries()), key=lambda kept: kept.used):
        about = kept.about()
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.used))
        if json_:
            print(json.dumps({"path": str(kept.path), "bytes": kept.bytes, "used": used, **about}))
            continue
        print(f"{kept.bytes / 1000:7.1f} kB  {used}  {printable(told(about))}")


def told(about: Mapping[str, str]) -> str:
    """What a kept file holds, in a line."""
    if "caption" in about:
        return f"{about['captioner']}  caption: {about['caption']}"
    return f"{about['model']}  {counted(about)}" if about else "damaged"


def counted(about: Mapping[str, str]) -> str:
    """What a file is the mean of, as in '1000 sentences from "a cute dog sitting in the grass" on'."""
    first = f'"{about["first"]}"'
    return f"1 sentence, {first}" if about["sentences"] == "1" else f"{about['sentences']} sentences from {first} on"


def size(*, cache: Folder = None, json_: AsJson = False) -> None:
    """Say where the cache is, how much it holds and how much it may hold."""
    for folder in folders_of(cache):
        entries = folder.entries()
        held = sum(kept.bytes for kept in entries)
        facts = {"path": str(folder.folder), "files": len(entries), "bytes": held, "most_bytes": folder.most_bytes}
        said = f"{folder.folder}: {len(entries)} files, {held / 1e6:.1f} of {folder.most_bytes / 1e6:.0f} MB"
        print(json.dumps(facts) if json_ else said)


def clear(*, cache: Folder = None) -> None:
    """Take away all that is kept; it is made again where it is needed."""
    for folder in folders_of(cache):
        files, held = folder.clear()
        print(f"{folder.folder}: {files} files, {held / 1e6:.1f} MB taken away")


def folders_of(cache: Path | None) -> "tuple[CacheFolder, CacheFolder]":
    """Sentences and captions of the cache in a folder, or of the usual one."""
    from zeroshift.cache import MeanFolder, cache_folder
    from zeroshift.captioning.kept import CaptionFolder

    root = cache_folder() if cache is None else cache
    return MeanFolder(root), CaptionFolder(root)
