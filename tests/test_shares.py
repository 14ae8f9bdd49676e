"""How many steps a share stands for: as the authors' codes have it, and the same wherever a share ends something."""

from dataclasses import replace

import pytest
import torch

from tests.runs import plan
from zeroshift.control import AttentionGuidance, PromptToPrompt, Replay
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import EditFriendlyInversion, NoisedStart
from zeroshift.methods import PlugAndPlay
from zeroshift.options.shares import begun_steps, nearest_steps, whole_steps


@pytest.mark.parametrize(
    ("share", "steps", "whole", "begun", "nearest"),
    [
        (0.8, 50, 40, 40, 40),
        (0.5, 25, 12, 13, 12),
        (0.58, 50, 28, 29, 29),
        (0.29, 100, 28, 29, 29),
        (0.28, 50, 14, 15, 14),
        (0.01, 50, 0, 1, 0),
        (0, 50, 0, 0, 0),
        (1, 50, 50, 50, 50),
    ],
)
def test_roundings(share: float, steps: int, whole: int, begun: int, nearest: int):
    assert (whole_steps(share, steps), begun_steps(share, steps), nearest_steps(share, steps)) == (
        whole,
        begun,
        nearest,
    )
    assert begun == sum(i < share * steps for i in range(steps))


def bound(backbone, control):
    latent = torch.zeros(1, 4, 8, 8, dtype=torch.float64)
    return plan(
        backbone, PlugAndPlay(control=control), Trajectory(backbone.schedule(50), (latent,) * 51)
    ).branch.control


def test_thresholds_of_the_same_share_are_the_same_step(tiny):
    """0.58 of 50 is 28 in pnp-diffusers and in Prompt-to-Prompt; Plug-and-Play's first code replays one step more."""
    replay = Replay(feature_until=0.58, attention_until=0.58)
    for inclusive in (False, True):
        found = bound(tiny, replace(replay, inclusive=inclusive))
        assert (found.mapped, sum(found.shares)) == (28 + inclusive, 28 + inclusive)
    assert bound(tiny, PromptToPrompt(self_until=0.58)).self_steps == 28
    assert NoisedStart(noise_strength=0.58).first(50) == 50 - 28


def test_other_shares():
    assert AttentionGuidance(guidance_until=0.01).until(50) == 1
    assert EditFriendlyInversion(skip=0.29).first(100) == 29
