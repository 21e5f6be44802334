"""The workers of a Dask cluster, as `cluster` needs them; nothing else imports Dask.

Functions are sent by their names and asked with bytes, so that a worker executes nothing that is
not installed there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from conformance.running.limits import ClusterError

Errand = Callable[[bytes], bytes]
"""A function of a module that is installed on every worker."""

LOCAL: Final = "local:"
DEATHS: Final = 2
"""How many workers of a local cluster may die with an errand; another's scheduler says itself."""

MOST_LOCAL: Final = 1024
_SCHEMES: Final = ("tcp", "tls", "ucx", "ws", "wss")
_HEED_NO_INTERRUPT: Final = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""Ctrl-C reaches a terminal's processes all together; the workers are ended by who started them."""

_CONNECT_SECONDS: Final = 10.0
_END_SECONDS: Final = 5.0
_GATHER_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Answered:
    """An errand that was done, with its answer."""

    errand: int
    answer: bytes


@dataclass(frozen=True)
class Died:
    """An errand that so many workers died with, one after the other."""

    errand: int
    deaths: int


@dataclass(frozen=True)
class Refused:
    """An errand that could not be done there, and why."""

    errand: int
    reason: str


Done = Answered | Died | Refused


class Workers:
    """A connection to a cluster, or a cluster of this machine.

    Args:
        where: the address of a scheduler, or ``local:N`` for N workers on this machine.

    Raises:
        ClusterError: if Dask is not installed, or there is no scheduler.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._done: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._futures: dict[int, Any] = {}
        self._cluster: Any = None
        self._client: Any = None
        self._count = count = local_workers(where)
        try:
            import distributed
            from distributed.scheduler import KilledWorker
        except ModuleNotFoundError as error:
            raise ClusterError(
                f"--cluster needs the package {error.name}, which is not installed: "
                "pip install 'layerproof[cluster]'"
            ) from error
        self._killed = KilledWorker
        _silence()
        try:
            if count is not None:
                self._cluster = _local_cluster(distributed, count)
            self._client = distributed.Client(
                self._cluster or where, timeout=_CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError, TypeError) as error:
            self.close()
            raise ClusterError(
                f"--cluster {where}: no scheduler answers there ({error})"
            ) from error
        except BaseException:
            self.close()
            raise

    def threads(self) -> dict[str, int]:
        """How many errands each worker does at a time, by its address.

        Of a local cluster, workers that are given up are replaced: one that is slow to come back,
        or dies while it starts, is not started again by itself.

        Raises:
            ClusterError: if the scheduler is gone.
        """
        try:
            found = {str(name): int(count) for name, count in self._client.nthreads().items()}
            if self._count is not None and len(found) < self._count:
                self._cluster.scale(self._count)
        except Exception as error:
            raise self._gone() from error
        return found

    def send(self, errand: int, function: Errand, request: bytes) -> None:
        """Have a worker do something; `next` tells what came of it.

        Raises:
            ClusterError: if the scheduler is gone.
        """
        try:
            future = self._client.submit(
                function, request, key=f"conformance-{id(self):x}-{os.getpid()}-{errand}"
            )
        except Exception as error:
            raise self._gone() from error
        self._futures[errand] = future
        future.add_done_callback(lambda _: self._done.put(errand))

    def next(self, seconds: float) -> Done | None:
        """The next errand that has ended; None where none does so soon.

        Raises:
            ClusterError: if the scheduler is gone.
        """
        try:
            errand = self._done.get(timeout=seconds)
        except queue.Empty:
            return None
        future = self._futures.pop(errand)
        try:
            if future.status == "cancelled":
                raise self._gone()
            return Answered(errand, future.result(timeout=_GATHER_SECONDS))
        except ClusterError:
            raise
        except self._killed as error:
            return Died(errand, error.allowed_failures + 1)
        except Exception as error:
            if self._client.status != "running":
                raise self._gone() from error
            return Refused(errand, f"{type(error).__name__}: {error}")

    def everywhere(self, function: Errand, request: bytes) -> None:
        """Have every worker do something at once, as far as they can within some seconds."""

        def ask() -> None:
            with contextlib.suppress(Exception):
                self._client.run(function, request, on_error="ignore")

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(_END_SECONDS)

    def close(self) -> None:
        """Give up what was not done, and end the workers if they are this machine's."""
        futures, self._futures = list(self._futures.values()), {}
        with contextlib.suppress(Exception):
            if futures:
                self._client.cancel(futures, force=True)
        for one in (self._client, self._cluster):
            with contextlib.suppress(Exception):
                if one is not None:
                    one.close(timeout=_END_SECONDS)
        self._client = self._cluster = None

    def _gone(self) -> ClusterError:
        return ClusterError(f"--cluster {self._where}: the scheduler does not answer any more")


def local_workers(where: str) -> int | None:
    """How many workers ``local:N`` stands for; None for the address of a scheduler.

    Raises:
        ClusterError: if it is neither.
    """
    if where.startswith(LOCAL):
        count = where.removeprefix(LOCAL)
        if count.isdecimal() and 1 <= int(count) <= MOST_LOCAL:
            return int(count)
        raise ClusterError(
            f"--cluster {where!r}: local:N stands for N workers on this machine, N from 1 to "
            f"{MOST_LOCAL}"
        )
    scheme, separator, rest = where.rpartition("://")
    host, colon, port = rest.rpartition(":")
    if (separator and scheme not in _SCHEMES) or not (host and colon and port.isdecimal()):
        raise ClusterError(
            f"--cluster {where!r}: a scheduler's address such as tcp://host:8786, or local:N for N "
            "workers on this machine, is expected"
        )
    return None


def _local_cluster(distributed: Any, count: int) -> Any:
    """Workers of one thread; they inherit this process' environment as it is.

    No limit of memory is set on them, since an implementation's process has its own.
    """
    import dask

    settings = {
        "distributed.nanny.pre-spawn-environ": {},
        "distributed.scheduler.allowed-failures": DEATHS - 1,
        "distributed.worker.preload": [_HEED_NO_INTERRUPT],
    }
    with dask.config.set(settings):
        return distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )


def _silence() -> None:
    """Say nothing of Dask's own: what matters is told by `cluster`."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado", "asyncio"}:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
