"""The script for a GPU, on the CPU with tiny models: every way runs and is timed, and no case spoils the others."""

import json
import time
from collections.abc import Callable

import pytest
import torch
from benchmarks import gpu
from benchmarks.gpu import Case, measured_all
from benchmarks.sizes import MODELS, Model, fill

from tests.tiny import tiny_backbone
from tests.tiny_xl import tiny_xl_backbone

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Callable[[], Model]]:
    words = tmp_path_factory.mktemp("words") / "tokenizer_2"
    return {"sd15": lambda: tiny_backbone(torch.float32), "sdxl": lambda: tiny_xl_backbone(torch.float32, words)}


OTHERS = [Case("sd15", "fp32", way) for way in ("diffusers", "low", "channels_last", "two")] + [Case("sdxl", "fp32")]


@pytest.mark.parametrize(
    "cases", [[Case("sd15", "fp32")], pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["plain", "others"]
)
def test_every_way_is_timed(models, cases):
    found = [*measured_all(cases, models, CPU, 1, 1000)]
    assert [(told["model"], told["way"]) for told in found] == [(case.model, case.way) for case in cases]
    for told in found:
        assert "why_not" not in told and 0 < sum(told["stages"].values()) <= told["seconds"] * 1.001
        assert set(told["stages"]) == ({"edit"} if told["way"] == "diffusers" else {"invert", "edit"})


@pytest.mark.slow
def test_what_fails_and_what_has_no_time_left_is_told(models):
    def broken() -> Model:
        raise RuntimeError("CUDA out of memory\nand more")

    cases = [Case("broken", "fp16"), Case("sd15", "fp32")]
    first, second = measured_all(cases, models | {"broken": broken}, CPU, 1, 1000)
    assert first["why_not"] == "CUDA out of memory" and "seconds" in second
    assert [told["why_not"] for told in measured_all(cases, models, CPU, 2, -1)] == ["no time was left"] * 2


def test_the_script_writes_what_it_measured(tmp_path, monkeypatch):
    """All of ``main``, with a model of the shipped one's size in one step."""
    monkeypatch.setattr("sys.argv", ["gpu", str(tmp_path / "out.json"), "--tiny", "--steps", "1"])
    gpu.main()
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["device"], found["torch"], found["steps"]) == ("CPU", torch.__version__, 1)
    assert [told["way"] for told in found["cases"]] == [case.way for case in gpu.TINY]
    for told in found["cases"]:
        assert "why_not" not in told and told["weights_bytes"] > 0
        assert 0 < told["first_seconds"] + told["seconds"] < told["all_seconds"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["gpu", str(tmp_path / "out.json")])
    with pytest.raises(SystemExit, match="no CUDA device here; --tiny"):
        gpu.main()
    assert not (tmp_path / "out.json").exists()


def test_what_was_measured_stays_when_it_is_stopped(models, tmp_path):
    def stopped() -> Model:
        raise KeyboardInterrupt

    cases = [Case("sd15", "fp32"), Case("stopped", "fp32")]
    with pytest.raises(KeyboardInterrupt):
        gpu.write_each(tmp_path / "a.json", {"x": 1}, measured_all(cases, models | {"stopped": stopped}, CPU, 1, 1000))
    (told,) = json.loads((tmp_path / "a.json").read_text())["cases"]
    assert told["model"] == "sd15" and told["seconds"] > 0


def test_a_case_is_stopped_after_its_step_when_the_time_is_up(models):
    """And one that is thought not to fit is not begun: a slow case came before it."""
    begun = list[str]()

    def slow() -> Model:
        begun.append("slow")
        time.sleep(0.4)
        return models["sd15"]()

    cases = [Case("slow", "fp32"), Case("slow", "fp32", "low")]
    first, second = measured_all(cases, {"slow": slow}, CPU, 1, 0.3)
    assert first["why_not"] == "no time was left for the rest of it" and "seconds" not in first
    assert second["why_not"] == "no time was left"
    (never,) = measured_all([Case("slow", "fp32", "compiled")], {"slow": slow}, CPU, 1, gpu.COMPILING - 1)
    assert never["why_not"] == "no time was left" and begun == ["slow"]


def test_random_weights_keep_activations_in_range():
    layer = torch.nn.Linear(512, 256)
    fill(layer)
    out = layer(torch.randn(64, 512, generator=torch.Generator().manual_seed(0)))
    assert 0.8 < float(out.detach().std()) < 1.2 and not layer.bias.any()


def test_the_sizes_are_the_published_ones():
    parameters = {name: sum(x.numel() for x in build().unet.parameters()) for name, build in MODELS.items()}
    assert {name: round(count / 1e5) / 10 for name, count in parameters.items()} == {"sd15": 859.5, "sdxl": 2567.5}
    assert {case.model for case in gpu.CASES} == set(MODELS)
