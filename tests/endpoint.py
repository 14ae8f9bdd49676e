"""A local server that speaks OpenAI's chat protocol, well or badly."""

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Server(ThreadingHTTPServer):
    """Answers as its ``manners`` say, one after another, the last of them for ever."""

    daemon_threads = True

    def __init__(self, manners: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.manners = manners
        self.seen: list[tuple[float, dict, str | None]] = []
        """when each request came, its body, and its key"""
        self.models = ["only"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.answer(200, json.dumps({"object": "list", "data": [{"id": name} for name in self.server.models]}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = len(self.server.seen)
        self.server.seen.append((time.monotonic(), body, self.headers["Authorization"]))
        how = self.server.manners[min(number, len(self.server.manners) - 1)]
        getattr(self, how)(number, body["messages"][0]["content"])

    def answer(self, status: int, text: str, **headers: str) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # nobody waits any more
            self.write(status, text, headers)

    def write(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def said(self, text: str) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 50, "completion_tokens": 50, "total_tokens": 100}
        facts = {"id": "1", "object": "chat.completion", "created": 1, "model": "only"}
        self.answer(200, json.dumps({**facts, "choices": [choice], "usage": usage}))

    def well(self, number: int, asked: str) -> None:
        word = asked.split('the word "')[1].split('"')[0]
        self.said("\n".join(f"{k + 1}. a {word} in picture {number} of {k}" for k in range(4)))

    def echo(self, number: int, asked: str) -> None:
        """Repeat the key, as a careless server may."""
        word = asked.split('the word "')[1].split('"')[0]
        self.said(f"a {word} number {number} {self.headers['Authorization'].split()[1]}\na {word} of number {number}")

    def slowly(self, number: int, asked: str) -> None:
        time.sleep(1.5)
        self.well(number, asked)

    def garbage(self, number: int, asked: str) -> None:
        self.answer(200, "<html>welcome</html>", Content_Type="text/html")

    def broken_json(self, number: int, asked: str) -> None:
        self.answer(200, '{"choices": [')

    def other_json(self, number: int, asked: str) -> None:
        self.answer(200, '{"choices": 3}')

    def nothing(self, number: int, asked: str) -> None:
        self.said("")

    def wrong_key(self, number: int, asked: str) -> None:
        self.answer(401, json.dumps({"error": {"message": f"wrong key {self.headers['Authorization']}"}}))

    def too_often(self, number: int, asked: str) -> None:
        self.answer(429, "{}", Retry_After="1")

    def failing(self, number: int, asked: str) -> None:
        self.answer(500, "oops", Content_Type="text/plain")

    def broken_off(self, number: int, asked: str) -> None:
        """As many tokens as it was allowed."""
        choice = {"message": {"content": f"a cat on sofa {number}\na cat that sl"}, "finish_reason": "length"}
        self.answer(200, json.dumps({"choices": [choice]}))

    def parts(self, number: int, asked: str) -> None:
        """Content as a list of parts, and odd counts of tokens."""
        content = [{"type": "text", "text": f"a cat {k} of {number}"} for k in range(4)]
        self.answer(
            200, json.dumps({"choices": [{"message": {"content": content}}], "usage": {"total_tokens": "many"}})
        )

    def bare(self, number: int, asked: str) -> None:
        """Take no limit and no temperature, like models that reason."""
        if {"max_tokens", "temperature"} & self.server.seen[-1][1].keys():
            self.answer(400, json.dumps({"error": {"message": f"no max_tokens, {self.headers['Authorization']}"}}))
        else:
            self.well(number, asked)

    def dripping(self, number: int, asked: str) -> None:
        """Never come to an end, a little at a time."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(50):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)

    def heads(self, number: int, asked: str) -> None:
        """One header after another."""
        self.send_response(200)
        with suppress(BrokenPipeError, ConnectionResetError):
            for k in range(30):
                self.send_header(f"X-{k}", "y")
                self.flush_headers()
                time.sleep(0.1)

    def packed(self, number: int, asked: str) -> None:
        """Compressed nothing, a little at a time: no part of an answer ever comes out of it."""
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(gzip.compress(b"")[:10])
            for _ in range(30):
                self.wfile.write(b"\x00\x00\x00\xff\xff")  # an empty block
                self.wfile.flush()
                time.sleep(0.1)

    def deep(self, number: int, asked: str) -> None:
        """More brackets than a reader of JSON climbs down."""
        self.answer(200, "[" * 100_000)

    def halves(self, number: int, asked: str) -> None:
        """A half of a pair of surrogates, which is no text."""
        self.answer(200, '{"choices": [{"message": {"content": "a cat \\ud800\\na cat, a dog"}}]}')

    def cut(self, number: int, asked: str) -> None:
        """Less than was announced."""
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.close_connection = True

    def elsewhere(self, number: int, asked: str) -> None:
        self.answer(307, "", Location=f"{self.server.url}/somewhere/else")

    def closing(self, number: int, asked: str) -> None:
        self.close_connection = True
        self.connection.close()


@contextmanager
def served(*manners: str) -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server(list(manners))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
