"""``zeroshift direction list``, ``import``, ``export`` and ``compose``: saved directions and other tools' files."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from zeroshift.cli.output import check_apart, check_folder, check_writable, settled, tell, warn
from zeroshift.cli.shared import DEFAULT_LOUDNESS, OUTPUT, Loudness, Overwrite, Text
from zeroshift.cli.wrong import Wrong
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.conditioning.direction import Direction

Saved = Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT, help="file to write (.safetensors)")]
AsJson = Annotated[bool, Parameter(name="--json", help="print one JSON object per direction")]


def list_(
    folder: Annotated[Path, Parameter(help="folder of saved directions [default this one]")] = Path("."),
    /,
    *,
    json_: AsJson = False,
) -> None:
    """List the saved edit directions in a folder: file, from where to where, length, model, what it was made of."""
    from zeroshift.conditioning.direction import load_direction

    if not folder.is_dir():
        raise Wrong(f"There is no folder {folder}; name the one that directions are in.")
    listed = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            facts = summary_of(load_direction(path))
        except ValueError:  # weights and inversions are .safetensors files too
            continue
        listed += 1
        if json_:
            print(json.dumps({"path": str(path), **facts}))
        else:
            said = [path.name, facts["name"], f"length {facts['length']}", facts["model"], facts["origin"]]
            print(printable("  ".join(map(str, said))))
    if not listed and not json_:
        print(f"There are no edit directions in {folder}.")


def summary_of(direction: "Direction") -> dict[str, object]:
    """A direction in one line."""
    facts = direction.provenance
    return {
        "name": direction.name or "from and to are not known",
        "length": round(float(direction.delta.norm()), 4),
        "model": facts.get("model", "model not known"),
        "origin": facts.get("origin", "origin not known"),
    }


def import_(
    *files: Annotated[Path, Parameter(help="SOURCE.pt and TARGET.pt, or one hub id or folder")],
    source: Annotated[Text | None, Parameter(help="word of the first file [default its name]")] = None,
    target: Annotated[Text | None, Parameter(help="word of the second file [default its name]")] = None,
    output: Saved,
    overwrite: Overwrite = False,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Make an edit direction of two published files of mean embeddings, or of a repository of the hub.

    Nothing in the files is run. They do not say which model they are of: those that come with pix2pix-zero and
    MirrorDiffusion are of Stable Diffusion 1.4.
    """
    from zeroshift.conditioning.direction import save_direction
    from zeroshift.directions.exchange import begins_apart, import_pair

    if not 1 <= len(files) <= 2:
        raise Wrong("Give the file of the source and that of the target, or one hub id.")
    if len(files) == 1 and (source or target):
        raise Wrong("--source and --target name the words of two files; a direction of the hub says its own.")
    check_apart([("the file of a word", file) for file in files], [output])
    (output,) = settled([output], overwrite, loud)
    check_writable(output, ".safetensors")
    begun = time.perf_counter()
    if len(files) == 1:
        from zeroshift.directions.hub import from_pretrained

        found = from_pretrained(files[0].as_posix())
    else:
        found = import_pair(files[0], files[1], (source or files[0].stem, target or files[1].stem))
        apart = begins_apart(found)
        said = (
            f"These files were not made alike: they differ by {apart:.3g} at the begin token, which no word can move "
            "(one of them in half precision, perhaps); take two of one set."
        )
        warn([said] if apart > 1e-4 else [], loud)
    save_direction(found, output)
    tell(output, time.perf_counter() - begun, summary_of(found), loud, f"; {summary_of(found)['name']}")


def export(
    file: Annotated[Path, Parameter(help="saved edit direction (.safetensors)")],
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(
            name=["--output", "-o"], group=OUTPUT, help="folder for SOURCE.pt and TARGET.pt, as pix2pix-zero has"
        ),
    ] = None,
    to_hub: Annotated[Text | None, Parameter(help="repository of the hub, owner/name")] = None,
    private: Annotated[bool, Parameter(help="make a new repository private")] = False,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Write a saved edit direction as other tools read it, or upload it to the hub with a card."""
    from zeroshift.conditioning.direction import load_direction
    from zeroshift.files import slug

    if (output is None) == (to_hub is None):
        raise Wrong("Say where it goes: --output FOLDER or --to-hub OWNER/NAME.")
    if private and to_hub is None:
        raise Wrong("--private is for a repository; add --to-hub OWNER/NAME.")
    direction, begun = load_direction(file), time.perf_counter()
    if to_hub is not None:
        from zeroshift.directions.hub import push_to_hub

        place = push_to_hub(direction, to_hub, private=private or None)
        tell(Path(to_hub), time.perf_counter() - begun, {"commit": place}, loud, f"; {place}")
        return
    from zeroshift.directions.exchange import export_pair

    assert output is not None
    check_folder(output)
    names = [slug(direction.provenance.get(role, role)) for role in ("source", "target")]
    if any((output / f"{name}.pt").exists() for name in names):
        raise ValueError(f"{output} has {names[0]}.pt or {names[1]}.pt already; choose another folder.")
    for path in export_pair(direction, output, (names[0], names[1])):
        tell(path, time.perf_counter() - begun, {}, loud)


def compose(
    *files: Annotated[Path, Parameter(help="saved edit directions")],
    weights: Annotated[
        Text | None, Parameter(help="how much of each, with commas between; -1 turns one round [default 1 of each]")
    ] = None,
    output: Saved,
    overwrite: Overwrite = False,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Add edit directions of one model: cat to dog and photo to sketch at once, one turned round, one stronger."""
    from zeroshift.cli.editing import numbers_of
    from zeroshift.conditioning.direction import load_direction, save_direction
    from zeroshift.directions.composing import compose as added

    if not files:
        raise Wrong("Give one saved edit direction or more.")
    shares = [1.0] * len(files) if weights is None else numbers_of(weights, "--weights")
    if len(shares) != len(files):
        raise Wrong(f"--weights takes a number for every direction, and these are {len(shares)} for {len(files)}.")
    check_apart([("the edit direction", file) for file in files], [output])
    (output,) = settled([output], overwrite, loud)
    check_writable(output, ".safetensors")
    begun = time.perf_counter()
    found = added([load_direction(file) for file in files], shares)
    save_direction(found, output)
    tell(output, time.perf_counter() - begun, summary_of(found), loud, f"; {summary_of(found)['name']}")
