"""Captioned folders, and rebuilding one from archives."""

import csv
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zeroshift.miniature.data import CaptionedFolder, frequent, load_pictures, rows_of, with_coat
from zeroshift.miniature.data.pets import build, crop, main


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def write_table(folder: Path, rows: list[list[str]]) -> None:
    with (folder / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_reads_loose_and_zipped_pictures_alike(tmp_path):
    image = picture(0)
    (tmp_path / "a.png").write_bytes(encoded(image))
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.writestr("b.png", encoded(image))
    write_table(tmp_path, [["file", "caption", "coat"], ["a.png", "a cat", "black"], ["b.png", "a dog", ""]])
    pictures, rows = load_pictures(CaptionedFolder.open(tmp_path), "train", 16)
    assert pictures.shape == (2, 3, 16, 16)
    assert pictures[0].equal(pictures[1])
    assert rows[0].labels == {"coat": "black"} and rows[1].caption == "a dog"
    square = np.asarray(image.crop((5, 0, 35, 30)).resize((16, 16), Image.Resampling.LANCZOS))
    assert np.array_equal(pictures[0].permute(1, 2, 0).numpy(), square)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([["name", "text"], ["a.png", "a cat"]], "lacks the column"),
        ([["file", "caption"]], "lists no pictures"),
        ([["file", "caption"], ["a.png", "a cat"], ["b.png"]], r"Line 3 of .* has no caption; fill it in"),
        ([["file", "caption"], ["a.png", "  "]], "Line 2 of .* has no caption"),
        ([["file", "caption"], ["", "a cat"]], "Line 2 of .* has no file"),
        ([["file", "caption"], ["a.png", "a cat", " black"]], "Line 2 of .* more cells .* in quotes"),
    ],
)
def test_refuses_other_tables(tmp_path, rows, sentence):
    write_table(tmp_path, rows)
    with pytest.raises(ValueError, match=sentence):
        CaptionedFolder.open(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    (tmp_path / "captions.csv").write_text("file,caption\na.png,a cat\n", encoding="utf-8-sig")
    assert CaptionedFolder.open(tmp_path).pictures[0].file == "a.png"


def test_pictures_are_turned_upright_and_laid_over_white(tmp_path):
    image = picture(0, (24, 24))
    exif = Image.Exif()
    exif[0x0112] = 6  # what is stored lies on its left side
    image.rotate(90).save(tmp_path / "turned.png", exif=exif)
    clear = image.convert("RGBA")
    clear.putalpha(Image.new("L", image.size, 0))
    clear.save(tmp_path / "clear.png")
    image.save(tmp_path / "plain.png")
    write_table(tmp_path, [["file", "caption"], *([f"{name}.png", "a cat"] for name in ("plain", "turned", "clear"))])
    (plain, turned, clear), _ = load_pictures(CaptionedFolder.open(tmp_path), "train", 24)
    assert np.array_equal(plain.permute(1, 2, 0).numpy(), np.asarray(image))
    assert turned.equal(plain)
    assert clear.unique().tolist() == [255]


def test_refuses_what_is_no_zip_file_and_pictures_that_are_cut_short(tmp_path):
    write_table(tmp_path, [["file", "caption"], ["a.png", "a cat"]])
    folder = CaptionedFolder.open(tmp_path)
    (tmp_path / "a.png").write_bytes(encoded(picture(0))[:500])
    with pytest.raises(ValueError, match=r"a\.png .* cannot be read"):
        load_pictures(folder, "train", 16)
    (tmp_path / "pack.zip").write_bytes(b"PK, but no zip")
    with pytest.raises(ValueError, match=r"pack\.zip cannot be read as a zip file"):
        load_pictures(folder, "train", 16)
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.writestr("a.png", encoded(picture(0)))
    damaged = bytearray((tmp_path / "pack.zip").read_bytes())
    damaged[300] ^= 255
    (tmp_path / "pack.zip").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"a\.png .* cannot be read"):
        load_pictures(folder, "train", 16)


def test_refuses_missing_tables_pictures_and_splits(tmp_path):
    with pytest.raises(ValueError, match="no captions.csv"):
        CaptionedFolder.open(tmp_path)
    write_table(tmp_path, [["file", "caption"], ["a.png", "a cat"]])
    folder = CaptionedFolder.open(tmp_path)
    with pytest.raises(ValueError, match=r"a\.png .* cannot be read"):
        load_pictures(folder, "train", 16)
    with pytest.raises(ValueError, match="no pictures in the split test"):
        load_pictures(folder, "test", 16)


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def test_rebuilds_a_folder_from_the_archives(tmp_path):
    corners = b"<xmin>10</xmin><ymin>5</ymin><xmax>20</xmax><ymax>15</ymax>"
    box = b"<annotation><object><bndbox>" + corners + b"</bndbox></object></annotation>"
    with tarfile.open(tmp_path / "annotations.tar.gz", "w:gz") as tar:
        add(
            tar,
            "annotations/list.txt",
            b"#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\nbeagle_2 5 2 1\npug_3 6 2 2\n",
        )
        add(tar, "annotations/xmls/Abyssinian_1.xml", box)
        add(tar, "annotations/xmls/beagle_2.xml", box)
        parts = np.full((40, 40), 2, np.uint8)
        parts[5:15, 10:20] = 1  # the head's box
        add(tar, "annotations/trimaps/Abyssinian_1.png", encoded(Image.fromarray(parts)))
        add(tar, "annotations/trimaps/._Abyssinian_1.png", b"what a Mac leaves in archives")
    with tarfile.open(tmp_path / "images.tar.gz", "w:gz") as tar:
        for name in ("Abyssinian_1", "beagle_2", "pug_3"):
            add(tar, f"images/{name}.jpg", encoded(picture(1), "JPEG"))
    assert build(tmp_path / "images.tar.gz", tmp_path / "annotations.tar.gz", tmp_path / "pets", size=24) == 2
    folder = CaptionedFolder.open(tmp_path / "pets")
    assert [p.caption for p in folder.pictures] == ["a photo of an abyssinian cat", "a photo of a beagle dog"]
    assert folder.read(folder.pictures, 24).shape == (2, 3, 24, 24)
    assert sorted(path.name for path in (tmp_path / "pets").glob("*.png")) == ["Abyssinian_1.png"]
    trimap = np.asarray(Image.open(tmp_path / "pets/Abyssinian_1.png"))
    assert trimap.shape == (24, 24) and {*np.unique(trimap)} == {1, 2}
    rows, columns = np.nonzero(trimap == 1)
    assert abs(rows.mean() - 11.5) < 2 and abs((trimap == 1).mean() - 1 / 1.7**2) < 0.05


def test_crops_stay_inside_the_picture():
    white = Image.new("RGB", (100, 60), "white")
    assert np.asarray(crop(white, (90, 0, 100, 10), 16)).min() == 255
    assert crop(white, (0, 0, 100, 60), 16).size == (16, 16)


def test_refuses_another_archive(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"not a tar")
    with pytest.raises(ValueError, match="not a whole tar archive"):
        build(tmp_path / "a.tar.gz", tmp_path / "a.tar.gz", tmp_path)


def test_the_command_line_says_what_is_wrong_in_one_sentence(tmp_path, capsys):
    (tmp_path / "a.tar.gz").write_bytes(b"not a tar")
    for annotations in ("a.tar.gz", "nowhere.tar.gz"):
        with pytest.raises(SystemExit) as stopped:
            main([str(tmp_path / "a.tar.gz"), str(tmp_path / annotations), str(tmp_path / "pets")])
        assert str(stopped.value).startswith("error: ") and annotations in str(stopped.value)
    assert not (tmp_path / "pets").exists()


def test_rows_are_chosen_by_their_labels(tmp_path):
    lines = ["a,x,test,cat,black,hand", "b,x,test,dog,tan,auto", "c,x,test,bird,black,hand", "d,x,test,cat,,"]
    write_table(tmp_path, [line.split(",") for line in ("file,caption,split,species,coat,coat_label", *lines)])
    folder = CaptionedFolder.open(tmp_path)

    def names(rows):
        return "".join(row.file for row in rows)

    assert names(rows_of(folder, ("test",))) == "abd"
    assert names(with_coat(folder, "test")) == "abc"
    assert names(with_coat(folder, "test", by_hand=True)) == "ac"
    assert frequent(folder.pictures, "coat", 1) == ("black", "tan")
    assert frequent(folder.pictures, "coat", 2) == ("black",)
    assert frequent(folder.pictures, "colour", 1) == ()
    with pytest.raises(ValueError, match="has no cat or dog in val"):
        rows_of(folder, ("val",))


def test_coats_without_a_column_that_says_who_named_them_are_given_by_hand(tmp_path):
    write_table(tmp_path, [["file", "caption", "coat"], ["a", "x", "black"], ["b", "x", ""]])
    rows = with_coat(CaptionedFolder.open(tmp_path), "train", by_hand=True)
    assert [row.file for row in rows] == ["a"]
