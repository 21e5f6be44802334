"""What torch.nn does instead of the documentation."""

from __future__ import annotations

from conformance.known_deviations.record import KnownDeviation

RECORDS: tuple[KnownDeviation, ...] = ()
