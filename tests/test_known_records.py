"""Protects the known deviations: what a record covers, what it must not cover, how it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conformance import known
from conformance.cases.case import parse
from conformance.judge.verdict import Judgement, Verdict
from conformance.known import RecordError, Records, Who, reproducers
from conformance.known.conditions import holds, occurs
from conformance.known.reading import check_names, records_of
from conformance.known.record import Record
from conformance.outcomes import Crash, Rejection, Unsupported, Value
from conformance.spec.clauses import clauses

CASE = parse("Flatten/inputs:2x3")
WRONG = Judgement(Verdict.DEVIATES, "The case is valid, but was rejected.", stage="rejection")
RIGHT = Judgement(Verdict.CONFORMS)
REJECTION = Rejection("ValueError", "no [way]")
RECORD = Record(
    identifier="flatten-rejects",
    implementation=("mine", "mine[*"),
    versions={"mine": "==1.2.*"},
    machine={"isa": "<=avx2"},
    clause=("flatten.output.*",),
    layer=("Flatten",),
    exception=("ValueError: no*",),
    instead="refuses everything",
)
MINE = Who(("mine",), {"mine": "1.2.3"}, {"isa": "avx"})


def judged(outcome=REJECTION, judgement=WRONG, who=MINE, record=RECORD, case=CASE):
    return Records([record]).judge(who, case, outcome, judgement, lambda: (None, None))


@pytest.mark.parametrize("name", ["mine", "mine[fast]"])
def test_a_recorded_behaviour_is_known_in_every_mode(name):
    judgement = judged(who=replace(MINE, names=(name,)))
    assert judgement.verdict is Verdict.KNOWN_DEVIATION
    assert judgement.diagnosis == "flatten-rejects"
    assert "refuses everything" in judgement.message


@pytest.mark.parametrize(
    "changes",
    [
        {"who": replace(MINE, names=("other",))},
        {"who": replace(MINE, versions={"mine": "1.3.0"})},
        {"who": replace(MINE, versions={"mine": "unknown"})},
        {"who": replace(MINE, versions={})},
        {"who": replace(MINE, machine={"isa": "avx512"})},
        {"who": replace(MINE, machine={})},
        {"outcome": Rejection("TypeError", "no")},
        {"outcome": Value(None)},
        {"outcome": Crash("signal SIGSEGV")},
        {"judgement": replace(WRONG, verdict=Verdict.CRASHED)},
        {"case": parse("MaxPooling1D/inputs:2x3x1")},
        {"record": replace(RECORD, clause=("conv.*",))},
        {"record": replace(RECORD, where={"dtype": "float64"})},
        {"record": replace(RECORD, case=("*inputs:2x4*",))},
        {"record": replace(RECORD, stage=("exact",))},
        {"record": replace(RECORD, message=("accepted",))},
        {"record": replace(RECORD, fault=("flatten.ignored",))},
    ],
)
def test_anything_else_stays_a_deviation(changes):
    judgement = changes.get("judgement", WRONG)
    assert judged(**changes) == judgement


def test_conforming_where_a_deviation_is_recorded_is_reported():
    judgement = judged(judgement=RIGHT)
    assert judgement.verdict is Verdict.UNEXPECTED_CONFORMANCE
    assert judgement.diagnosis == "flatten-rejects"


def test_conforming_on_another_machine_or_version_is_not():
    assert judged(judgement=RIGHT, who=replace(MINE, machine={"isa": "amx"})) == RIGHT
    assert judged(judgement=RIGHT, who=replace(MINE, versions={"mine": "1.3"})) == RIGHT


def test_behaviour_that_is_not_constant_may_conform():
    assert judged(judgement=RIGHT, record=replace(RECORD, always=False)) == RIGHT


def test_what_is_unsupported_is_left_alone():
    judgement = Judgement(Verdict.UNSUPPORTED, "cannot")
    assert judged(outcome=Unsupported("cannot"), judgement=judgement) == judgement


@pytest.mark.parametrize(
    ("condition", "value", "met"),
    [
        ("same", "same", True),
        ("sa*", "same", True),
        ("s", "same", False),
        ("[a]", "a", False),
        ("/^s.m/", "same", True),
        (["valid", "same"], "same", True),
        (["valid", "full"], "same", False),
        (16, 16, True),
        (16, 17, False),
        (">=16", 16, True),
        ("<16", 16, False),
        (">1", None, False),
        ("!=relu", "tanh", True),
        ("!=relu", None, True),
        (True, True, True),
        (True, 1, False),
        (False, None, False),
        ("", None, True),
        ("<=avx2", "sse41", True),
        ("<=avx2", "avx512", False),
        (">avx2", "avx512_bf16", True),
        ("<=avx2", "AArch64 SVE", False),
    ],
)
def test_conditions(condition, value, met):
    assert holds(condition, value) is met


def test_a_pattern_of_a_message_occurs_anywhere():
    assert occurs("valid, but*rejected", "The case is valid, but was rejected.")
    assert occurs("/was (re|ac)/", "The case is valid, but was rejected.")
    assert not occurs("accepted", "The case is valid, but was rejected.")


USERS = """
[[deviation]]
id = "mine-pools-nan"
implementation = "my_layers.py"
versions = { my-layers = ">=1.2" }
since = { numpy = "2.0" }
layer = "MaxPooling*"
where = { operands = ["one_nan", "specials"], clause = "maxpooling.values.nan" }
what = { stage = "exact", verdict = "deviates" }
fault = "pooling.nan"
reason = "NaN is not compared"
"""


def test_a_users_record_is_read():
    (record,) = records_of(USERS, "mine.toml")
    assert record.identifier == "mine-pools-nan"
    assert record.implementation == ("my_layers.py",)
    assert record.versions == {"my-layers": ">=1.2", "numpy": ">=2.0"}
    assert record.clause == ("maxpooling.values.nan",)
    assert record.where == {"operands": ["one_nan", "specials"]}
    assert record.stage == ("exact",)
    assert record.instead == record.reason == "NaN is not compared"
    assert record.always


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "mine-pools-nan"', "", "deviation number 1: the key 'id' is missing"),
        ('implementation = "my_layers.py"', "", "'implementation' is missing"),
        ('">=1.2"', '"1.2"', "'1.2' in the version range '1.2' is none of ==, !="),
        ('">=1.2"', "1.2", "'my-layers' in 'versions' must be a text, not 1.2"),
        ('"MaxPooling*"', '"AveragePooling1D"', "'layer' is 'AveragePooling1D'; the layers are"),
        ("operands =", "operand =", "'where' has no key 'operand'; it takes clause, layer, case"),
        ("stage =", "stages =", "'what' has no key 'stages'; it takes verdict, stage"),
        ('"pooling.nan"', '"pooling.nans"', "'fault' is 'pooling.nans'; known are same.odd-first"),
        ('"deviates"', '"conforms"', "'verdict' is 'conforms'; known are deviates, crashed"),
        ("reason =", "because =", "there is no key 'because'; known are alone, always, case"),
        ('["one_nan", "specials"]', "[]", "an empty list, which nothing meets"),
        ('["one_nan", "specials"]', '"/(/"', "is no regular expression"),
        ('reason = "', "always = 1 #", "'always' must be true or false, not 1"),
        ("[[deviation]]", "[deviation]", "'deviation' must be an array of tables"),
        ("[[deviation]]", "[[deviations]]", "has the key 'deviations'"),
        ("[[deviation]]", "[[deviation]", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(old, new, message):
    with pytest.raises(RecordError) as caught:
        records_of(USERS.replace(old, new), "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert message in str(caught.value)


def test_an_id_is_given_once(tmp_path: Path):
    with pytest.raises(RecordError, match="'mine-pools-nan' is given twice"):
        records_of(USERS * 2, "mine.toml")
    file = tmp_path / "mine.toml"
    file.write_text(USERS.replace("mine-pools-nan", known.own()[0].identifier))
    with pytest.raises(RecordError, match="is that of a record in"):
        known.load([file])


@pytest.mark.parametrize("content", [b"\xff\xfe", b" " * (2**20 + 1)])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes):
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(RecordError, match=r"mine\.toml"):
        known.load([file])
    with pytest.raises(RecordError, match="cannot be read"):
        known.load([tmp_path / "absent.toml"])


def test_a_users_record_is_told_where_it_concerns_a_case(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(USERS)
    records = known.load([file])
    who = Who(("my_layers.py",), {"my-layers": "1.2", "numpy": "2.1"})
    case = parse("MaxPooling1D/inputs:2x8x3/operands:one_nan")
    assert records.concerned(who, case) == ("mine-pools-nan",)
    assert records.concerned(who, CASE) == ()


def test_every_own_record_is_whole():
    """Each names clauses that exist, a program that exists, and says what happens."""
    folder = Path(str(reproducers.__file__)).parent
    for record in known.own():
        assert record.instead != record.reason or record.reason, record.identifier
        assert not record.reproducer or (folder / record.reproducer).is_file(), record.identifier
        exact = [clause for clause in record.clause if "*" not in clause]
        assert set(exact) <= set(clauses()), record.identifier


def test_every_own_record_names_what_there_is():
    """They are read without this check, so that no explanation waits for the faults."""
    for record in known.own():
        check_names(record)


def test_every_own_record_says_what_happens_instead():
    """Not merely that something is wrong: a message, an exception, a fault or an effect."""
    for record in known.own():
        says = record.message or record.exception or record.fault or record.effect
        assert says or record.verdict == ("crashed",), record.identifier


def test_every_record_can_be_held_against_every_case():
    """A condition that fails on an odd case would end the run."""
    from conformance.cases.grids import grid

    for case in grid("standard"):
        for record in known.own():
            record.concerns(case)


def test_stored_observations_count_as_the_implementation_that_was_observed():
    from conformance.running.judging import Subject

    subject = Subject("golden:tf.keras", "golden:tf.keras", {"keras": "3.15.1"})
    assert subject.who.names == ("tf.keras",)
