"""Tiny models of the real classes, random but seeded."""

import os

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", OMP_WAIT_POLICY="passive")

import pytest
import torch

from tests.tiny import tiny_backbone, tiny_checkpoint
from zeroshift.backbones.stable_diffusion import StableDiffusion

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> StableDiffusion:
    """A float64 backbone with 8 x 8 latents of 4 channels and prompts of 16 tokens."""
    return tiny_backbone(torch.float64)


@pytest.fixture(scope="session")
def tiny_v() -> StableDiffusion:
    """The same network, read as a v-prediction model."""
    return tiny_backbone(torch.float64, prediction="v_prediction")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory):
    """A tiny checkpoint on disk in diffusers format, 32 x 32 pixels."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")
