"""Reading stored outcomes, and carrying them over to new expected values."""

from __future__ import annotations

from collections.abc import Iterable

from conformance.golden.encoding import DataWriter, Entry, outcome_entry, outcome_of
from conformance.golden.expected import expected_value
from conformance.golden.fixture import OBSERVED, Fixture, fixture_of
from conformance.outcomes import Outcome

OBSERVABLE = ("tf.keras", "torch.nn")
"""The implementations whose outcomes are stored."""


def carried_over(observed: Iterable[Fixture], new: Iterable[Fixture]) -> list[Fixture]:
    """Observations made against old expected values, stored against new ones.

    Cases that are no longer expected are dropped; those that have become expected have no
    observation until they are observed.
    """
    after = {fixture.layer: fixture for fixture in new}
    return [
        _carried_over(fixture, after[fixture.layer])
        for fixture in observed
        if fixture.layer in after
        and not fixture.entries.keys().isdisjoint(after[fixture.layer].entries)
    ]


def _carried_over(fixture: Fixture, new: Fixture) -> Fixture:
    writer = DataWriter()
    entries: dict[str, Entry] = {}
    for case in new.entries:
        if case in fixture.entries:
            outcome = stored_outcome(fixture, case)
            value = expected_value(new.entries[case], new.data)
            entries[case] = outcome_entry(outcome, value, writer)
    return fixture_of(
        OBSERVED,
        fixture.layer,
        entries,
        writer,
        implementation=fixture.implementation,
        versions=fixture.versions,
        platform=fixture.platform,
        machine=fixture.machine,
        expected=new,
    )


def stored_outcome(observed: Fixture, case: str) -> Outcome:
    """The outcome that is stored for a case."""
    assert observed.expected is not None
    value = expected_value(observed.expected.entries[case], observed.expected.data)
    return outcome_of(observed.entries[case], value, observed.data)
