"""Finding a checkpoint: the shipped one, a local folder, or a hub repository; refusing what cannot be used, early."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zeroshift.backbones.families import FAMILIES, INDEX, LOADED, Family, check_noise, family_of
from zeroshift.backbones.hub import pickled, snapshot
from zeroshift.backbones.one_file import OneFile, find_file
from zeroshift.backbones.refused import check_folder, check_network
from zeroshift.backbones.weights import only_pickled, variant_in, weights_in
from zeroshift.backbones.whole import check_depth, check_weights, read_object
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.files import check_no_pipe

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
Memory = Literal["low", "auto", "high"]


@dataclass(frozen=True)
class Speed:
    """What may make the UNet faster, on a GPU above all."""

    compiled: bool = False
    """parts of it are compiled when they first run; last bits differ"""
    channels_last: bool = False
    """convolutions find all channels of a cell side by side"""


USUAL = Speed()
SHIPPED = Path(__file__).parent.parent / "shipped"
"""the model that comes with the package"""
IMAGE_ENCODER = "image_encoder"
"""the part that only some methods need: CLIP's other tower"""
CLASSIFIER = "classifier"
"""the part of which a captioner may be made: no edit's bits depend on it, so it does not count as one of the files"""
FINDER = "finder"
"""the part that finds subjects; no edit of a given region depends on it, so it does not count either"""
SEGMENTER = "segmenter"
"""the part that finds where a subject is; an edit by it says so in its recipe, so it does not count either"""
RESTORER = "restorer"
"""the part that redraws pictures; what it redrew says so in its recipe, so it does not count either"""
CRITIC = "critic"
"""the part that says how good results look; what is chosen by it says in its recipe how it was made"""
_PREPARATION = (IMAGE_ENCODER, "feature_extractor")
PRESETS = "presets.json"
"""the options that a checkpoint recommends for methods; most have none"""
WORDS = "words.json"
"""the words that a checkpoint was trained with; most do not say"""
_PARTS = tuple(dict.fromkeys(part for family in FAMILIES for part in family.parts))
_BESIDE = (CLASSIFIER, FINDER, SEGMENTER, RESTORER, CRITIC)
TEXTS = [INDEX, *(f"{part}/*{end}" for part in (*_PARTS, *_PREPARATION, *_BESIDE) for end in (".json", ".txt"))]
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
"""owner/name; what begins with a dot, such as ../name, is a path"""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on this machine that has every part."""

    root: Path
    name: str
    family: Family
    revision: str | None
    """commit of a hub checkpoint"""
    variants: Mapping[str, str | None]
    """by network: "fp16" where only half-precision weight files are there"""

    def files(self) -> list[Path]:
        """Every file that is loaded."""
        configs = [self.root / part / name for part, name in self.family.configs.items()]
        files = (path for part in self.family.tokenizers for path in _files(self.root / part))
        words = [path for path in files if path.suffix in {".json", ".txt"}]
        weights = [path for part in self.variants for path in weights_of(self, part)]
        index = [self.root / INDEX] if self.family.indexed and (self.root / INDEX).is_file() else []
        return [*index, *configs, *words, *weights, *self._of_image_encoder()]

    @property
    def sees(self) -> bool:
        """Whether there is an image encoder."""
        return (self.root / IMAGE_ENCODER / "config.json").is_file()

    def _of_image_encoder(self) -> list[Path]:
        if not self.sees:
            return []
        own = self.root / IMAGE_ENCODER
        preparation = (self.root / part / "preprocessor_config.json" for part in _PREPARATION)
        return [
            own / "config.json",
            *(path for path in _files(own) if path.suffix == ".safetensors"),
            *(path for path in preparation if path.is_file()),
        ]


@dataclass(frozen=True)
class ClipFolder:
    """A CLIP on this machine, both towers in one folder."""

    root: Path
    name: str
    revision: str | None
    """commit of a hub repository"""
    variant: str | None
    """ "fp16" where only half-precision weight files are there"""

    def files(self) -> list[Path]:
        """Every file that is loaded."""
        words = [path for path in _files(self.root) if path.suffix in {".json", ".txt"}]
        return [*words, *(p for p in weights_in(self.root, "model", self.variant) if p.suffix == ".safetensors")]


def _files(folder: Path) -> Iterator[Path]:
    """What can be read to its end: no pipes and devices."""
    return (path for path in folder.iterdir() if path.is_file())


def find_checkpoint(
    model: str | Path | None, revision: str | None, cache_dir: str | Path | None
) -> Checkpoint | OneFile:
    """The checkpoint ``model`` (None: the shipped one; a folder; a file; or a hub id, downloaded if need be).

    Raises:
        ValueError: there is no such folder or repository.
        Unsupported: a part is missing, weights are pickled, or it is of no family that is loaded.
    """
    if model is None:
        return check(SHIPPED, "shipped", None)
    if Path(model).is_file():
        return find_file(Path(model))
    if is_folder(model):
        return check(Path(model), named(Path(model)), None)
    root = _download(str(model), revision, cache_dir)
    return check(root, str(model), root.name)


def find_configs(model: str | Path, revision: str | None, cache_dir: str | Path | None) -> Checkpoint | OneFile:
    """A checkpoint of which only configurations and words need be there, or are downloaded.

    Raises:
        ValueError: there is no such folder or repository.
        Unsupported: a part is missing, or it is of no family that is loaded.
    """
    if Path(model).is_file():
        return find_file(Path(model))
    folder = is_folder(model)
    root = Path(model) if folder else snapshot(str(model), revision, cache_dir, TEXTS)
    name, commit = (named(root), None) if folder else (str(model), root.name)
    return Checkpoint(root, name, check_parts(root, name), commit, {})


def find_clip(clip: str | Path, cache_dir: str | Path | None) -> ClipFolder:
    """The CLIP in a folder as transformers saves it, or of a hub id, downloaded if need be.

    Raises:
        ValueError: there is no such folder or repository.
        Unsupported: it has no configuration, no words or no plain weights.
    """
    folder = is_folder(clip, "a CLIP as transformers saves it")
    wanted = ["*.json", "*.txt", "*.safetensors"]
    root = Path(clip) if folder else snapshot(str(clip), None, cache_dir, wanted, what="CLIP")
    name, commit = (named(root), None) if folder else (str(clip), root.name)
    if not (root / "config.json").is_file():
        raise Unsupported(f"The CLIP {name} has no config.json; give the folder of a CLIP as transformers saves it.")
    return ClipFolder(root, name, commit, variant_in(root, "model", f"The CLIP {name}"))


def named(folder: Path) -> str:
    """What a folder is called; the root of all has no name of its own."""
    return folder.resolve().name or str(folder.resolve())


def is_folder(model: str | Path, what: str = "a checkpoint in diffusers format") -> bool:
    """Tell a folder from a hub id.

    Raises:
        ValueError: it is neither.
    """
    folder = Path(model)
    if not str(model):
        raise ValueError(f"The name is empty; give the folder of {what}, or a hub id.")
    check_no_pipe(folder, f"the folder of {what}, or a hub id")
    if folder.is_file():
        raise ValueError(f"{model} is a file; give the folder of {what}, or a hub id.")
    if not folder.is_dir() and not _HUB_ID.fullmatch(str(model)):
        raise ValueError(f"There is no folder {model}, and it is not a hub id such as owner/name; check the name.")
    return folder.is_dir()


def check(root: Path, name: str, revision: str | None) -> Checkpoint:
    """Refuse a folder that cannot be loaded.

    Raises:
        Unsupported: a part is missing, weights are pickled, or the layout is another.
    """
    family = check_parts(root, name)
    variants = {part: variant_in(root / part, stem, f"The {part} of {name}") for part, stem in family.weights.items()}
    found = Checkpoint(root, name, family, revision, variants)
    for part in variants:
        check_weights(weights_of(found, part), f"the {part} of {name}")
    return found


def check_parts(root: Path, name: str) -> Family:
    """A folder's family; refuse one that lacks something.

    Raises:
        Unsupported: a part or its configuration is missing, or it is of no family that is loaded.
    """
    check_folder(root, name)
    family = family_of(root, name)
    for part in family.parts:
        if not (root / part).is_dir():
            raise Unsupported(f"The checkpoint {name} has no {part} folder; {LOADED}.")
    for part, file in family.configs.items():
        if not (root / part / file).is_file():
            raise Unsupported(f"The {part} of {name} has no {file}; get it anew.")
    for part, path in _tables(root, family):
        check_depth(read_object(path, f"the {part} of {name}"), f"the {part} of {name}")
    check_network(root, name)
    check_noise(root, name)
    return family


def _tables(root: Path, family: Family) -> Iterator[tuple[str, Path]]:
    """Every file of tables that a part has, with the part."""
    for part in (*family.parts, *_PREPARATION):
        yield from ((part, path) for path in sorted((root / part).glob("*.json")))


def weights_of(checkpoint: Checkpoint, part: str) -> list[Path]:
    """The weights of one network that are loaded."""
    return weights_in(checkpoint.root / part, checkpoint.family.weights[part], checkpoint.variants[part])


def _download(model: str, revision: str | None, cache_dir: str | Path | None) -> Path:
    """Get a repository's plain weights, and half-precision ones for the networks that have no others.

    Raises:
        ValueError: there is no such repository.
        Unsupported: it is of no family that is loaded; no weights are downloaded then.
    """
    index = snapshot(model, revision, cache_dir, [INDEX])
    family = family_of(index, model)
    wanted = [f"{part}/*.safetensors" for part in (*family.weights, IMAGE_ENCODER, *_BESIDE)]
    root = snapshot(model, index.name, cache_dir, [*TEXTS, PRESETS, WORDS, *wanted])
    lacking = [part for part, stem in family.weights.items() if not weights_in(root / part, stem, None)]
    halves = [f"{part}/{name}" for part in lacking for name in ("*.fp16*.safetensors", "*.index.fp16.json")]
    root = snapshot(model, root.name, cache_dir, halves, skipped=()) if halves else root
    for part in lacking:
        if not weights_in(root / part, family.weights[part], "fp16") and pickled(model, root.name, part):
            raise only_pickled(f"The {part} of {model}")
    return root
