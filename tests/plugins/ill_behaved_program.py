"""A program whose Flatten misbehaves in one way for each batch size, and is right for batch 1.

`BEHAVIOURS[n]` is what a request with a batch of n + 2 meets.  It uses the standard library alone.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

Request = dict[str, Any]


def say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def flat(request: Request, **changes: Any) -> dict[str, Any]:
    inputs = request["inputs"]
    batch, *rest = inputs["shape"]
    return {**inputs, "shape": [batch, math.prod(rest)], **changes}


def ends(request: Request) -> None:
    print("about to end", file=sys.stderr, flush=True)
    os._exit(7)


def ends_with_success(request: Request) -> None:
    os._exit(0)


def aborts(request: Request) -> None:
    os.kill(os.getpid(), signal.SIGABRT)


def ends_in_the_middle_of_a_line(request: Request) -> None:
    os.write(1, b'{"id": ')
    os._exit(1)


def hangs(request: Request) -> None:
    time.sleep(3600)


def prints_what_is_no_json(request: Request) -> None:
    print("computing...", flush=True)
    say(id=request["id"], output=flat(request))


def answers_with_a_list(request: Request) -> None:
    print("[1, 2]", flush=True)


def answers_with_bytes(request: Request) -> None:
    os.write(1, b"\xff\x00\xfe\n")


def answers_with_another_id(request: Request) -> None:
    say(id=request["id"] + 1, output=flat(request))


def answers_twice(request: Request) -> None:
    for _ in range(2):
        say(id=request["id"], output=flat(request))


def answers_nothing_useful(request: Request) -> None:
    say(id=request["id"], result=1)


def answers_with_too_little_data(request: Request) -> None:
    say(id=request["id"], output=flat(request, data="AAAA"))


def answers_with_an_unknown_dtype(request: Request) -> None:
    say(id=request["id"], output=flat(request, dtype="float99"))


def answers_without_a_shape(request: Request) -> None:
    say(id=request["id"], output={"dtype": "float32", "data": ""})


def answers_with_another_shape(request: Request) -> None:
    say(id=request["id"], output=request["inputs"])


def closes_its_output(request: Request) -> None:
    os.close(1)
    time.sleep(3600)


def floods_standard_error(request: Request) -> None:
    os.write(2, b"x" * 300_000)
    say(id=request["id"], output=flat(request))


def rejects(request: Request) -> None:
    say(id=request["id"], rejected="no such batch")


def declares_it_unsupported(request: Request) -> None:
    say(id=request["id"], unsupported="no such batch yet")


BEHAVIOURS: tuple[Callable[[Request], None], ...] = (
    ends,
    ends_with_success,
    aborts,
    ends_in_the_middle_of_a_line,
    hangs,
    prints_what_is_no_json,
    answers_with_a_list,
    answers_with_bytes,
    answers_with_another_id,
    answers_twice,
    answers_nothing_useful,
    answers_with_too_little_data,
    answers_with_an_unknown_dtype,
    answers_without_a_shape,
    answers_with_another_shape,
    closes_its_output,
    floods_standard_error,
    rejects,
    declares_it_unsupported,
)


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "hello" in request:
            say(id=request["id"], name="ill-behaved program")
            continue
        batch = request["inputs"]["shape"][0]
        if batch == 1:
            say(id=request["id"], output=flat(request))
        else:
            BEHAVIOURS[batch - 2](request)


if __name__ == "__main__":
    main()
