"""Tiny models of the real classes, random but seeded."""

import gc
import os
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", OMP_WAIT_POLICY="passive")

import pytest
import torch
from safetensors.torch import save_file

from tests.tiny import tiny_backbone, tiny_checkpoint
from tests.tiny_student import tiny_student
from tests.tiny_xl import tiny_xl_backbone
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.control.perceptual import shapes

torch.set_num_threads(1)
gc.disable()  # until everything is imported: libraries are kept, and looking through them for garbage takes long


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, and not among the libraries, and less often."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of encoded sentences that is nobody's, for this process and those that it starts."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["ZEROSHIFT_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def tiny() -> StableDiffusion:
    """A float64 backbone with 8 x 8 latents of 4 channels and prompts of 16 tokens."""
    return tiny_backbone(torch.float64)


@pytest.fixture(scope="session")
def tiny_v() -> StableDiffusion:
    """The same network, read as a v-prediction model."""
    return tiny_backbone(torch.float64, prediction="v_prediction")


@pytest.fixture(scope="session")
def tiny_xl(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionXL:
    """A float64 Stable Diffusion XL with latents of the same shape, two text encoders and deep attention."""
    return tiny_xl_backbone(torch.float64, tmp_path_factory.mktemp("words") / "tokenizer_2")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory):
    """A tiny checkpoint on disk in diffusers format, 32 x 32 pixels."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random student of both directions between cat and dog, 32 x 32 pixels, that edits all of a picture."""
    return tiny_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(params=["epsilon", "v_prediction"])
def backbone(request: pytest.FixtureRequest, tiny: StableDiffusion, tiny_v: StableDiffusion) -> StableDiffusion:
    """The tiny network, read as either kind of model."""
    return tiny if request.param == "epsilon" else tiny_v


@pytest.fixture(scope="session")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random VGG16 of torchvision's shapes."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(*shape, generator=generator) * 0.05 for name, shape in shapes().items()}
    save_file({**tensors, "classifier.0.bias": torch.zeros(2)}, path)
    return path
