"""Directions as things of their own: quality, sums, published files without unpickling, the hub's conventions."""

import base64
import hashlib
import json
import os
import pickle
import shlex
import shutil
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, constants
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel

from tests.shell import call, edit, photograph, refused
from tests.tiny import tiny_backbone
from tests.watch import calls
from zeroshift.cache import MeanFolder
from zeroshift.conditioning.direction import Direction, direction_of_words, doubts, load_direction, save_direction
from zeroshift.conditioning.means import keep_means
from zeroshift.directions.composing import compose
from zeroshift.directions.exchange import export_pair, import_pair, read_mean
from zeroshift.directions.figure import BAR, HEAD, HEIGHT, MARGIN, draw
from zeroshift.directions.hub import FILE, card, from_pretrained, push_to_hub
from zeroshift.directions.quality import doubts_about, quality_of
from zeroshift.generators import sift
from zeroshift.generators.text_file import TextFile
from zeroshift.miniature.training.tokenizer import train_tokenizer
from zeroshift.sentences import swap_word, template_sentences

CATS, DOGS = template_sentences("cat", 60), template_sentences("dog", 40)


def drawn(seed: int, shape: tuple[int, ...] = (1, 4, 3), **facts: str) -> Direction:
    return Direction(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), facts)


def test_quality_is_distance_spread_and_chance(tiny):
    found = quality_of(tiny, CATS, DOGS)
    cats, dogs = (tiny.embed(s).tokens.flatten(1).numpy() for s in (CATS, DOGS))
    distance = np.linalg.norm(dogs.mean(0) - cats.mean(0))
    spread = np.sqrt((cats.var(0, ddof=1).sum() + dogs.var(0, ddof=1).sum()) / 2)
    assert found.distance == pytest.approx(distance) and found.spread == pytest.approx(spread)
    assert found.sentence == pytest.approx(np.sqrt((np.square(cats).sum() + np.square(dogs).sum()) / 100))
    assert found.chance == pytest.approx(spread * np.sqrt(1 / 60 + 1 / 40)) and 0 <= found.in_pieces < 0.5
    assert found.distance == pytest.approx(float(direction_of_words(tiny, "cat", "dog", 40).delta.norm()), rel=0.5)
    single = quality_of(tiny, CATS[:1], DOGS[:1])
    assert single.spread == single.chance == 0.0


def test_quality_encodes_no_sentence_again(tmp_path):
    """The sentences of a direction are encoded once, and not at all where an earlier process has kept them."""
    found = []
    for n in range(2):
        backbone = tiny_backbone(torch.float32)
        keep_means(backbone, MeanFolder(tmp_path))
        with calls(backbone.text_encoder) as seen:
            direction_of_words(backbone, "cat", "dog", 40)
            encoded = len(seen)
            found.append(quality_of(backbone, template_sentences("cat", 40), template_sentences("dog", 40)))
            assert len(seen) == encoded == (0 if n else 2)
    assert found[0] == found[1] and found[0].spread > 0


def test_chance_is_how_far_halves_of_one_set_are_apart(tiny):
    """Over several splits of one bank, as the equation says, to a third."""
    bank, found, said = template_sentences("cat", 80), [], []
    for seed in range(8):
        order = torch.randperm(80, generator=torch.Generator().manual_seed(seed)).tolist()
        one = quality_of(tiny, [bank[k] for k in order[:40]], [bank[k] for k in order[40:]])
        found.append(one.distance)
        said.append(one.chance)
        assert one.weak
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(np.mean(said), rel=0.35)


def test_a_weak_direction_is_warned_of(tiny):
    weak, strong = quality_of(tiny, CATS[:30], CATS[30:]), quality_of(tiny, CATS, DOGS)
    direction = direction_of_words(tiny, "cat", "dog", 5)
    plain = replace(strong, chance=strong.distance / 6, sentence=strong.distance * 9)
    assert doubts_about(direction, plain) == [] and not plain.weak
    assert replace(plain, chance=strong.distance / 4).weak and replace(plain, sentence=strong.distance * 11).weak
    (said,) = doubts_about(direction, weak)
    assert said.startswith("The edit direction from cat to dog is ") and "too weak to edit with; take words" in said


def test_words_in_pieces(tiny):
    (known, strange) = (quality_of(tiny, [f"a {word}"], ["a dog"]).in_pieces for word in ("cat", "xqzt"))
    assert known == 0 and strange == pytest.approx(1 / 3)


def test_sums_are_linear_and_say_what_they_are_of():
    a = drawn(1, source="cat", target="dog", model="m", text_sha256="1")
    b = drawn(2, source="photo", target="sketch", model="m", text_sha256="1")
    both = compose([a, b], [1.0, 0.5])
    assert torch.equal(both.delta, a.delta + 0.5 * b.delta) and both.name == "from cat, photo to dog, sketch"
    back = compose([a], [-1.0])
    assert torch.equal(back.delta, -a.delta) and back.name == "from dog to cat" and back.provenance["model"] == "m"
    parts = json.loads(both.provenance["parts"])
    assert [(p["sha256"], p["weight"], p["source"]) for p in parts] == [
        (a.sha256, 1.0, "cat"),
        (b.sha256, 0.5, "photo"),
    ]
    pooled = Direction(a.delta, {}, torch.ones(1, 2))
    assert torch.equal(compose([pooled, pooled], [1.0, 2.0]).pooled, 3 * torch.ones(1, 2))
    assert compose([a, drawn(2)], [1, 1]).provenance.get("model") is None


@pytest.mark.parametrize(
    ("directions", "weights", "sentence"),
    [
        ([drawn(1), drawn(1, (1, 4, 5))], [1, 1], r"of one text encoder, and these are one \(4, 3\) of .*\(4, 5\)"),
        ([drawn(1, text_sha256="1"), drawn(2, text_sha256="2")], [1, 1], "of one text encoder"),
        ([drawn(1), Direction(torch.ones(1, 4, 3), {}, torch.ones(1, 2))], [1, 1], "of one text encoder"),
        ([drawn(1), drawn(1)], [1, -1], "cancel out"),
        ([drawn(1)], [1, 2], "these are 1 and 2 weights"),
        ([drawn(1), drawn(2)], [1, float("nan")], "A weight is a finite number, and one of these is nan"),
        ([], [], "these are 0 and 0 weights"),
    ],
)
def test_what_cannot_be_added(directions, weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        compose(directions, weights)


def test_a_sum_meets_prompts_that_have_all_its_words(tiny):
    both = compose([direction_of_words(tiny, *words, 4) for words in (("cat", "dog"), ("photo", "sketch"))], [1, 1])
    assert doubts(both, tiny, "a photo of a cat", "a sketch of a dog") == []
    assert "asked for is cat to dog" in doubts(both, tiny, "cat", "dog")[0]


def published(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32, name: str = "cat") -> Path:
    """Save a mean embedding as pix2pix-zero's repository does, a bare tensor of (1, 77, 768)."""
    mean = torch.randn(1, 77, 768, generator=torch.Generator().manual_seed(seed))
    mean[:, 0] = torch.arange(768) / 100
    torch.save(mean.to(dtype), folder / f"{name}.pt")
    return folder / f"{name}.pt"


def test_published_files_are_imported(tmp_path):
    cat, dog = published(tmp_path, 0), published(tmp_path, 1, name="dog")
    made = import_pair(cat, dog, ("cat", "dog"))
    a, b = (torch.load(path, weights_only=True).double() for path in (cat, dog))
    assert torch.equal(made.delta, (b - a).float()) and made.delta.shape == (1, 77, 768)
    assert made.provenance["source_file_sha256"] == hashlib.sha256(cat.read_bytes()).hexdigest()
    half = published(tmp_path, 1, torch.float16, "half")
    assert import_pair(cat, half, ("cat", "dog")).delta.dtype == torch.float32


def test_exported_files_are_imported_as_the_same(tmp_path):
    direction = drawn(3, source="cat", target="dog")
    paths = export_pair(direction, tmp_path, ("cat", "dog"))
    assert [path.name for path in paths] == ["cat.pt", "dog.pt"]
    assert import_pair(*paths, ("cat", "dog")).sha256 == direction.sha256
    with pytest.raises(ValueError, match="pooled vector, for which such files have no place"):
        export_pair(Direction(direction.delta, {}, torch.ones(1, 2)), tmp_path, ("a", "b"))


class Bomb:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("boom",)


def bad_tensors(folder: Path) -> dict[str, bytes]:
    path = folder / "made"

    def saved(thing: object) -> bytes:
        torch.save(thing, path)
        return path.read_bytes()

    good = torch.ones(1, 4, 3)
    return {
        "code": saved(Bomb()),
        "old code": pickle.dumps(Bomb()),
        "a list": saved([good]),
        "integers": saved(good.long()),
        "two rows": saved(torch.ones(2, 4, 3)),
        "not numbers": saved(good / 0),
        "sparse": saved(good.to_sparse()),
        "empty": b"",
        "text": b"no tensor",
        "cut": saved(good)[:-60],
    }


@pytest.mark.parametrize("name", [
    "code", "old code", "a list", "integers", "two rows", "not numbers", "sparse", "empty", "text", "cut",
])  # fmt: skip
def test_nothing_else_is_imported_and_nothing_is_run(name: str, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.pt").write_bytes(bad_tensors(tmp_path)[name])
    torch.save(torch.zeros(1, 4, 3), tmp_path / "good.pt")
    with pytest.raises(ValueError, match=r"bad\.pt .*give (?:one tensor of finite floats|another file)|get it anew"):
        import_pair(tmp_path / "good.pt", tmp_path / "bad.pt", ("a", "b"))
    if name == "not numbers":
        with pytest.raises(ValueError, match=r"bad\.pt holds 12 values that are no finite numbers \(NaN, infinity\)"):
            read_mean(tmp_path / "bad.pt")
    assert not (tmp_path / "boom").exists()


def test_files_that_do_not_match(tmp_path):
    for name, shape in (("a", (1, 4, 3)), ("b", (1, 4, 5))):
        torch.save(torch.ones(shape), tmp_path / f"{name}.pt")
    with pytest.raises(ValueError, match=r"of different text encoders: \(1, 4, 3\) and \(1, 4, 5\)"):
        import_pair(tmp_path / "a.pt", tmp_path / "b.pt", ("a", "b"))
    with pytest.raises(ValueError, match="zero throughout"):
        import_pair(tmp_path / "a.pt", tmp_path / "a.pt", ("a", "b"))
    with pytest.raises(ValueError, match=r"none\.pt cannot be read"):
        import_pair(tmp_path / "a.pt", tmp_path / "none.pt", ("a", "b"))


def test_the_figure_has_a_bar_for_every_token():
    delta = torch.zeros(1, 6, 3)
    delta[0, 2, 0], delta[0, 4, 0] = 2.0, 1.0
    pixels = np.asarray(draw(Direction(delta, {"source": "cat", "target": "dog"})))
    heights = [int((pixels[HEAD : HEAD + HEIGHT, MARGIN + BAR * k + 6] == 60).sum()) for k in range(6)]
    assert heights[2] >= 199 and abs(heights[4] - heights[2] / 2) <= 2 and max(heights[k] for k in (0, 1, 3, 5)) <= 1
    titles = pixels[:HEAD], pixels[-20:], pixels[:, :16]  # what it is, and what either axis has
    assert all((part < 100).any() for part in titles)
    long = draw(Direction(delta, {"source": "cat" * 9, "target": "a very long sentence about a dog " * 9}))
    assert (np.asarray(long)[:HEAD, -8:] == 255).all()  # a title is cut between words, not at the edge


class Hub(ThreadingHTTPServer):
    """As much of the hub as one repository needs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files: dict[str, bytes] = {}
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None: ...

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(self.path)
        told: dict[str, object] = {}
        if self.path.endswith("/repos/create"):
            told = {"url": f"{self.server.url}/owner/name", "id": "1"}
        elif "/preupload/" in self.path:
            paths = [one["path"] for one in json.loads(body)["files"]]
            told = {"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]}
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            told = {
                "success": True,
                "commitUrl": f"{self.server.url}/owner/name/commit/{'a' * 40}",
                "commitOid": "a" * 40,
            }
        self.answer(200, json.dumps(told).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        data = self.server.files.get(self.path.rpartition("/")[2])
        if data is None:
            self.answer(404, b"{}", X_Error_Code="EntryNotFound", X_Repo_Commit="a" * 40)
        else:
            etag = f'"{hashlib.sha256(data).hexdigest()}"'
            self.answer(200, data, ETag=etag, X_Repo_Commit="a" * 40)

    do_HEAD = do_GET


@contextmanager
def hub():
    server = Hub()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_direction_goes_to_the_hub_and_comes_back(tmp_path, online):
    """A local server that speaks as much of the hub's protocol as the client asks for."""
    direction = drawn(5, source="cat", target="dog", model="m | x", quality='{"distance": 1.5}')
    with hub() as server:
        place = push_to_hub(direction, "owner/name", endpoint=server.url, token="t")
        assert place.endswith("/commit/" + "a" * 40) and set(server.files) == {FILE, "README.md"}
        back = from_pretrained("owner/name", endpoint=server.url, cache_dir=tmp_path, token=False)
        assert back.sha256 == direction.sha256 and back.provenance == direction.provenance
        server.files.clear()
        with pytest.raises(ValueError, match="did not give a direction as owner/other.*check the name"):
            from_pretrained("owner/other", endpoint=server.url, cache_dir=tmp_path, token=False)
    with pytest.raises(ValueError, match="did not take this direction as owner/name"):
        push_to_hub(direction, "owner/name", endpoint="http://127.0.0.1:9", token="t")


def test_a_folder_of_the_hubs_layout(tmp_path):
    direction = drawn(5, source="cat", target="dog")
    save_direction(direction, tmp_path / FILE)
    assert from_pretrained(tmp_path).sha256 == direction.sha256


def test_the_card(tmp_path):
    direction = drawn(5, source="cat", target="dog", model="m | x", quality='{"distance": 1.5}')
    (tmp_path / "README.md").write_text(str(card(direction, "owner/name")))
    read = ModelCard.load(tmp_path / "README.md")
    assert read.data.library_name == "zeroshift" and "edit-direction" in read.data.tags
    assert "# Edit direction from cat to dog" in read.text and 'from_pretrained("owner/name")' in read.text
    assert r"| model | m \| x |" in read.text and "| distance | 1.5 |" in read.text and direction.sha256 in read.text


def test_the_command_line(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(Path("cat.png"))
    made = ("--model", checkpoint, "--count", "20", "--threads", "1")
    for source, target in (("cat", "dog"), ("photo", "sketch")):
        name = f"{source}.safetensors"
        assert call(capsys, "direction", "make", "--source", source, "--target", target, *made, "-o", name).code == 0
    facts = json.loads(call(capsys, "direction", "show", "cat.safetensors", "--json", "--figure", "f.png").out)
    assert facts["quality"]["distance"] == pytest.approx(facts["norm"], rel=1e-3)
    with Image.open("f.png") as figure:
        assert figure.height > 100
    done = call(
        capsys,
        "direction",
        "compose",
        "cat.safetensors",
        "photo.safetensors",
        "--weights",
        "1,0.5",
        "-o",
        "c.safetensors",
    )
    assert "from cat, photo to dog, sketch" in done.out
    assert call(capsys, "direction", "compose", "cat.safetensors", "--weights=-1", "-o", "b.safetensors").code == 0
    Path("other.safetensors").write_bytes(b"no direction")
    listed = call(capsys, "direction", "list").out.splitlines()
    assert [line.split("  ")[:2] for line in listed] == [
        ["b.safetensors", "from dog to cat"],
        ["c.safetensors", "from cat, photo to dog, sketch"],
        ["cat.safetensors", "from cat to dog"],
        ["photo.safetensors", "from photo to sketch"],
    ]
    back = edit(capsys, checkpoint, "cat.png", "--source", "dog", "--target", "cat", "--direction", "b.safetensors")
    assert back.code == 0 and "leads" not in back.err
    assert call(capsys, "direction", "export", "cat.safetensors", "-o", "pair").code == 0
    again = call(capsys, "direction", "import", "pair/cat.pt", "pair/dog.pt", "-o", "again.safetensors")
    assert again.code == 0 and "from cat to dog" in again.out
    assert load_direction(Path("again.safetensors")).sha256 == load_direction(Path("cat.safetensors")).sha256
    refused(call(capsys, "direction", "export", "cat.safetensors", "-o", "pair"), 1, "cat.pt or dog.pt already")
    refused(call(capsys, "direction", "export", "cat.safetensors"), 2, "--output FOLDER or --to-hub OWNER/NAME")
    refused(call(capsys, "direction", "compose", "-o", "x.safetensors"), 2, "one saved edit direction or more")
    for odd in ("a", "nan", "1e999"):
        done = call(capsys, "direction", "compose", "cat.safetensors", "--weights", odd, "-o", "x.safetensors")
        refused(done, 2, "--weights takes numbers", odd)
    Path("empty").mkdir()
    assert call(capsys, "direction", "list", "empty").out == "There are no edit directions in empty.\n"
    refused(call(capsys, "direction", "list", "nowhere"), 2, "There is no folder nowhere")
    published(tmp_path, 0)
    published(tmp_path, 1, torch.float16, "dog")
    told = call(capsys, "direction", "import", "cat.pt", "dog.pt", "-o", "sd.safetensors")
    assert told.code == 0 and "were not made alike: they differ by" in told.err
    weak = call(capsys, "direction", "make", "--source", "cat", "--target", "Cat ", *made, "-o", "w.safetensors")
    refused(weak, 2, "are both")


def test_one_direction_for_several_targets_is_refused_in_python_too(tiny):
    from zeroshift.asked.edits import EditSpec
    from zeroshift.editor import Editor
    from zeroshift.running.batching import groups
    from zeroshift.words import DoubtfulWords

    specs = [EditSpec(source="cat", target=target) for target in ("dog", "pug")]
    with pytest.raises(ValueError, match="leads to one target, and these are 2"):
        list(groups(Editor(tiny, {}), None, specs, direction=direction_of_words(tiny, "cat", "dog", 4)))
    editor, direction = Editor(tiny, {}), direction_of_words(tiny, "cat", "dog", 4)
    method, picture = editor.method("pix2pix-zero", {"steps": 1}), Image.new("RGB", (32, 32))
    result = editor.edit(picture, "dog", "cat", direction=direction, method=method)
    assert "The edit direction leads from cat to dog, and asked for is dog to cat." in result.warnings
    with pytest.raises(DoubtfulWords, match="leads from cat to dog, and asked for is dog to cat"):
        editor.edit(picture, EditSpec(source="dog", target="cat", strict=True), direction=direction, method=method)


def documented(command: str) -> list[list[str]]:
    """The commands of the papers' tasks that begin so, as the page has them."""
    page = (Path(__file__).parent.parent / "docs/directions.md").read_text(encoding="utf-8")
    section = page.partition("## The papers' tasks")[2]
    return [shlex.split(line)[1:] for line in section.splitlines() if line.startswith(f"zeroshift {command} ")]


def longer(checkpoint: Path, folder: Path) -> Path:
    """Copy a checkpoint, with a text encoder that reads 77 tokens as Stable Diffusion's does."""
    shutil.copytree(checkpoint, folder)
    words = train_tokenizer(template_sentences("cat", 200), 400, 77)
    words.save_pretrained(folder / "tokenizer")
    config = CLIPTextConfig.from_pretrained(folder / "text_encoder")
    config.update({"max_position_embeddings": 77, "vocab_size": len(words)})
    config.update({name: getattr(words, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")})
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder


@pytest.mark.slow
def test_the_papers_tasks_are_commands_that_run(capsys, checkpoint, tmp_path, monkeypatch):
    commands, checkpoint = documented("direction make"), longer(checkpoint, tmp_path / "longer")
    assert len(commands) == 9
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(Path(__file__).parent.parent / "examples")
    for command in commands:
        command[command.index("--model") + 1] = str(checkpoint)
        frames = "--sentences-from" in command
        few = () if frames else ("--count", "50")
        done = call(capsys, *command, *few, "--threads", "1", "--json")
        assert done.code == 0, done
        facts = json.loads(done.out)
        assert (facts["source_sentences"], facts["target_sentences"]) == (("144",) * 2 if frames else ("50",) * 2)
        assert facts["origin"] == ("files" if frames else "template bank") and facts["norm"] > 0


@pytest.mark.slow
def test_the_papers_tasks_are_edits_that_run(capsys, checkpoint, tmp_path, monkeypatch):
    """Each along the direction that its own command made, without a doubt about words or direction."""
    checkpoint = longer(checkpoint, tmp_path / "longer")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(Path(__file__).parent.parent / "examples")
    for make, change in zip(documented("direction make"), documented("edit"), strict=True):
        photograph(Path(change[1]), 32, 32)
        for command in (make, change):
            command[command.index("--model") + 1] = str(checkpoint)
        assert make[make.index("-o") + 1] == change[change.index("--direction") + 1]
        assert call(capsys, *make, "-q").code == 0
        done = call(capsys, *change, "--steps", "1", "-o", f"{make[-1]}.png")
        assert done.code == 0 and Path(f"{make[-1]}.png").exists(), done
        assert "leads" not in done.err and "made with" not in done.err, done.err


@pytest.mark.parametrize(
    ("name", "word", "lines"),
    [
        ("style", "oil pastel", 144),
        ("season", "winter", 144),
        ("thing", "old tree", 144),
        ("animal", "owl", 162),
        ("picture", "oil pastel", 120),
    ],
)
def test_frames_are_filled_alike_for_all_words(name: str, word: str, lines: int):
    generator = TextFile(Path(__file__).parent.parent / f"examples/frames/{name}.txt")
    ours, theirs = generator(word, 0), generator("sketch", 0)
    assert len(set(ours)) == len(ours) == lines and all(word in line and "{}" not in line for line in ours)
    assert [swap_word(line, "sketch", word) for line in theirs] == ours
    assert sift(ours, word).dropped == {} and not any(f"a {word}" in line for line in ours if word[0] in "aeiou")
