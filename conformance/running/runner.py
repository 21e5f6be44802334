"""Running cases on implementations, and judging what they do.

::

    with Runner(cases, ["tf.keras", "torch.nn"], workers=2) as runner:
        for result in runner:
            ...

The results come in the order of the cases, and for each case in that of the implementations,
whatever the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from conformance import known as deviations
from conformance.cases.case import Case
from conformance.implementations import registry
from conformance.results import Result
from conformance.running.attendant import SuiteError
from conformance.running.case_judge import CaseJudge
from conformance.running.judging import Subject
from conformance.running.limits import Limits
from conformance.running.pool import Pool

if TYPE_CHECKING:
    from conformance.running.cluster import Cluster

__all__ = ["Limits", "Progress", "Runner", "SuiteError", "run"]

Progress = Callable[[int, int], None]
"""Called with the number of results so far, and the number that there will be."""


def run(
    cases: Iterable[Case],
    specs: Iterable[str],
    *,
    workers: int = 1,
    timeout: float = 60.0,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Judge `cases` on the implementations that `specs` name; see `Runner`."""
    limits = Limits(timeout=timeout)
    with Runner(cases, specs, workers=workers, limits=limits, progress=progress) as runner:
        yield from runner


class Runner:
    """One run: starts its processes on construction, ends them on leaving the block.

    Args:
        cases: what to judge; repetitions are dropped.
        specs: names of built-in implementations, or plug-ins (`registry.resolve`).
        workers: how many pairs of processes, one that judges and one that holds the
            implementation.  With one, this process judges.
        limits: what an isolated process is allowed.
        progress: told whenever a result is there, in whatever order they come.
        known: files with records of known deviations, besides the package's own.
        keep: whether the outcome of every case is kept as evidence, not of failing ones alone.
        cluster: the address of a Dask scheduler, or ``local:N``, whose workers judge instead.

    Raises:
        ClusterError: if there is no such cluster.
        ImplementationError: if a spec names nothing, or what it names is not installed.
        ValueError: if a file of `known` cannot be read.
    """

    def __init__(
        self,
        cases: Iterable[Case],
        specs: Iterable[str],
        *,
        workers: int = 1,
        limits: Limits | None = None,
        progress: Progress | None = None,
        known: Sequence[str] = (),
        keep: bool = False,
        cluster: str | None = None,
    ) -> None:
        self._specs = list(dict.fromkeys(specs))
        self._progress = progress or (lambda recorded, total: None)
        self._finished = False
        limits = limits or Limits()
        for spec in self._specs:
            registry.resolve(spec)
        records = deviations.load(known)
        judge = CaseJudge(self._specs, limits, records, keep=keep)
        is_here = cluster is None and workers == 1
        if is_here:
            judge.start()  # the isolated processes load while the cases are made
        try:
            self._cases: Sequence[Case] = list(dict.fromkeys(cases))
        except BaseException:
            judge.close(at_once=True)
            raise
        self._judge: CaseJudge | None = None
        self._pool: Pool | Cluster | None = None
        if is_here or not self._cases or not self._specs:
            self._judge = judge
        elif cluster is not None:
            from conformance.running.cluster import Cluster

            self._pool = Cluster(
                self._cases, self._specs, cluster, limits, known, keep, self._have_cases
            )
        else:
            self._pool = Pool(
                self._cases, self._specs, workers, limits, known, keep, self._have_cases
            )

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        at_once = kind is not None or not self._finished
        if self._judge is not None:
            self._judge.close(at_once=at_once)
        if self._pool is not None:
            self._pool.close()

    @property
    def subjects(self) -> Sequence[Subject]:
        """The implementations, which are loaded for it.

        Raises:
            ImplementationError: if one cannot be loaded.
        """
        owner = self._judge or self._pool
        return owner.subjects if owner is not None else []

    @property
    def versions(self) -> dict[str, str]:
        """The version of each implementation, by its name; see `subjects`."""
        return {subject.name: subject.version for subject in self.subjects}

    def __iter__(self) -> Iterator[Result]:
        """The results in order, each as soon as it and all before it are there.

        Raises:
            ImplementationError: if an implementation cannot be loaded.
            SuiteError: if this project itself failed on a case.
        """
        for results in self._pool or self._judged_here():
            yield from results
        self._finished = True

    def _judged_here(self) -> Iterator[list[Result]]:
        judge = self._judge
        if judge is None or not self._specs:
            return
        judge.foresee(self._cases)
        for number, case in enumerate(self._cases, 1):
            results = judge.judge(case)
            self._have_cases(number)
            yield results

    def _have_cases(self, count: int) -> None:
        each = len(self._specs)
        for number in range((count - 1) * each + 1, count * each + 1):
            self._progress(number, len(self._cases) * each)
