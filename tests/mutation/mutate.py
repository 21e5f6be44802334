"""Mutation testing of the oracle: is every small change of its sources noticed by the suite?

    python tests/mutation/mutate.py --module reference_impl/ops/geometry.py [--module ...]
        [--sample N] [--seed S] [--grid standard] [--tests tests/test_ops_sums.py ...]

The test is ``conformance run --implementation reference``: every case of the grid, judged by the
second derivation of the definition.  It is done so that a mutant costs seconds:

* each mutant runs in a forked process of its own, which imports a copy of ``reference_impl`` from
  a temporary directory with one module replaced; judge and grid keep the unchanged sources;
* an outcome that equals the unchanged oracle's to the bit has its verdict already; only others are
  judged;
* only cases that reach the changed function are run, those of the smoke grid before the others:
  the oracle is deterministic, and the others cannot tell;
* a case on which a mutant needs a multiple of the unchanged oracle's processor time is its last.

A mutant is killed by a case that does not conform, by failing to import, and by using up its
processor time.  What survives is put to the unit
tests that `--tests` names, by pytest on the changed copy.  The working tree is not written.
Exit status 0 whatever survives.  The survivors are printed, with the reason where one was read and
recorded in `survivors.toml`, by function and text of its line.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import importlib.abc
import importlib.util
import os
import pickle
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from operators import Mutant, mutants  # noqa: E402

from conformance.cases.case import Case  # noqa: E402
from conformance.cases.grids import grid  # noqa: E402
from conformance.cases.operands import Operands, operands  # noqa: E402
from conformance.implementations import wire  # noqa: E402
from conformance.implementations.keras_style import KerasStyle  # noqa: E402
from conformance.implementations.observation import evaluate  # noqa: E402
from conformance.judge.expectation import expect_by_definition  # noqa: E402
from conformance.judge.judge import judge  # noqa: E402
from conformance.outcomes import Outcome  # noqa: E402
from conformance.results import ACCEPTED  # noqa: E402

PACKAGE: Final = "reference_impl"
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")
LIMIT_FACTOR: Final = 4
LIMIT_SECONDS: Final = 10
MEMORY: Final = 3 << 30
TEST_SECONDS: Final = 600


class Prepared(NamedTuple):
    """A case of the grid with its operands, and what the unchanged oracle does with it."""

    case: Case
    operands: Operands
    digest: bytes
    functions: frozenset[tuple[str, str]]
    seconds: float

    @property
    def limit(self) -> float:
        """Seconds of processor time after which a mutant is taken for one that does not end."""
        return LIMIT_FACTOR * self.seconds + LIMIT_SECONDS


class Fate(NamedTuple):
    """What became of a mutant: how it was killed; None for a survivor."""

    module: str
    mutant: Mutant
    killer: str | None


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed source."""

    def __init__(self, module: str, source: str) -> None:
        self._module, self._source = module, source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        del path, target
        if fullname != self._module:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def exec_module(self, module: Any) -> None:
        exec(compile(self._source, f"<mutant of {self._module}>", "exec"), module.__dict__)


def oracle(copy: Path, module: str = "", source: str = "") -> KerasStyle:
    """The oracle as imported anew from `copy`, one module replaced where named."""
    for name in [n for n in sys.modules if n.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.path.insert(0, str(copy))
    if module:
        sys.meta_path.insert(0, _Changed(module, source))
    return KerasStyle("reference", "", importlib.import_module(PACKAGE))


def digest(outcome: Outcome) -> bytes:
    """Tells outcomes apart to the bit."""
    return sha256(wire.encode(outcome)).digest()


def called(run: Callable[[], Outcome], copy: Path) -> tuple[Outcome, frozenset[tuple[str, str]]]:
    """An outcome, and the functions of the oracle that were called for it, as (module, name)."""
    seen: set[Any] = set()
    sys.setprofile(lambda frame, event, _: seen.add(frame.f_code) if event == "call" else None)
    try:
        outcome = run()
    finally:
        sys.setprofile(None)
    inside = [code for code in seen if code.co_filename.startswith(str(copy))]
    return outcome, frozenset(
        (str(Path(code.co_filename).relative_to(copy)), code.co_name) for code in inside
    )


def prepare(cases: Sequence[Case], copy: Path) -> list[Prepared]:
    """The cases as the unchanged oracle does them, and the seconds of processor time it takes."""
    given_to = [operands(case) for case in cases]

    def work(send: Callable[[Any], None]) -> None:
        functools.lru_cache = _uncached  # type: ignore[assignment]
        unchanged = oracle(copy)
        for case, given in zip(cases, given_to, strict=True):
            before = time.process_time()
            outcome, functions = called(partial(evaluate, unchanged, case, given), copy)
            send((digest(outcome), functions, time.process_time() - before))

    answers = list(in_fork(work, seconds=3600))
    if len(answers) != len(cases):
        raise SystemExit(f"the unchanged oracle ended early: {answers[-1:]}")
    return [
        Prepared(case, given, *answer)
        for case, given, answer in zip(cases, given_to, answers, strict=True)
    ]


def _uncached(*arguments: Any, **options: Any) -> Callable[[Any], Any]:
    """In place of `functools.lru_cache`: a cache would hide whom a later case depends on."""
    del arguments, options
    return lambda function: function


def in_fork(work: Callable[[Callable[[Any], None]], None], seconds: float) -> Iterator[Any]:
    """What `work` sends from a forked process; at the end its exit status, where that is not 0."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(work, writing, seconds)
    os.close(writing)
    try:
        yield from _messages(reading, deadline=time.monotonic() + 20 * seconds)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _child(work: Callable[[Callable[[Any], None]], None], writing: int, seconds: float) -> None:
    """Run `work` and end; processor time and memory are limited."""
    limit = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)

    def send(message: Any) -> None:
        data = pickle.dumps(message)
        view = memoryview(len(data).to_bytes(8, "big") + data)
        while view:
            view = view[os.write(writing, view) :]

    try:
        work(send)
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            send(error if isinstance(error, SystemExit) else RuntimeError(repr(error)))
        os._exit(1)


def _messages(reading: int, deadline: float) -> Iterator[Any]:
    held = b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(deadline - time.monotonic(), 0))
        data = os.read(reading, 1 << 20) if ready else b""
        if not data:
            return
        held += data
        while len(held) >= 8 and len(held) - 8 >= (size := int.from_bytes(held[:8], "big")):
            yield pickle.loads(held[8 : 8 + size])
            held = held[8 + size :]


def fate(mutant: Mutant, module: str, prepared: list[Prepared], copy: Path) -> Fate:
    """Put one mutant to the cases that reach it; to all where it is not inside a function."""
    reached = [
        index
        for index, one in enumerate(prepared)
        if not mutant.function or (module, mutant.function) in one.functions
    ]
    return Fate(module, mutant, _killer(mutant, module, prepared, reached, copy))


def _killer(
    mutant: Mutant, module: str, prepared: list[Prepared], indices: Sequence[int], copy: Path
) -> str | None:
    """The case that tells the mutant from the unchanged oracle, or how it ended."""
    name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def work(send: Callable[[Any], None]) -> None:
        changed = oracle(copy, name, mutant.source)
        for index in indices:
            signal.setitimer(signal.ITIMER_PROF, prepared[index].limit)
            outcome = evaluate(changed, prepared[index].case, prepared[index].operands)
            if digest(outcome) != prepared[index].digest:
                send((index, outcome))
        send("done")

    message: Any = None
    seconds = sum(prepared[index].seconds for index in indices)
    for message in in_fork(work, LIMIT_FACTOR * seconds + LIMIT_SECONDS):
        if isinstance(message, BaseException):
            return f"ends by {message}"
        if message != "done":
            index, outcome = message
            case: Case = prepared[index].case
            expected = expect_by_definition(case, prepared[index].operands)
            judgement = judge(case, prepared[index].operands, expected, outcome)
            if judgement.verdict not in ACCEPTED:
                return case.descriptor
    return None if message == "done" else "crash, or out of time or memory"


def failing_test(mutant: Mutant, module: str, copy: Path, tests: Sequence[str]) -> str | None:
    """The first unit test that fails on the mutant."""
    original = (copy / module).read_text()
    (copy / module).write_text(mutant.source)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pytest", "-xq", "-p", "no:cacheprovider", *tests],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "tests out of time"
    finally:
        (copy / module).write_text(original)
    if not done.returncode:
        return None
    failures = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failures[0].split(" - ")[0] if failures else "tests that do not start"


def main() -> None:
    """Mutate, run, and print the survivors and the figures."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        copy = Path(directory)
        shutil.copytree(ROOT / PACKAGE, copy / PACKAGE, ignore=shutil.ignore_patterns("*.pyc"))
        candidates = [
            (module, mutant)
            for module in options.module
            for mutant in mutants((copy / module).read_text())
        ]
        chosen = candidates
        if options.sample and options.sample < len(candidates):
            chosen = random.Random(options.seed).sample(candidates, options.sample)
        if options.list:
            print("\n".join(f"{m}:{c.line}: {c.operator}: {c.change}" for m, c in chosen))
            return
        smoke = grid("smoke")
        cases = [*smoke, *(case for case in grid(options.grid) if case not in set(smoke))]
        prepared = prepare(cases, copy)
        seconds = sum(one.seconds for one in prepared)
        print(f"{len(chosen)} of {len(candidates)} mutants, {len(cases)} cases, {seconds:.0f} s")
        fates = [_told(fate(m, module, prepared, copy)) for module, m in chosen]
        _print_figures(fates)
        if options.tests:
            survivors = [one for one in fates if one.killer is None]
            for one in survivors:
                killer = failing_test(one.mutant, one.module, copy, options.tests)
                _told(one._replace(killer=killer))


def _told(one: Fate) -> Fate:
    """Print what became of a mutant as soon as it is known."""
    where = f"{one.module}:{one.mutant.line} ({one.mutant.function or 'module'})"
    verdict = f"killed by {one.killer}" if one.killer else f"SURVIVED, {_reading(one)}"
    print(f"{where}: {one.mutant.operator}: {one.mutant.change}: {verdict}", flush=True)
    return one


def _reading(one: Fate) -> str:
    """What was recorded of a survivor when it was read."""
    module = one.module.removeprefix(f"{PACKAGE}/")
    why = recorded().get((module, one.mutant.function, one.mutant.text))
    return f"as recorded: {why}" if why else "and nobody has recorded why"


@functools.cache
def recorded() -> dict[tuple[str, str, str], str]:
    """Why mutants survive, by module, function and text of the line that they change."""
    entries = tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))["survivor"]
    return {(one["module"], one["function"], one["line"]): one["why"] for one in entries}


def _print_figures(fates: list[Fate]) -> None:
    made = Counter(one.module for one in fates)
    alive = Counter(one.module for one in fates if one.killer is None)
    print("\n| module | mutants | killed | survived |\n| --- | --- | --- | --- |")
    for module, count in made.items():
        print(f"| {module} | {count} | {count - alive[module]} | {alive[module]} |")
    print(f"| all | {len(fates)} | {len(fates) - alive.total()} | {alive.total()} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--module", action="append", required=True, metavar="PATH")
    parser.add_argument("--sample", type=int, metavar="N", help="so many, chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--grid", default="standard", choices=("smoke", "standard", "full"))
    parser.add_argument("--tests", nargs="+", metavar="PATH", help="unit tests for survivors")
    parser.add_argument("--list", action="store_true", help="only show the mutants")
    return parser.parse_args()


if __name__ == "__main__":
    main()
