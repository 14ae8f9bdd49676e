"""Send a service what nobody should: requests made from its OpenAPI document, and damaged pictures.

    python -m benchmarks.service_fuzz [--document 3000] [--pictures 2500] [--edits 100] [--seed 0]

Of requests with a good picture the edit is really begun (``--edits``), and of some with a damaged one. Everything goes
to a service of its own on 127.0.0.1. It fails if an answer has status 500, if a request gets no answer, or if the
service is not there at the end.
"""

import argparse
import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import httpx2
import numpy as np
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from PIL import Image
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Err
from schemathesis.schemas import APIOperation

from benchmarks.serving import serving

SIDE = 48
LIMITS = ("--deadline", "2", "--max-megapixels", "2", "--max-megabytes", "2", "--queue", "8")
NOTHING = {"target": "dog", "direction": {"sha256": "0" * 64}}
"""an edit that is refused when its picture was read"""
TAKEN = 0.1
"""share of the requests with damaged pictures whose edit is begun where the picture can still be read"""
GOOD = {"target": "dog", "source": "cat", "method": "sdedit", "options": {"steps": 2}}
Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
Answers = Counter[tuple[str, int]]
"""how many answers of each status the requests of a kind got"""


def good_pictures() -> list[bytes]:
    """Pictures of the formats and modes that there are, as somebody may send them."""
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8))
    plain, files = colours.convert("RGB"), []
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        *((picture, "PNG", {}) for picture in (colours, plain, plain.convert("P"), plain.convert("1"))),
        (Image.fromarray(np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)), "PNG", {}),
        (plain, "JPEG", {"progressive": True}),
        (plain.convert("CMYK"), "JPEG", {}),
        (plain, "JPEG", {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}),
        (colours, "WEBP", {"lossless": True}),
        (plain, "WEBP", {"quality": 20}),
    ]
    for picture, kind, options in kinds:
        file = io.BytesIO()
        picture.save(file, kind, **options)
        files.append(file.getvalue())
    return files


def damaged(random: Random, files: list[bytes]) -> bytes:
    """One of the pictures with some of its bytes changed, left out, doubled, or in another's place."""
    data = bytearray(random.choice(files))
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                data[at : at + 1] = random.randbytes(1)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + random.randrange(1, 64)]
            case 3:
                data[at:at] = data[at : at + random.randrange(1, 256)]
            case 4:
                data[at : at + 4] = random.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case 5:
                data[at:] = random.choice(files)[at:]
    return bytes(data)


def send_pictures(url: str, count: int, random: Random) -> Answers:
    """Damaged pictures as photograph or as mask, in a form, for each of the addresses that take one."""
    answers, files = Answers(), good_pictures()
    with httpx2.Client(base_url=url, timeout=60) as client:
        for _ in range(count):
            picture, other = damaged(random, files), random.choice(files)
            sent = {"image": picture} if random.random() < 0.7 else {"image": other, "mask": picture}
            begun = random.random() < TAKEN
            if random.random() < 0.5:
                answer = client.post("/v1/edits", files=sent, data={"spec": json.dumps(GOOD if begun else NOTHING)})
            else:
                data = {"prompt": "cat -> cat", "size": random.choice(("auto", "64x32", "32x32"))}
                few = {"prompt": "cat -> dog", "method": GOOD["method"], "options": json.dumps(GOOD["options"])}
                answer = client.post("/v1/images/edits", files=sent, data=data | (few if begun else {}))
            kind = "damaged pictures, to be edited" if begun else "damaged pictures, refused when read"
            answers[kind, answer.status_code] += 1
    return answers


def operations(url: str) -> Iterator[tuple[Operation, GenerationMode]]:
    """Every operation of the service's document, with right requests, and with wrong ones if it has any."""
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        if isinstance(found, Err):
            raise found.err()
        operation = found.ok()
        yield operation, GenerationMode.POSITIVE
        if operation.method == "post":
            yield operation, GenerationMode.NEGATIVE


def send_document(url: str, count: int, number: int) -> Answers:
    """Requests as the document describes them, and such that it does not allow."""
    answers, todo = Answers(), [*operations(url)]
    while answers.total() < count:
        for operation, mode in todo:
            part = 3 if operation.method == "post" else 1
            share = max(1, part * (count - answers.total()) // len(todo))
            repeated(operation, mode, share, number, sender(answers, f"document, {mode.name.lower()}"))
        number += 1
    return answers


def sender(answers: Answers, kind: str) -> Callable[[Case[Operation]], None]:
    """What sends a request and counts its answer."""

    def send(case: Case[Operation]) -> None:
        answers[kind, case.call(timeout=60).status_code] += 1

    return send


def send_edits(url: str, count: int, number: int) -> Answers:
    """Right requests with a good picture in the place of what the document alone can make."""
    answers, picture = Answers(), good_pictures()[0]
    takers = [one for one, mode in operations(url) if one.method == "post" and mode is GenerationMode.POSITIVE]

    def send(case: Case[Operation]) -> None:
        if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
            return
        pictures = {name: (name, picture) for name in ("image", "mask") if name in case.body}
        if not pictures:
            return
        told = {**case.body, "spec": GOOD} if "spec" in case.body else case.body
        fields = {name: text_of(value) for name, value in told.items() if name not in (*pictures, "model", "direction")}
        answer = httpx2.post(f"{url}{case.path}", files=pictures, data=fields, timeout=60)
        answers["edits", answer.status_code] += 1

    while answers.total() < count:
        for operation in takers:
            repeated(operation, GenerationMode.POSITIVE, max(1, count // len(takers)), number, send)
        number += 1
    return answers


def text_of(value: object) -> str:
    """A value as a field of a form has it."""
    return value if isinstance(value, str) else json.dumps(value)


def repeated(
    operation: Operation, mode: GenerationMode, count: int, number: int, send: Callable[[Case[Operation]], None]
) -> None:
    """Send up to ``count`` requests of one operation."""
    few = settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    seed(number)(few(given(case=operation.as_strategy(generation_mode=mode))(send)))()


def table(answers: Answers) -> str:
    """The answers by kind of request and status."""
    kinds, statuses = sorted({kind for kind, _ in answers}), sorted({status for _, status in answers})
    lines = [f"| requests | in all | {' | '.join(map(str, statuses))} |", f"|{'---|' * (len(statuses) + 2)}"]
    for kind in kinds:
        counts = [answers[kind, status] for status in statuses]
        lines.append(f"| {kind} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("document", 3000), ("pictures", 2500), ("edits", 100), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    log = Path(tempfile.mkdtemp()) / "service.log"
    with serving([*LIMITS, "--threads", "1"], log) as url:
        answers = send_pictures(url, asked.pictures, Random(asked.seed))
        answers += send_document(url, asked.document, asked.seed)
        answers += send_edits(url, asked.edits, asked.seed)
        assert httpx2.get(f"{url}/readyz").status_code == 200
    print(table(answers))
    faults = sum(count for (_, status), count in answers.items() if status == 500)
    print(f"{answers.total()} requests, {faults} with status 500; the service's log: {log}")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
