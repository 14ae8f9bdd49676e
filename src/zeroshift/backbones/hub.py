"""Files of the hub's repositories, downloaded if they are not in its cache."""

from collections.abc import Sequence
from pathlib import Path

from zeroshift.faults import plain

_NOT_LOADED = ("*.fp16*", "*.non_ema*", "*flax*", "*openvino*", "*onnx*")


def snapshot(
    model: str,
    revision: str | None,
    cache_dir: str | Path | None,
    wanted: Sequence[str],
    skipped: Sequence[str] = _NOT_LOADED,
    what: str = "checkpoint",
) -> Path:
    """The folder, named by the commit, that has the ``wanted`` files of a hub repository's parts.

    Raises:
        ValueError: it is neither in the cache nor can it be downloaded; ``what`` is what the sentence calls it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            model, revision=revision, cache_dir=cache_dir, allow_patterns=list(wanted), ignore_patterns=list(skipped)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ValueError(
            f"The {what} {model} is not in the cache and cannot be downloaded ({why_not(error)}); check the name, or "
            "give a folder."
        ) from error
    return Path(folder)


def why_not(error: Exception) -> str:
    """Why nothing was downloaded, in a few words: the hub's own sentences go on for a paragraph."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    match error:
        case GatedRepoError():
            return "its owner admits people one by one: ask for that on its page, and log in"
        case RepositoryNotFoundError():
            return "the hub has no such repository, or only for others"
        case RevisionNotFoundError():
            return "it has no such revision"
        case HFValidationError():
            return "that is no name of a repository"
        case OfflineModeIsEnabled():
            return "HF_HUB_OFFLINE is set"
        case LocalEntryNotFoundError():
            return "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        case HfHubHTTPError() if error.response is not None:
            return f"the hub answered {error.response.status_code}"
    return plain(error)


def pickled(model: str, commit: str, part: str) -> bool:
    """Whether a hub repository's part has pickled weights; False where the hub cannot be asked."""
    from huggingface_hub import list_repo_files
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        names = list_repo_files(model, revision=commit)
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError):
        return False
    return any(name.startswith(f"{part}/") and name.endswith(".bin") for name in names)
