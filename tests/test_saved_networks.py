"""The shipped model's own networks: weights that are no numbers are refused by every one that reads them."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.miniature.classifier import load_classifier
from zeroshift.miniature.critic import load_critic
from zeroshift.miniature.finder import load_finder
from zeroshift.miniature.restorer import load_restorer
from zeroshift.miniature.segmenter import load_segmenter


@pytest.mark.parametrize(
    ("part", "load"),
    [
        ("classifier", lambda root: load_classifier(root / "classifier")),
        ("finder", lambda root: load_finder(root / "finder")),
        ("segmenter", lambda root: load_segmenter(root / "segmenter")),
        ("restorer", lambda root: load_restorer(root / "restorer")),
        ("critic", load_critic),
    ],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, part, load, value):
    for name in {part, "segmenter"}:  # which the critic sees by
        shutil.copytree(SHIPPED / name, tmp_path / name)
    load(tmp_path)
    weights = load_file(tmp_path / part / "model.safetensors")
    name = next(name for name, x in weights.items() if x.is_floating_point() and x.numel() > 1)
    weights[name].view(-1)[1] = torch.tensor(value)
    save_file(weights, tmp_path / part / "model.safetensors")
    with pytest.raises(ValueError, match=rf"The {part} in .*a weight is not a number"):
        load(tmp_path)
