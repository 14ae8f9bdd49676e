"""Captions that somebody wrote: one for all pictures, or a file of them, as the trainer's captions.csv is."""

import csv
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TypeAlias, final

from PIL import Image

from zeroshift.files import read_regular
from zeroshift.image import Photo

KINDS = (".csv", ".json", ".txt")
"""endings of files of captions"""
EVERY = ""
"""the name under which one caption stands for every picture"""
_WHAT = (
    "give a .csv with the columns file and caption, a .json object of names and captions, or a .txt with one caption, "
    "or a name, a tab and its caption a line"
)
Entry: TypeAlias = tuple[str, str, str]
"""a picture's name, its caption, the SHA-256 of its file or nothing"""


@final
@dataclass(frozen=True, eq=False)
class WrittenCaptions:
    """The captions of a file in UTF-8, which is read at once.

    A picture is found by the SHA-256 of its file, where a column ``sha256`` has it, and else by its name: a plain one,
    or one with as many of its folders as stand in the file, of several the longest.

    Raises:
        ValueError: it cannot be read, is no such file, has no captions, or has two for one picture.
    """

    path: Path
    by_name: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    by_hash: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, caption, sha256 in entries(self.path):
            if not caption.strip():
                raise ValueError(f"{self.path} has an empty caption for {name or 'all pictures'}; write one.")
            for known, key in ((self.by_name, _composed(name)), (self.by_hash, sha256.strip().lower())):
                said = " ".join(caption.split())
                if (key or known is self.by_name) and known.setdefault(key, said) != said:
                    raise ValueError(f"{self.path} has two captions for {name or 'all pictures'}; leave one of them.")
        if not self.by_name:
            raise ValueError(f"{self.path} has no captions; {_WHAT}.")

    def caption_of(self, photo: Photo) -> str:
        """The caption of a picture.

        Raises:
            ValueError: there is none.
        """
        if photo.sha256 in self.by_hash:
            return self.by_hash[photo.sha256]
        parts = Path(_composed(photo.file)).absolute().parts if photo.file else ()
        names = [str(Path(*parts[n:])) for n in range(len(parts))]
        caption = next((self.by_name[name] for name in (*names, EVERY) if name in self.by_name), None)
        if caption is None:
            missing = Path(photo.file).name if photo.file else "a picture without a file name"
            raise ValueError(f"{self.path} has no caption for {missing}; add one, or give the `source`.")
        return caption

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One sentence per picture in memory, which has no name: its pixels' hash, or one caption for all, tells.

        Raises:
            ValueError: there is none.
        """
        return [self.caption_of(Photo.of(picture)) for picture in pictures]


def is_captions(name: str | Path) -> bool:
    """Whether a captioner's name is that of a file of captions."""
    return Path(name).suffix.lower() in KINDS and not Path(name).is_dir()


def entries(path: Path) -> Iterable[Entry]:
    """What stands in a file of captions.

    Raises:
        ValueError: it cannot be read, or is no such file.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"The captions {path} cannot be read ({error.strerror}); {_WHAT}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"The captions {path} are no UTF-8 text ({error}); save them as UTF-8.") from error
    of_kind = {".csv": _of_csv, ".json": _of_json, ".txt": _of_lines}
    try:
        yield from of_kind[path.suffix.lower()](text)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"The captions {path} cannot be read ({error}); {_WHAT}.") from error


def _of_csv(text: str) -> Iterator[Entry]:
    rows = csv.DictReader(StringIO(text, newline=""), strict=True)
    lacking = [column for column in ("file", "caption") if column not in (rows.fieldnames or ())]
    if lacking:
        raise ValueError(f"there is no column {' and no column '.join(lacking)}")
    for row in rows:
        if not row["file"]:
            raise ValueError(f"line {rows.line_num} names no file")
        yield row["file"], row["caption"] or "", row.get("sha256") or ""


def _of_json(text: str) -> Iterator[Entry]:
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(caption, str) for caption in found.values()):
        raise ValueError("it is no object of names and captions")
    if EVERY in found:
        raise ValueError("a name is empty")
    yield from ((name, caption, "") for name, caption in found.items())


def _of_lines(text: str) -> Iterator[Entry]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and "\t" not in lines[0]:
        yield EVERY, lines[0], ""
        return
    for line in lines:
        name, tab, caption = line.partition("\t")
        if not tab or not name.strip():
            raise ValueError(f'the line "{line.strip()[:40]}" has no name and tab')
        yield name.strip(), caption, ""


def _composed(name: str) -> str:
    """A name in one spelling: letters with their accents as one character, as most systems but macOS write them."""
    return unicodedata.normalize("NFC", str(Path(name)) if name else EVERY)
