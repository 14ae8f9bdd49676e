"""What trains a critic: its table of scores, the edits that were scored, the reading of them, and the command."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zeroshift
from tests.test_critic import sighted
from tests.tiny import tiny_checkpoint
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.image.tensors import to_tensor
from zeroshift.miniature.critic import load_critic, seen, segmenter_sha256
from zeroshift.miniature.critic_network import WIDTH, areas
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.segmenter import load_segmenter, save_segmenter

pytest.importorskip("lightning")
from zeroshift.miniature.training.critic import FOLDS, RIDGE, fitted, held_out, main, order
from zeroshift.miniature.training.redrawn import weights_of
from zeroshift.miniature.training.scores import COLUMNS, KEY, Scored, edited, read_scores

HASH = "0123456789abcdef" * 4
FEW = '{"steps": 2}'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint that has a segmenter."""
    root: Path = tiny_checkpoint(tmp_path_factory.mktemp("own") / "tiny")
    save_segmenter(sighted(), root / "segmenter")
    return root


def table(folder: Path, rows, sha256: str = HASH, columns=COLUMNS) -> Path:
    with (folder / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *[(*row, sha256[:KEY]) for row in rows]])
    return folder


def pets(root: Path, rows, sha256: str) -> Path:
    """Four photographs, one of which shows nobody knows what, and scores of edits of them."""
    root.mkdir()
    draw, said = np.random.default_rng(0), []
    for n, species in enumerate(("cat", "dog", "cat", "")):
        Image.fromarray(draw.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(root / f"pet_{n}.png")
        said.append((f"pet_{n}.png", "train", species, f"a photo of a {species or 'fox'}"))
    with (root / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "split", "species", "caption"), *said])
    return table(root, rows, sha256)


EDITS = [
    ("pet_1.png", "cat", FEW, 1),
    ("pet_0.png", "dog", FEW, 3.5),
    ("pet_0.png", "dog", '{"steps": 3}', 0),
    ("pet_2.png", "dog", FEW, 2),
    ("pet_0.png", "tabby dog", '{"steps":2}', "4"),
]


def numbers(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What was seen of ``count`` edits and of their mirror images, and scores."""
    torch.manual_seed(1)
    return torch.randn(count, 2, WIDTH) * (torch.rand(WIDTH) + 0.1) + torch.randn(WIDTH), torch.rand(count) * 4


def test_the_reading_is_the_ridge_regression_of_its_standardised_numbers():
    """Both pictures of a pair count; of the full system the gradient is nothing, and a small one is solved apart."""
    found, scores = numbers(12)
    network = fitted(found, scores)
    x, y = found.double().flatten(0, 1), scores.double().repeat_interleave(2)
    rows, weights = (x - x.mean(0)) / x.std(0), network.out.weight[0].double()
    torch.testing.assert_close(network.mean.double(), x.mean(0), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(network.scale.double(), x.std(0), atol=1e-5, rtol=1e-5)
    assert float(network.out.bias) == pytest.approx(float(scores.mean()), abs=1e-6)
    left = rows.T @ (y - y.mean() - rows @ weights) - RIDGE * WIDTH * weights
    assert left.abs().max() < 1e-3 * (rows.T @ (y - y.mean())).abs().max()
    told = network.read(found).mean(1)
    assert torch.corrcoef(torch.stack([told, scores]))[0, 1] > 0.9
    few = found.clone()
    few[..., 6:] = 7.0  # numbers that never change have no say
    network, columns = fitted(few, scores), rows[:, :6]
    system = torch.cat([columns, (RIDGE * WIDTH) ** 0.5 * torch.eye(6, dtype=torch.float64)])
    wanted = torch.linalg.lstsq(system, torch.cat([y - y.mean(), torch.zeros(6, dtype=torch.float64)])[:, None])
    torch.testing.assert_close(network.out.weight[0, :6].double(), wanted.solution[:, 0], rtol=1e-3, atol=1e-9)
    assert not network.out.weight[0, 6:].any() and network.read(few).isfinite().all()


def test_a_photograph_is_judged_by_what_the_others_taught():
    found, scores = numbers(14)
    photographs = torch.arange(14) // 2
    before = held_out(found, scores, photographs)
    for fold in range(FOLDS):
        own = photographs % FOLDS == fold
        torch.testing.assert_close(before[own], fitted(found[~own], scores[~own]).read(found[own]).mean(1))
        others = torch.where(photographs == fold, 4 - scores, scores)
        after = held_out(found, others, photographs)
        torch.testing.assert_close(after[own], before[own], rtol=0, atol=0)
        assert (after[~own] != before[~own]).all()


def test_order_is_of_pairs_a_point_apart_and_of_what_is_chosen():
    scored = [Scored("a", str(n), "{}", score) for n, score in enumerate((1.0, 3.0, 2.0))]
    scored += [Scored("b", str(n), "{}", score) for n, score in enumerate((3.9, 3.0))]
    judged = torch.tensor([0.5, 0.2, 0.9, 0.1, 0.3])
    # of a: 3 above 1 is judged wrong, 3 above 2 too, 2 above 1 right; those of b lie too near to each other
    assert order(scored, [0, 0, 0, 1, 1], judged) == {"pairs": 0.333, "first": 2.45, "chosen": 2.5, "best": 3.45}
    alone = order(scored[:1], [0], judged[:1])
    assert alone == {"pairs": 0, "first": 1, "chosen": 1, "best": 1}


def test_scores_are_read_picture_by_picture(tmp_path):
    found = read_scores(table(tmp_path, EDITS), HASH)
    assert [(one.file, one.target, one.score) for one in found] == [
        ("pet_0.png", "dog", 3.5),
        ("pet_0.png", "dog", 0),
        ("pet_0.png", "tabby dog", 4),
        ("pet_1.png", "cat", 1),
        ("pet_2.png", "dog", 2),
    ]
    assert found[0].options == found[2].options  # however they are written
    (alone,) = read_scores(table(tmp_path, [("pet_0.png", "dog", "", 1)]), HASH)
    assert alone == Scored("pet_0.png", "dog", "{}", 1.0)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.png,dog,,1", "has other columns than the first; write as many."),
        (f"a.png,dog,,1,{HASH[:KEY]},more", "has other columns than the first; write as many."),
        ("a.png,dog,,1,eba9ad4bb81a", f"scores an edit of the model eba9ad4bb81a, and this one is {HASH[:KEY]}; score"),
        (f"a.png,dog,steps,1,{HASH[:KEY]}", ": its options are no JSON, or its score is no number; write it anew."),
        (f"a.png,dog,,good,{HASH[:KEY]}", ": its options are no JSON, or its score is no number; write it anew."),
        (f"a.png,dog,,,{HASH[:KEY]}", ": its options are no JSON, or its score is no number; write it anew."),
        (f"a.png,dog,[2],1,{HASH[:KEY]}", ": options are names with their values, and scores lie in 0 to 4."),
        (f"a.png,dog,,4.1,{HASH[:KEY]}", ": options are names with their values, and scores lie in 0 to 4."),
        (f"a.png,dog,,-1,{HASH[:KEY]}", ": options are names with their values, and scores lie in 0 to 4."),
        (f"a.png,dog,,nan,{HASH[:KEY]}", ": options are names with their values, and scores lie in 0 to 4."),
    ],
)
def test_a_line_that_says_nothing_is_named(tmp_path, row, said):
    path = table(tmp_path, [("pet_0.png", "dog", "", 1)]) / "scores.csv"
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(ValueError) as told:
        read_scores(tmp_path, HASH)
    assert str(told.value).startswith(f"Line 3 of {path}") and said in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"file,target,options\n", "lacks the column model, score.$"),
        (b"", "lacks the column file, model, options, score, target.$"),
        (
            ",".join(COLUMNS).encode() + b"\n\xff\xfe",
            r"is no table of comma-separated values in UTF-8 \(.*write it anew",
        ),
        (None, r"is no table of comma-separated values in UTF-8 \(.*write it anew"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, written, said):
    if written is not None:
        (tmp_path / "scores.csv").write_bytes(written)
    with pytest.raises(ValueError, match=said):
        read_scores(tmp_path, HASH)


def test_the_models_hash_is_of_what_it_draws_by(model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    shutil.rmtree(copy / "segmenter")
    assert weights_of(copy) == weights_of(model)
    weights = copy / "unet/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert weights_of(copy) != weights_of(model)
    table_of_ours = Path(__file__).parent.parent / "training"
    assert len(read_scores(table_of_ours, weights_of(SHIPPED))) == 1163


def test_the_edits_that_were_scored_are_made_again(model, tmp_path):
    data = CaptionedFolder.open(pets(tmp_path / "pets", EDITS, weights_of(model)))
    scored, editor = read_scores(data.root, weights_of(model)), zeroshift.load(model, device="cpu", precision="fp32")
    made = [*edited(editor, data, scored)]
    assert [len(of_one) for of_one in made] == [3, 1, 1]
    pictures = [picture for of_one in made for picture in of_one]
    for one, picture in zip(scored, pictures, strict=True):
        (photo,) = data.read([row for row in data.pictures if row.file == one.file], 32)
        taken = Image.fromarray(photo.permute(1, 2, 0).numpy())
        source = "dog" if one.file == "pet_1.png" else "cat"
        spec = {"source": source, "target": one.target, "options": {"steps": 3 if "3" in one.options else 2}}
        alone = editor.edit(taken, zeroshift.EditSpec(**spec, mask="grown", second_try=False)).image
        # several targets round otherwise
        assert picture.size == (32, 32) and np.abs(np.asarray(picture).astype(int) - np.asarray(alone)).max() <= 1
    assert len({picture.tobytes() for picture in pictures}) == 5


def test_a_critic_is_trained_and_put_beside_the_model(model, tmp_path, capsys):
    own, folder = shutil.copytree(model, tmp_path / "own"), pets(tmp_path / "pets", EDITS, weights_of(model))
    wider = replace(load_segmenter(own / "segmenter"), animals=("cat", "dog", "tiger"))
    save_segmenter(wider, own / "segmenter")
    main([str(folder), str(own)])
    said = capsys.readouterr().out
    trained, by = load_critic(own), load_segmenter(own / "segmenter")
    assert trained.trained_on == "5 edits of 3 photographs" and trained.segmenter_sha256 == segmenter_sha256(own)
    assert trained.animals == ("cat", "dog")  # nobody scored a tiger
    assert (trained.enough, trained.better_by) == (2.6, 0.05)
    assert trained.figures["first"] == pytest.approx((3.5 + 1 + 2) / 3, abs=1e-3) and "best 2.3330" in said
    data, editor = CaptionedFolder.open(folder), zeroshift.load(own, device="cpu", precision="fp32")
    scored = read_scores(folder, weights_of(own))
    pictures = [picture for of_one in edited(editor, data, scored) for picture in of_one]
    x = [to_tensor([picture]) for picture in pictures]
    found = torch.stack([areas(seen(by.network.trunk, torch.cat([one, one.flip(-1)]))) for one in x])
    wanted = fitted(found, torch.tensor([one.score for one in scored])).read(found).mean(1)
    assert editor.critic.scores(pictures) == pytest.approx(wanted.tolist(), abs=0.02)  # half precision
    before = {path: path.read_bytes() for path in (own / "critic").iterdir()}
    with pytest.raises(SystemExit, match="^error: .*critic is not empty; name another folder"):
        main([str(folder), str(own)])
    assert {path: path.read_bytes() for path in (own / "critic").iterdir()} == before


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("fox.png", "dog", FEW, 1), "does not say the species of fox.png, whose edits are scored; add it."),
        (("pet_3.png", "dog", FEW, 1), "does not say the species of pet_3.png, whose edits are scored; add it."),
        (("pet_2.png", "dog", '{"stpes": 2}', 1), "stpes"),
        (("pet_2.png", "cat", FEW, 1), 'Source and target are both "cat"'),
    ],
)
def test_what_cannot_be_made_again_is_told(model, tmp_path, row, said):
    folder = pets(tmp_path / "pets", [EDITS[1], row], weights_of(model))
    with pytest.raises(SystemExit, match="^error: .*") as told:
        main([str(folder), str(model)])
    assert said in str(told.value) and "\n" not in str(told.value) and not (model / "critic").exists()


def test_a_table_without_scores_is_told(model, tmp_path):
    folder = pets(tmp_path / "pets", [], weights_of(model))
    with pytest.raises(SystemExit, match="^error: "):
        main([str(folder), str(model)])


def test_two_scores_of_one_edit_both_count(model, tmp_path):
    own = shutil.copytree(model, tmp_path / "own")
    folder = pets(tmp_path / "pets", [EDITS[1], (*EDITS[1][:3], 1.5), EDITS[0]], weights_of(model))
    main([str(folder), str(own)])
    assert load_critic(own).trained_on == "3 edits of 2 photographs"


def test_a_model_without_a_segmenter_has_nothing_to_see_by(checkpoint, tmp_path):
    folder = pets(tmp_path / "pets", EDITS, weights_of(checkpoint))
    with pytest.raises(
        SystemExit, match="^error: .*segmenter is no folder; give one that the segmenter's trainer wrote"
    ):
        main([str(folder), str(checkpoint)])


def test_a_model_that_is_not_there_is_not_made(tmp_path):
    folder = pets(tmp_path / "pets", EDITS, HASH)
    with pytest.raises(SystemExit, match="^error: .*nowhere"):
        main([str(folder), str(tmp_path / "nowhere")])
    assert not (tmp_path / "nowhere").exists()
