"""Make a model whose denoiser is a longer or a shorter average of the weights of its training.

    python -m zeroshift.miniature.training.average MODEL OUT LENGTH [--run RUN]

MODEL was trained by ``zeroshift train --snapshots N`` in the folder RUN. LENGTH is a share of the training, such as
0.05: how far the average reaches back. Which is best is found by measuring (``zeroshift quality``).
"""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from zeroshift.files import copy_folder, folder_atomically, read_regular
from zeroshift.miniature.training.averages import combined
from zeroshift.miniature.training.command import at_work, parser_of
from zeroshift.miniature.training.run_folder import check_free


def make(model: Path, out: Path, length: float, run: Path) -> float:
    """Write ``model`` to ``out`` with another average of its denoiser; return what is missing of its profile.

    Raises:
        ValueError: ``run`` kept no averages, none has that ``length``, they are of another network than that of
            ``model``, or ``out`` holds something.
    """
    check_free(out)
    if not (model / "unet" / "config.json").is_file():
        raise ValueError(f"{model} has no unet; name the folder of a model that was trained with `snapshots`.")
    weights, missing = combined(run / "denoiser" / "averages", length)
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(model / "unet"))
    own = {name: value.shape for name, value in unet.state_dict().items()}
    if own != {name: value.shape for name, value in weights.items()}:
        raise ValueError(f"The averages of {run} are of another network than that of {model}; name its own `run`.")
    unet.load_state_dict(weights)
    with folder_atomically(out) as folder:
        copy_folder(model, folder)
        config = read_regular(folder / "unet" / "config.json")
        unet.to(torch.float16).save_pretrained(folder / "unet")
        (folder / "unet" / "config.json").write_bytes(config)
    return missing


def main(words: list[str] | None = None) -> None:
    """Read the command line, and make the model."""
    parser = parser_of("python -m zeroshift.miniature.training.average", "Make a model of another average of weights.")
    parser.add_argument("model", type=Path, help="folder of a model that was trained with snapshots")
    parser.add_argument("out", type=Path, help="folder of the new one")
    parser.add_argument("length", type=float, help="how far the average reaches back, as a share of the training")
    parser.add_argument("--run", type=Path, default=Path("run"), help="folder that it was trained in")
    given = parser.parse_args(words)
    with at_work(given.out):
        missing = make(given.model, given.out, given.length, given.run)
    print(f"{given.out}: an average of the length {given.length:g}, of whose profile {missing:.1%} is missing")


if __name__ == "__main__":
    main()
