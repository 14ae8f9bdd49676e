"""Small networks in folders: weights in half precision, and beside them what they are built from."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor, nn

from zeroshift.files import check_no_pipe, regular, write_atomically

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def check_saved(folder: Path, what: str) -> None:
    """Refuse a folder that lacks one of the two files of ``what``, such as "classifier".

    Raises:
        ValueError: it does.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give one that the {what}'s trainer wrote.")
    for name in (CONFIG, WEIGHTS):
        check_no_pipe(folder / name, f"a {what} whose {name} is a file")
        if not (folder / name).is_file():
            raise ValueError(f"{folder} has no {name}; give a folder that the {what}'s trainer wrote.")


def saved_state(folder: Path) -> dict[str, Tensor]:
    """The weights in ``folder``, in float32.

    Raises:
        ValueError: one is not a number.
    """
    state = {name: x.float() for name, x in load_file(regular(folder / WEIGHTS)).items()}
    if not all(x.isfinite().all() for x in state.values()):
        raise ValueError("a weight is not a number")
    return state


def save_network(folder: Path, network: nn.Module, config: Mapping[str, object]) -> None:
    """Write ``network``'s weights in float16, and ``config``, into ``folder``."""
    # the step counters of batch normalisation serve training alone, but strict loading asks for them
    state = network.state_dict()
    weights = {name: (x.half() if x.is_floating_point() else x).contiguous() for name, x in state.items()}
    write_atomically(folder / WEIGHTS, save(weights))
    write_atomically(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
