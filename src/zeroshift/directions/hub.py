"""Edit directions on the hub: one repository with the direction and a card that says where it came from."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi, ModelCard, ModelCardData, hf_hub_download
from huggingface_hub import errors as hub_errors

from zeroshift.conditioning.direction import Direction, load_direction, save_direction
from zeroshift.directions.quality import norms

# HTTPError is that of the client which this version of the hub's library uses; its own errors are not all of that kind
_FAULTS: tuple[type[Exception], ...] = (
    hub_errors.HTTPError,  # type: ignore[attr-defined]
    hub_errors.HfHubHTTPError,
    hub_errors.EntryNotFoundError,
    hub_errors.LocalEntryNotFoundError,
    OSError,
)
FILE = "direction.safetensors"
"""what the direction is called in a repository"""


def push_to_hub(
    direction: Direction,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Upload a direction and its card, and return the commit's address; the repository is made if it is not there.

    Args:
        direction: what to upload.
        repo_id: owner/name.
        private: whether a new repository is private; None as the owner has set it.
        token: of the hub; None takes the one that ``hf auth login`` has stored.
        revision: branch.
        endpoint: address of the hub.

    Raises:
        ValueError: the hub refuses it or cannot be reached.
    """
    api = HfApi(endpoint=endpoint, token=token)
    with TemporaryDirectory() as folder, _told(repo_id, "take this direction"):
        save_direction(direction, Path(folder) / FILE)
        (Path(folder) / "README.md").write_text(str(card(direction, repo_id)), encoding="utf-8")
        api.create_repo(repo_id, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo_id, folder_path=folder, revision=revision, commit_message=f"Edit direction {direction.name}"
        )
    return str(done.commit_url)


def from_pretrained(
    repo_id: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    endpoint: str | None = None,
) -> Direction:
    """The direction in a repository of the hub, or in a folder of the same layout.

    Raises:
        ValueError: there is none, the hub cannot be reached, or it is not an edit direction.
    """
    if Path(repo_id).is_dir():
        return load_direction(Path(repo_id) / FILE)
    with _told(str(repo_id), "give a direction"):
        found = hf_hub_download(
            str(repo_id), FILE, revision=revision, cache_dir=cache_dir, token=token, endpoint=endpoint
        )
    return load_direction(Path(str(found)))


def card(direction: Direction, repo_id: str) -> ModelCard:
    """What a repository says of its direction: from where to where, of which model, made of what, how to use it."""
    facts = direction.provenance
    data = ModelCardData(library_name="zeroshift", tags=["edit-direction", "image-editing", "text-to-image"])
    shown = {**{key: value for key, value in facts.items() if key not in ("quality", "parts")}, **measured(direction)}
    rows = "\n".join(f"| {name.replace('_', ' ')} | {cell(value)} |" for name, value in shown.items())
    return ModelCard(
        f"---\n{data.to_yaml()}\n---\n\n# Edit direction {cell(direction.name or repo_id)}\n\n"
        "What is added to the encoded prompt of a picture, token by token, so that an edit shows something else "
        "(pix2pix-zero, Parmar et al. 2023, section 3.1).\n\n"
        "```python\nimport zeroshift\nfrom zeroshift.directions.hub import from_pretrained\n\n"
        f'direction = from_pretrained("{repo_id}")\n'
        'result = zeroshift.load(MODEL).edit("photo.jpg", SOURCE, TARGET, direction=direction)\n```\n\n'
        f"| fact | value |\n|---|---|\n{rows}\n"
    )


def measured(direction: Direction) -> dict[str, str]:
    """Shape, length, and what was measured of the sentences."""
    quality = json.loads(direction.provenance.get("quality", "{}"))
    length = math.sqrt(float(norms(direction).square().sum()))
    return {
        "tokens": str(direction.delta.shape[1]),
        "width": str(direction.delta.shape[2]),
        "length": f"{length:.4g}",
        "sha256": direction.sha256,
        **{name: str(value) for name, value in quality.items()},
    }


def cell(text: str) -> str:
    """A text as it can stand in a table."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).replace("|", "\\|").split())


@contextmanager
def _told(repo_id: str, what: str) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        why = f"it answered {status}" if status else "it cannot be reached, or has no such file"
        raise ValueError(
            f"The hub did not {what} as {repo_id}: {why}; check the name, and that you are logged in (hf auth login)."
        ) from error
