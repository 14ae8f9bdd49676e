"""Sentences from an endpoint: a local server that answers well and badly, and a key that appears nowhere."""

from pathlib import Path
from traceback import format_exception

import pytest

from tests.endpoint import served
from tests.shell import METHOD, call, photograph, refused

pytest.importorskip("openai")

from zeroshift.cli.sentences_from import keep_lines
from zeroshift.conditioning.direction import load_direction
from zeroshift.generators import StoppedShort, sift
from zeroshift.generators.completion import text_of, tokens_of
from zeroshift.generators.endpoint import Endpoint

SECRET = "sk-never-to-be-seen"
ONCE = ("garbage", "broken_json", "other_json", "wrong_key", "dripping", "packed", "deep", "cut", "elsewhere")
"""what is not asked again"""


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ZEROSHIFT_API_KEY", SECRET)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def endpoint(server, **options) -> Endpoint:
    return Endpoint(server.url, **{"retries": 1, "timeout": 0.5, **options})


def test_a_server_that_answers_well():
    with served("well") as server:
        lines = endpoint(server, at_once=4)("cat", 6)
        found = endpoint(server).settings
    assert lines == [f"{k + 1}. a cat in picture {n} of {k}" for n in range(2) for k in range(4)]
    assert len(sift(lines, "cat", count=6).sentences) == 6
    (_, body, shown), *_ = server.seen
    assert shown == f"Bearer {SECRET}" and body["model"] == "only" and "seed" not in body
    assert "Write 4 different captions of pictures that show a cat" in body["messages"][0]["content"]
    assert found["url"] == server.url and found["model"] == "only" and SECRET not in str(found)


@pytest.mark.parametrize(
    ("manner", "sentence"),
    [
        ("garbage", "answered what is no chat completion; check that the address ends as in https://HOST/v1"),
        ("broken_json", "answered what is no chat completion"),
        ("other_json", "answered what is no chat completion"),
        ("wrong_key", "answered 401, so it wants another key; put it into the environment variable ZEROSHIFT_API_KEY"),
        ("too_often", "answered 429, so it wants to be asked less often"),
        ("failing", "answered 500, an error of its own; try again later"),
        ("slowly", "did not answer within 0.5 s, 2 times; try again later"),
        ("heads", "did not answer within 0.5 s, 2 times; try again later"),
        ("packed", "was not done with its answer within 0.5 s"),
        ("dripping", "was not done with its answer within 0.5 s"),
        ("closing", "cannot be reached; check the address, and that it runs"),
        ("deep", "answered what is no chat completion"),
        ("cut", "broke its answer off, or sent it damaged"),
        ("elsewhere", "answered 307, so it has moved; give the address that it leads to"),
    ],
)
def test_each_fault_has_its_sentence_and_nothing_is_lost(manner: str, sentence: str):
    with served("well", manner) as server, pytest.raises(StoppedShort, match=sentence) as failed:
        endpoint(server)("cat", 20)
    assert len(sift(failed.value.lines, "cat").sentences) == 4  # of the answer before
    assert SECRET not in "".join(format_exception(failed.value))
    assert len(server.seen) == (2 if manner in ONCE else 3)


@pytest.mark.parametrize("manner", ["too_often", "failing", "closing", "slowly"])
def test_what_passes_is_asked_again(manner: str):
    with served(manner, "well") as server:
        assert len(endpoint(server)("cat", 4)) == 4
    (first, *_), (second, *_) = server.seen
    if manner == "too_often":
        assert second - first >= 1  # as Retry-After says


def test_requests_and_tokens_are_capped():
    with served("well") as server:
        assert len(endpoint(server, most_requests=3)("cat", 100)) == 12 and len(server.seen) == 3
        server.seen.clear()
        assert len(endpoint(server, most_tokens=150)("cat", 100)) == 8 and len(server.seen) == 2
    with served("nothing") as server:
        assert endpoint(server)("cat", 100) == [] and len(server.seen) == 3


def test_what_is_asked_again_counts_as_a_request():
    most = 2
    with served("failing") as server, pytest.raises(StoppedShort, match="answered 500"):
        endpoint(server, most_requests=most, retries=8)("cat", 4)
    assert len(server.seen) == most
    with served("failing", "well") as server:
        assert len(endpoint(server, most_requests=1 + most)("cat", 100)) == 4 * most
    assert len(server.seen) == 1 + most
    with served("bare") as server:  # refuses, and is asked once more without limits
        assert len(endpoint(server, most_requests=1 + most)("cat", 100)) == 4 * most
    assert len(server.seen) == 1 + most


def test_the_command_line_sets_time_and_size_of_requests(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = ("direction", "make", "--source", "cat", "--target", "dog", "--model", checkpoint, "-o", "d.safetensors")
    sizes = ("--endpoint-at-once", "3", "--endpoint-answer-tokens", "77", "--endpoint-requests", "2")
    with served("well") as server:
        done = call(capsys, *made, *sizes, "--endpoint-model", "own", "--sentences-from", server.url, "--count", "100")
        assert done.code == 0 and len(server.seen) == 4  # two for each word
        _, body, _ = server.seen[0]
        assert (body["max_tokens"], body["model"]) == (77, "own") and "Write 3 different" in body["messages"][0][
            "content"
        ]
        server.seen.clear()
        few = ("--endpoint-tokens", "150", "--count", "100", "--overwrite", "-q")
        assert call(capsys, *made, "--sentences-from", server.url, *few).code == 0
        assert len(server.seen) == 4  # each answer has 100 tokens
    with served("dripping") as server:
        done = call(capsys, *made, "--sentences-from", server.url, "--endpoint-timeout", "0.3", "-q", "--overwrite")
    refused(done, 1, "was not done with its answer within 0.3 s")


def test_content_in_parts_and_odd_counts_of_tokens():
    with served("parts") as server:
        assert endpoint(server, at_once=4)("cat", 4) == [f"a cat {k} of 0" for k in range(4)]
    assert [tokens_of(x) for x in (None, {}, {"total_tokens": -5}, {"total_tokens": "7"}, {"total_tokens": 7})] == [
        *[0] * 4,
        7,
    ]


def test_a_line_that_the_limit_broke_off_is_no_sentence():
    with served("broken_off") as server:
        kept = sift(endpoint(server)("cat", 2), "cat")
    assert kept.sentences == ["a cat on sofa 0", "a cat on sofa 1"] and kept.dropped == {"broken off": 2}


def test_what_no_file_can_hold_is_written_all_the_same(tmp_path):
    with served("halves") as server:
        lines = endpoint(server, most_requests=1)("cat", 1)
    (place,) = keep_lines(tmp_path / "d.safetensors", {"source": lines})
    assert place.read_text(encoding="utf-8") == "a cat ?\na cat, a dog\n"
    assert (
        sift(lines, "cat").sentences == ["a cat, a dog"]
        and text_of([{"text": ["a cat"]}, {"text": "a dog"}]) == "a dog"
    )


def test_a_model_that_takes_no_limits_is_asked_without():
    with served("bare") as server:
        made = endpoint(server)
        assert len(made("cat", 8)) == 8
    assert [("max_tokens" in body, "temperature" in body) for _, body, _ in server.seen] == [
        (True, True),
        (False, False),
        (False, False),
    ]


def test_an_endless_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr("zeroshift.generators.endpoint.MOST_BYTES", 100)
    with served("well") as server, pytest.raises(StoppedShort, match="answers with more than"):
        endpoint(server)("cat", 4)


def test_a_key_as_it_is_pasted(monkeypatch):
    monkeypatch.setenv("ZEROSHIFT_API_KEY", f" {SECRET}\n")
    with served("well") as server:
        endpoint(server)("cat", 1)
        assert server.seen[-1][2] == f"Bearer {SECRET}"
        monkeypatch.setenv("ZEROSHIFT_API_KEY", "sk-schlüssel")
        with pytest.raises(ValueError, match="has characters that no key has; set the variable ZEROSHIFT_API_KEY anew"):
            endpoint(server)("cat", 1)


def test_which_model():
    with served("well") as server:
        server.models = ["one", "two"]
        with pytest.raises(ValueError, match=r"lists 2 models \(one, two\); name one of them"):
            endpoint(server)("cat", 1)
        server.models = [3]
        with pytest.raises(StoppedShort, match="answered what is no chat completion"):
            endpoint(server)("cat", 1)
        assert endpoint(server, model="two")("cat", 1) and server.seen[-1][1]["model"] == "two"


def test_openais_key_is_shown_to_openai_alone(monkeypatch):
    monkeypatch.delenv("ZEROSHIFT_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with served("well") as server:
        endpoint(server)("cat", 1)
    assert server.seen[-1][2] == "Bearer none"
    assert Endpoint("https://api.openai.com/v1")._key == SECRET and not Endpoint("https://notopenai.com/v1")._key


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://host/v1", "host is no address"),
        ("https://", "is no address"),
        (f"https://me:{SECRET}@host/v1", "a key belongs in the variable ZEROSHIFT_API_KEY"),
        (f"https://host/v1?key={SECRET}", "a key belongs in the variable ZEROSHIFT_API_KEY"),
        ("http://example.org/v1", "in the clear; use https"),
    ],
)
def test_addresses(url: str, sentence: str):
    with pytest.raises(ValueError, match=sentence) as refused_:
        Endpoint(url)
    assert SECRET not in str(refused_.value)


def test_the_key_appears_nowhere(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    made = ("--source", "cat", "--target", "dog", "--model", checkpoint, "--count", "8", "--cache", "kept")
    said = ""
    with served("echo") as server:
        done = call(capsys, "direction", "make", *made, "--sentences-from", server.url, "-o", "d.safetensors", "--json")
        assert done.code == 0, done.err
        said += done.out + done.err
    with served("well", "wrong_key") as server:
        failed = call(capsys, "direction", "make", *made, "--sentences-from", server.url, "-o", "e.safetensors")
        refused(failed, 1, "answered 401", "What came by then is in e.source.txt.")
        said += failed.out + failed.err + call(capsys, "direction", "show", "d.safetensors").out
        with_trace = ("--debug", "direction", "make", *made, "--sentences-from", server.url, "-o", "f.safetensors")
        with pytest.raises(ValueError, match="answered 401") as error:
            call(capsys, *with_trace)
        said += "".join(format_exception(error.value))
    assert Path("e.source.txt").read_text().splitlines()[0] == "1. a cat in picture 0 of 0"
    assert not Path("e.safetensors").exists() and not Path("e.target.txt").exists()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"d.safetensors", "d.source.txt", "d.target.txt"} <= {path.name for path in written} and len(written) >= 6
    assert "[key]" in Path("d.source.txt").read_text()
    assert all(SECRET.encode() not in path.read_bytes() for path in written) and SECRET not in said
    facts = load_direction(Path("d.safetensors")).provenance
    assert facts["origin"] == "endpoint 127.0.0.1" and '"model": "only"' in facts["source_generator"]


def test_an_edit_that_an_endpoint_fails_keeps_what_came_before(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(Path("cat.png"))
    words = (
        "--source",
        "cat",
        "--target",
        "dog",
        *METHOD,
        "--sentences",
        "4",
        "--steps",
        "1",
        "--model",
        checkpoint,
        "-q",
    )
    with served("well", "well", "wrong_key") as server:
        found = Endpoint(server.url)("cat", 4)
        failed = call(capsys, "edit", "cat.png", *words, "--sentences-from", server.url, "-o", "out/dog.png")
    assert len(found) == 4
    refused(failed, 1, "answered 401", "What came by then is in out/directions/unfinished.cat.txt.")
    assert len(Path("out/directions/unfinished.cat.txt").read_text().splitlines()) == 4
    assert not Path("out/dog.png").exists() and SECRET not in failed.err
