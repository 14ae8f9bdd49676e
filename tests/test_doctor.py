"""``zeroshift doctor``: what it says of a checkpoint is what the loaded model is and needs."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from tests import replicas
from tests.original_layout import write_original
from tests.runs import method
from tests.shell import call, refused
from tests.tiny import tiny_checkpoint
from tests.tiny_xl import tiny_xl
from zeroshift import load
from zeroshift.backbones.alone import networks_of, read_unet
from zeroshift.backbones.checkpoint import find_checkpoint
from zeroshift.backbones.twin import twin
from zeroshift.cli.doctor import lines_of, lines_of_method
from zeroshift.cost.estimate import measure
from zeroshift.memory.need import need
from zeroshift.memory.room import TAKEN, pictures_within
from zeroshift.methods import DDIM, METHODS
from zeroshift.reports.doctor import Checkup, examine, fit_of

SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("xl", "file")]


@pytest.fixture(scope="module", params=["folder", *SLOW])
def model(request, tmp_path_factory):
    place = tmp_path_factory.mktemp(request.param)
    match request.param:
        case "folder":
            return tiny_checkpoint(place / "tiny")
        case "xl":
            return tiny_xl(place / "tiny-xl")
    return write_original(replicas.stable_diffusion_1(), "1", place / "tiny.safetensors")


def examined(model) -> Checkup:
    return examine(model, device="cpu", methods=["ddim", "style-diffusion"], method="ddim")


@pytest.mark.slow
def test_it_tells_what_is_loaded(model):
    found, backbone = examined(model), load(model, device="cpu", cache=False).backbone
    networks = networks_of(backbone)
    weights = [x for network in networks.values() for x in network.parameters()]
    assert found.weights_bytes == sum(x.nbytes for x in weights)
    assert (found.device, found.precision, found.size) == ("cpu", "fp32", backbone.size)
    assert found.prediction == backbone.schedule(2).prediction
    there = {part.name for part in found.parts if part.found}
    assert there >= {*networks, "tokenizer", "scheduler"}
    assert ("image_encoder" in there) == (backbone.open_clip is not None)
    unet = read_unet(find_checkpoint(model, None, None), torch.float32)
    wanted = backbone.unet.state_dict()
    assert all(torch.equal(x, wanted[key]) for key, x in unet.state_dict().items())

    fits = {fit.method: fit for fit in found.methods}
    assert list(fits) == ["ddim", "style-diffusion"]
    assert fits["ddim"].picture_bytes == need(backbone, [DDIM()], (backbone.size, backbone.size))
    why = fits["style-diffusion"].why_not
    assert (why is None) == (backbone.open_clip is not None)
    assert why is None or "image encoder" in why
    cost = measure(DDIM(), model=model)
    assert found.edit is not None
    assert found.edit.sf == pytest.approx(cost.first_edit_sf + cost.direction_sf)
    assert found.edit.seconds == pytest.approx(found.edit.sf * found.forward_seconds)


@pytest.mark.slow
def test_the_tables_say_what_was_found(checkpoint):
    found = examined(checkpoint)
    text = "\n".join(lines_of(found))
    assert found.edit is not None
    assert f"ddim                {found.edit.sf:.1f} SF" in text
    assert "classifier          none" in text
    (fit, _) = found.methods
    assert f"{fit.picture_bytes / 1e6:.0f} MB, {fit.batch} together" in text


@pytest.mark.slow
def test_where_not_one_picture_has_room_it_says_what_saving_leaves(tiny):
    fit = fit_of(method(steps=2), twin(tiny), room=0)
    assert fit.batch == 0 and fit.saved_bytes is not None and fit.picture_bytes is not None
    assert fit.saved_bytes < fit.picture_bytes
    (line,) = lines_of_method(fit)
    assert "not even one has room; " in line and line.endswith(" with --memory low")
    assert fit_of(method(steps=2), twin(tiny), room=1 << 40).saved_bytes is None


@pytest.mark.slow
def test_every_method_is_looked_at(capsys):
    done = call(capsys, "doctor", "--method", "ddim", "--device", "cpu", "--json")
    told = json.loads(done.out)
    assert (done.code, told["model"]) == (0, "shipped")
    assert [fit["method"] for fit in told["methods"]] == [method.name for method in METHODS]
    assert {part["name"] for part in told["parts"] if part["found"]} >= {"classifier", "finder", "words.json"}


def test_what_the_loader_refuses_is_refused_in_its_words(capsys, checkpoint, tmp_path):
    broken = shutil.copytree(checkpoint, tmp_path / "broken")
    shutil.rmtree(broken / "vae")
    with pytest.raises(ValueError, match="has no vae") as error:
        load(broken)
    refused(call(capsys, "doctor", broken), 1, str(error.value))
    refused(call(capsys, "doctor", checkpoint, "--method", "dddim"), 2, "dddim")


def test_pictures_leave_room_for_kernels():
    assert pictures_within(16, 100, 10) == int(TAKEN * 10)
    assert pictures_within(16, 10**6, 1) == 16
    assert pictures_within(16, 1, 10) == 1


def test_parts_beside_tell_their_size_and_their_damage(tmp_path):
    root = tiny_checkpoint(tmp_path / "tiny")
    weights = {"whole": torch.zeros(300, 500), "scale": torch.ones(())}
    for part in ("restorer", "segmenter", "finder", "critic"):
        (root / part).mkdir()
        (root / part / "config.json").write_text("{}")
    save_file(weights, root / "restorer/model.safetensors")
    save_file(weights, root / "critic/model.safetensors")
    (root / "segmenter/model.safetensors").write_bytes((root / "restorer/model.safetensors").read_bytes()[:-1])
    about = {part.name: part.about for part in examined(root).parts if part.found}
    assert about["image_encoder"] == ""  # its weights may have other names
    assert about["restorer"] == about["critic"] == "0.2 M parameters"  # 150,001
    for part in ("segmenter", "finder"):  # torn, and none
        assert about[part].startswith("its model.safetensors cannot be read; get the model anew")
