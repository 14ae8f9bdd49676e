"""Fewer passes of the network: what ``fast`` makes of a method, and what goes before it."""

import pytest

from zeroshift import EditSpec
from zeroshift.methods import METHODS
from zeroshift.methods.fast import FAST
from zeroshift.presets import build_method, faster

NAMES = [method.name for method in METHODS]


def test_every_method_has_a_way():
    assert set(FAST) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_fewer_steps_and_nothing_that_would_be_refused(name):
    spec = EditSpec(target="dog", source="cat", method=name, fast=True)
    spec.check()
    assert spec.bare_method.steps < build_method(name).steps
    assert spec.bare_method == build_method(name, FAST[name])


def test_a_model_that_needs_fewer_steps_keeps_them():
    preset = {"steps": 4, "guidance_scale": 1.0}
    built = build_method("ddim", preset, faster("ddim", preset))
    assert (built.steps, built.guidance_scale, built.inversion.grid) == (4, 1.0, "multistep")
    preset = {"inversion": {"inner_steps": 5}}
    assert build_method("style-diffusion", preset, faster("style-diffusion", preset)).inversion.inner_steps == 5


def test_options_go_before_it():
    options = {"steps": 30, "inversion": {"kind": "null-text", "inner_steps": 2}}
    spec = EditSpec(target="dog", source="cat", method="prompt-to-prompt", options=options, fast=True)
    spec.check()
    assert (spec.bare_method.steps, spec.bare_method.inversion.kind) == (30, "null-text")
