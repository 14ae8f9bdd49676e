"""Benchmarks in the folders that their authors give out."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, NonNegativeInt, TypeAdapter, ValidationError

from zeroshift.bench.items import ITEMS, Benchmark, Item, Runs, checked, read_plain
from zeroshift.faults import plain
from zeroshift.files import read_regular, read_text
from zeroshift.image.errors import ImageError
from zeroshift.image.folders import EXTENSIONS, find_pictures

PIE = "mapping_file.json"
"""PIE-Bench's table (Ju et al., PnP Inversion, ICLR 2024)"""
PIE_PICTURES = "annotation_images"
PROMPTS = ("prompt", "prompts")
"""where pix2pix-zero's inversion writes captions, NAME.txt each"""
TASK = re.compile(r"(?P<source>[a-z ]+?)\s*(?:2|->|_to_)\s*(?P<target>[a-z ]+)")
"""pix2pix-zero's names of tasks, such as cat2dog"""


def paired(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """A mask's starts and lengths as they are.

    Raises:
        ValueError: one has no other.
    """
    if len(numbers) % 2:
        raise ValueError("the mask has a start without a length")
    return numbers


@dataclass(frozen=True)
class PieRow:
    """An item of PIE-Bench's table."""

    image_path: str
    original_prompt: str
    editing_prompt: str
    mask: Annotated[tuple[NonNegativeInt, ...], AfterValidator(paired)]
    blended_word: str = ""


@dataclass(frozen=True)
class Ti2iRow:
    """An item of a TI2I table (Tumanyan et al., Plug-and-Play, CVPR 2023)."""

    target_prompts: tuple[str, ...]
    init_img: str
    source_prompt: str = ""


_PIE = TypeAdapter(dict[str, PieRow])
_TI2I = TypeAdapter(list[Ti2iRow])


def open_benchmark(root: Path) -> Benchmark:
    """The benchmark in a folder: PIE-Bench, Plug-and-Play's TI2I, pix2pix-zero's task folders, or an ``items.json``.

    Raises:
        ValueError: it is none, or its table is not as it should be.
    """
    for name, read in _READERS.items():
        if any(root.glob(name)):
            return read(root)
    if root.is_dir() and any(TASK.fullmatch(path.name) for path in root.iterdir() if path.is_dir()):
        return read_tasks(root)
    raise ValueError(
        f"{root} is no benchmark: it has neither {PIE} (PIE-Bench), nor a *ti2i*.yaml (Plug-and-Play), nor folders "
        f"such as cat2dog (pix2pix-zero), nor {ITEMS}."
    )


def read_pie(root: Path) -> Benchmark:
    """PIE-Bench: ``mapping_file.json`` and ``annotation_images/``; its edit types are the tasks.

    Raises:
        ValueError: its table is not as it should be.
    """
    try:
        rows = _PIE.validate_json(read_regular(root / PIE))
    except (OSError, ValidationError) as error:
        raise ValueError(f"{root / PIE} is not PIE-Bench's table: {plain(error)}.") from error
    items = tuple(
        Item(
            name,
            root / PIE_PICTURES / row.image_path,
            unbracketed(row.original_prompt),
            unbracketed(row.editing_prompt),
            unbracketed(row.original_prompt),
            unbracketed(row.editing_prompt),
            row.image_path.partition("/")[0],
            Runs(row.mask),
            blended_of(row.blended_word),
        )
        for name, row in rows.items()
    )
    return checked(Benchmark("PIE-Bench", items, strips=True, root=root))


def blended_of(words: str) -> tuple[str, str] | None:
    """PIE-Bench's "cat dog": a word of the source prompt and one of the target prompt, or nothing."""
    parts = words.split()
    return (parts[0], parts[1]) if len(parts) == 2 else None


def unbracketed(prompt: str) -> str:
    """A prompt of PIE-Bench without the brackets that mark what is edited, as its evaluator takes it."""
    return prompt.replace("[", "").replace("]", "")


def read_ti2i(root: Path) -> Benchmark:
    """A TI2I folder: a ``*ti2i*.yaml`` of pictures and target prompts; several targets of a picture are several items.

    The authors' tables mostly name no source prompt; then it is empty, and what compares with it has no figure.

    Raises:
        ValueError: its table is not as it should be.
    """
    import yaml

    (path, *_) = sorted(root.glob("*ti2i*.yaml"))
    try:
        rows = _TI2I.validate_python(yaml.safe_load(read_text(path)))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        fault = plain(error) if isinstance(error, OSError | ValidationError) else "it is no YAML"
        raise ValueError(f"{path} is not a table of Plug-and-Play's: {fault}.") from error
    items = tuple(
        Item(
            f"{stem_of(row)}-{n}",
            found(root, row.init_img),
            row.source_prompt,
            target,
            row.source_prompt,
            target,
            Path(row.init_img).parent.name or path.stem,
        )
        for row in rows
        for n, target in enumerate(row.target_prompts)
    )
    return checked(Benchmark(path.stem, items, root=root))


def stem_of(row: Ti2iRow) -> str:
    """A picture's name without its ending, with its folder's where that is a class: panda-cartoon_30."""
    path = Path(row.init_img)
    return path.stem if path.parent.name in ("data", "") else f"{path.parent.name}-{path.stem}"


def found(root: Path, name: str) -> Path:
    """A table's picture: its names begin with the benchmark's own folder or not, and differ from files' in case."""
    parts = Path(name.lstrip("/")).parts
    tries = [root.joinpath(*parts[n:]) for n in range(len(parts))]
    lower = [root.joinpath(*(part.lower() for part in parts[n:])) for n in range(len(parts))]
    return next((path for path in (*tries, *lower) if path.is_file()), tries[0])


def read_tasks(root: Path) -> Benchmark:
    """pix2pix-zero's folders: ``cat2dog/*.png``, with captions in ``cat2dog/prompt/NAME.txt`` where there are some.

    Raises:
        ValueError: a folder has no pictures.
    """
    items = [item for folder in sorted(root.iterdir()) if folder.is_dir() for item in _of_task(folder)]
    return checked(Benchmark(root.name, tuple(items), root=root))


def _of_task(folder: Path) -> Iterator[Item]:
    if (named := TASK.fullmatch(folder.name)) is None:
        return
    source, target = named["source"], named["target"]
    for picture in (one.path for one in find_pictures([folder])):
        captions = (folder / place / f"{picture.stem}.txt" for place in PROMPTS)
        caption = next((read_text(path).strip() for path in captions if path.is_file()), "")
        said = caption if source in caption else f"a photo of a {source}"
        name = f"{folder.name}-{picture.stem}"
        yield Item(name, picture, source, target, said, said.replace(source, target), folder.name)


def pairs(photographs: Path, source: str, target: str, prompts: tuple[str, str] | None = None) -> Benchmark:
    """A folder of photographs that are all edited alike: what is needed to score edits of no benchmark.

    Raises:
        ImageError: there are no pictures.
    """
    if not photographs.is_dir():
        raise ImageError(f"There is no folder {photographs}; name that of the photographs.")
    said = prompts or (f"a photo of a {source}", f"a photo of a {target}")
    files = [one.path for one in find_pictures([photographs])]
    items = [Item(path.stem, path, source, target, *said, f"{source}-{target}") for path in files]
    return checked(Benchmark(photographs.name, tuple(items), root=photographs))


def edit_of(item: Item, benchmark: Benchmark, folder: Path) -> Path | None:
    """The file of an item's edit among somebody's results: by the item's name, the picture's, or its path.

    A picture's name that several items have says of none of them what it is.
    """
    for stem in names_of(item, benchmark):
        for extension in sorted(EXTENSIONS):
            if (path := folder / f"{stem}{extension}").is_file():
                return path
    return None


def names_of(item: Item, benchmark: Benchmark) -> list[str]:
    """What an edit's file may be called, without its ending: names that are this item's alone."""
    names = [item.name, *({item.picture.stem} - benchmark.shared - {item.name})]
    if benchmark.strips:
        inside = item.picture.relative_to(benchmark.root / PIE_PICTURES).with_suffix("")
        names.append(inside.as_posix())
    return names


_READERS: Mapping[str, Callable[[Path], Benchmark]] = {PIE: read_pie, ITEMS: read_plain, "*ti2i*.yaml": read_ti2i}
