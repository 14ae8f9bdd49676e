"""Files of the hub's repositories, downloaded if they are not in its cache."""

from collections.abc import Sequence
from pathlib import Path

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
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"The {what} {model} is not in the cache and cannot be downloaded ({reason}).") from error
    return Path(folder)


def pickled(model: str, commit: str, part: str) -> bool:
    """Whether a hub repository's part has pickled weights; False where the hub cannot be asked."""
    from huggingface_hub import list_repo_files
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        names = list_repo_files(model, revision=commit)
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError):
        return False
    return any(name.startswith(f"{part}/") and name.endswith(".bin") for name in names)
