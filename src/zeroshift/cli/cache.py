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
    from zeroshift.cache import MeanFolder

Folder = Annotated[Path | None, Parameter(help="its folder [default that of ZEROSHIFT_CACHE, else the user's]")]
AsJson = Annotated[bool, Parameter(name="--json", help="print one JSON object per line")]


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class CacheFlags:
    """Where encoded sentences are kept for later runs."""

    cache: Annotated[
        Path | None,
        Parameter(help="folder of encoded sentences, which later runs need not encode [default the user's]"),
    ] = None
    no_cache: Annotated[bool, Parameter(help="keep and use no encoded sentences")] = False

    @property
    def place(self) -> "Path | Literal[False] | None":
        """The folder; None for the usual one, False for none.

        Raises:
            Wrong: both flags are given.
        """
        if self.no_cache and self.cache is not None:
            raise Wrong("--cache names a folder for encoded sentences, and --no-cache wants none; give one of them.")
        return False if self.no_cache else self.cache


DEFAULT_CACHE = CacheFlags()


def command(tokens: Sequence[str]) -> App:
    """The verb with its three sub-verbs."""
    return with_sub_verbs(
        "cache",
        "List, measure or clear the encoded sentences that are kept for later runs.",
        "list|size|clear [OPTIONS]",
        [(verb, name, "[OPTIONS]") for verb, name in ((list_, "list"), (size, "size"), (clear, "clear"))],
    )


def list_(*, cache: Folder = None, json_: AsJson = False) -> None:
    """List what is kept, least recently used first: kilobytes, when it was used last, model, sentences."""
    for kept in folder_of(cache).entries():
        about = kept.about()
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.used))
        if json_:
            print(json.dumps({"path": str(kept.path), "bytes": kept.bytes, "used": used, **about}))
            continue
        said = f"{about['model']}  {counted(about)}" if about else "damaged"
        print(f"{kept.bytes / 1000:7.0f} kB  {used}  {printable(said)}")


def counted(about: Mapping[str, str]) -> str:
    """What a file is the mean of, as in '1000 sentences from "a cute dog sitting in the grass" on'."""
    first = f'"{about["first"]}"'
    return f"1 sentence, {first}" if about["sentences"] == "1" else f"{about['sentences']} sentences from {first} on"


def size(*, cache: Folder = None, json_: AsJson = False) -> None:
    """Say where the cache is, how much it holds and how much it may hold."""
    folder = folder_of(cache)
    entries = folder.entries()
    held = sum(kept.bytes for kept in entries)
    facts = {"path": str(folder.folder), "files": len(entries), "bytes": held, "most_bytes": folder.most_bytes}
    said = f"{folder.folder}: {len(entries)} files, {held / 1e6:.1f} of {folder.most_bytes / 1e6:.0f} MB"
    print(json.dumps(facts) if json_ else said)


def clear(*, cache: Folder = None) -> None:
    """Take away all that is kept; it is made again where it is needed."""
    folder = folder_of(cache)
    files, held = folder.clear()
    print(f"{folder.folder}: {files} files, {held / 1e6:.1f} MB taken away")


def folder_of(cache: Path | None) -> "MeanFolder":
    """The cache in a folder, or in the usual one."""
    from zeroshift.cache import MeanFolder, cache_folder

    return MeanFolder(cache_folder() if cache is None else cache)
