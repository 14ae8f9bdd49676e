"""Small facts on the pages: the model's sizes, what its presets set, and how much faster than the authors' codes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import safe_open

from remake.pages import put
from remake.place import Job, Jobs, Place


def jobs() -> Jobs:
    return [Job("facts", make)]


def make(place: Place) -> str:
    """Write all of them."""
    return put(place.root, values(place.root, place.model))


def values(root: Path, model: Path) -> dict[str, str]:
    """Every fact by the name of its mark."""
    return {**sizes(model), **preset_texts(model), **speeds(root)}


def sizes(model: Path) -> dict[str, str]:
    """The sides of the model's pictures, its megabytes, and the millions of parameters of its parts."""
    unet, vae = (json.loads((model / part / "config.json").read_text(encoding="utf-8")) for part in ("unet", "vae"))
    side = unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1)
    counts = {f"parameters {path.parent.name}": f"{parameters(path) / 1e6:.2f} M" for path in weights(model)}
    return {"pixels": f"{side}×{side}", "megabytes": f"{megabytes(model):.0f} MB", **counts}


def megabytes(model: Path) -> float:
    """The size of all files of the model, in millions of bytes."""
    return sum(path.stat().st_size for path in model.rglob("*") if path.is_file()) / 1e6


def weights(model: Path) -> list[Path]:
    return sorted(model.glob("*/*.safetensors"))


def parameters(path: Path) -> int:
    """How many values a file of weights holds."""
    count = 0
    with safe_open(path, "pt") as file:
        for name in file.keys():
            size = 1
            for side in file.get_slice(name).get_shape():
                size *= side
            count += size
    return count


def preset_texts(model: Path) -> dict[str, str]:
    """For each preset which options it sets, and by what they were chosen."""
    path = model / "presets.json"
    table = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {}
    for name, entry in table.items():
        found[f"preset {name}"] = ", ".join(flags(entry["options"]))
        found[f"chosen {name}"] = entry["chosen_by"]
    return found


def flags(options: Mapping[str, object]) -> Iterator[str]:
    """Yield nested options as a command line has them; None is the source prompt as negative prompt."""
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, Mapping):
            yield from flags(value)
        elif isinstance(value, list):
            yield f"`{flag} {','.join(map(str, value))}`"
        else:
            yield f"the source prompt as `{flag}`" if value is None else f"`{flag} {value}`"


def speeds(root: Path) -> dict[str, str]:
    """For each row of the last benchmarks how many times faster than the authors' procedure ours was."""
    path = root / "benchmarks/results.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    return {f"faster {row['method']}": f"{row['official_s'] / row['ours_s']:.1f}" for row in rows}
