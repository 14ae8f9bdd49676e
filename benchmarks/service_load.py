"""Ask a service for many edits at once, and see that every one is answered, and answered as it would be alone.

    python -m benchmarks.service_load [--clients 200] [--queue 64] [--batch 8] [--steps 4] [--threads 1] [--again]

Every client sends one request to a service of its own on 127.0.0.1, all at the same moment: another crop of
examples/cat.png with another seed, or one of two words. With ``--again`` who is refused comes again after Retry-After,
up to 20 times. Afterwards each edit is made alone, and the pictures are compared. It fails if a request is lost, if one
gets another answer than 200 or 429, or if a picture differs by more than a grey level in more than one pixel of a
hundred.
"""

import argparse
import asyncio
import io
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image

import zeroshift
from benchmarks.serving import serving

PICTURE = Path(__file__).parent.parent / "examples/cat.png"
WORDS = ("dog", "tiger")
TIMES = 20
"""that who was refused comes again at most"""
LEVELS, SHARE = 1, 0.01
"""grey levels that rounding in a batch may change, and the share of pixels where it may be more: at a mask's edge"""


@dataclass(frozen=True)
class Asked:
    """One client's edit."""

    picture: bytes
    spec: dict[str, object]


@dataclass
class Answered:
    """What became of it."""

    statuses: list[int]
    seconds: float
    picture: bytes = b""


def asked(count: int, steps: int) -> list[Asked]:
    """As many edits, no two the same."""
    whole, found = Image.open(PICTURE).convert("RGB"), []
    for k in range(count):
        file = io.BytesIO()
        left, top = k % 20, k // 20 % 20
        whole.crop((left, top, left + 280, top + 280)).save(file, "PNG")
        spec = {"source": "cat", "target": WORDS[k % 2], "seed": k, "fit": "crop", "method": "sdedit"}
        spec["options"] = {"steps": steps}
        found.append(Asked(file.getvalue(), spec))
    return found


async def answered(client: httpx2.AsyncClient, one: Asked, again: bool) -> Answered:
    """Send one edit, and once more where the service has too many."""
    begun, statuses = time.monotonic(), list[int]()
    while True:
        sent = {"files": {"image": one.picture}, "data": {"spec": json.dumps(one.spec)}}
        answer = await client.post("/v1/edits", **sent, headers={"Accept": "image/png"})
        statuses.append(answer.status_code)
        if answer.status_code == 429 and again and len(statuses) < TIMES:
            await asyncio.sleep(int(answer.headers["retry-after"]))
            continue
        picture = answer.content if answer.status_code == 200 else b""
        return Answered(statuses, time.monotonic() - begun, picture)


async def all_at_once(url: str, edits: list[Asked], again: bool) -> list[Answered | BaseException]:
    """Every client's answer, or what it got in its place."""
    most = httpx2.Limits(max_connections=len(edits))
    async with httpx2.AsyncClient(base_url=url, timeout=900, limits=most) as client:
        return await asyncio.gather(*(answered(client, one, again) for one in edits), return_exceptions=True)


def differences(there: list[tuple[Asked, Answered]], threads: int) -> list[tuple[float, int]]:
    """Of every picture that came the share of pixels beyond ``LEVELS``, and the greatest difference, to it alone."""
    import torch

    torch.set_num_threads(threads)
    editor, found = zeroshift.load(device="cpu"), []
    for one, answer in there:
        if answer.picture:
            alone = np.asarray(editor.edit(one.picture, zeroshift.EditSpec.parse(one.spec)).image).astype(int)
            apart = np.abs(np.asarray(Image.open(io.BytesIO(answer.picture))) - alone).max(2)
            found.append((float((apart > LEVELS).mean()), int(apart.max())))
    return found


def pictures_together(url: str) -> str:
    """How many pictures ran in how many runs."""
    lines = dict(line.rsplit(" ", 1) for line in httpx2.get(f"{url}/metrics").text.splitlines() if line[0] != "#")
    name = "zeroshift_batch_pictures"
    pictures, runs = (float(lines[f'{name}_{what}{{device="cpu"}}']) for what in ("sum", "count"))
    return f"{pictures:.0f} pictures in {runs:.0f} runs"


@dataclass(frozen=True)
class Load:
    """What became of all requests."""

    edits: list[Asked]
    answers: list[Answered | BaseException]
    seconds: float
    together: str

    @property
    def lost(self) -> list[BaseException]:
        """What clients got in the place of an answer."""
        return [one for one in self.answers if isinstance(one, BaseException)]

    @property
    def there(self) -> list[tuple[Asked, Answered]]:
        """The edits that were answered."""
        return [(e, a) for e, a in zip(self.edits, self.answers, strict=True) if isinstance(a, Answered)]

    @property
    def last(self) -> Counter[int]:
        """How often each status ended a client's waiting."""
        return Counter(answer.statuses[-1] for _, answer in self.there)

    def lines(self, apart: list[tuple[float, int]]) -> list[str]:
        """The figures, and how far pictures are ``apart`` from those made alone."""
        last, seconds = self.last, sorted(answer.seconds for _, answer in self.there if answer.picture)
        refusals = sum(answer.statuses.count(429) for _, answer in self.there)
        exact, level = sum(most == 0 for _, most in apart), max(most for _, most in apart)
        clients, lost, worst = len(self.edits), len(self.lost), max(share for share, _ in apart)
        return [
            f"{clients} clients at once: {last[200]} got a picture, {last[429]} a refusal, {lost} nothing",
            *(f"lost: {fault!r}" for fault in self.lost),
            f"refusals: {refusals}; {self.together}; {self.seconds:.0f} s, {self.seconds / last[200]:.2f} s a picture",
            f"seconds to a picture: median {seconds[len(seconds) // 2]:.1f}, last {seconds[-1]:.1f}",
            f"beside the same edits alone: {exact} of {len(apart)} have the same pixels, the others differ by up to "
            f"{level} levels, by more than {LEVELS} in at most {worst:.2%} of their pixels",
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("clients", 200), ("queue", 64), ("batch", 8), ("steps", 4), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    options = ["--queue", str(given.queue), "--batch", str(given.batch), "--threads", str(given.threads)]
    edits = asked(given.clients, given.steps)
    with serving([*options, "--deadline", "900"], Path(tempfile.mkdtemp()) / "service.log") as url:
        begun = time.monotonic()
        answers = asyncio.run(all_at_once(url, edits, given.again))
        load = Load(edits, answers, time.monotonic() - begun, pictures_together(url))
    apart = differences(load.there, given.threads)
    print("\n".join(load.lines(apart)))
    wrong = bool(load.lost) or not set(load.last) <= {200, 429} or max(share for share, _ in apart) > SHARE
    raise SystemExit(wrong)


if __name__ == "__main__":
    main()
