"""The clauses: well-formed, each with its standing's notes, each tested by a case."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from dataclasses import asdict

import pytest

from conformance.cases.case import parse
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.spec.clauses import (
    ADDED_TO,
    SECTIONS,
    STANDINGS,
    Clause,
    ClauseError,
    binding_sha256,
    clauses,
    parse_clauses,
    select,
    spec_sha256,
)
from conformance.spec.coverage import clauses_of
from conformance.spec.covers.names import ACTIVATIONS, IDENTIFIERS

ENTRY = {
    "id": "flatten.output.shape",
    "bullet": "example",
    "paraphrase": "The output has two axes.",
    "standing": "holds",
}


def toml(**changes: object) -> str:
    """An entry of the clause file, `ENTRY` with some keys changed; None leaves a key out."""
    entry = {key: value for key, value in (ENTRY | changes).items() if value is not None}
    lines = (f"{key} = {json.dumps(value)}" for key, value in entry.items())
    return "\n".join(["[[clause]]", *lines, ""])


@pytest.mark.parametrize("clause", clauses().values(), ids=lambda clause: clause.id)
def test_clause_has_the_notes_of_its_standing(clause: Clause) -> None:
    """A reader learns the condition, the reading and its grounds, or since when what holds."""
    for note in STANDINGS[clause.standing]:
        text = getattr(clause, note)
        assert text
        assert not text.endswith(" ")
    assert clause.paraphrase.endswith(".")
    added = clause.source.startswith(ADDED_TO)
    assert added is (clause.standing == "added")
    assert clause.source.removeprefix(ADDED_TO).startswith(tuple(SECTIONS.values()))
    if clause.selection is not None:
        assert "reference_impl.backend.set_reading" in clause.selection


def test_every_layer_has_clauses() -> None:
    """All six sections are stated."""
    layers = {identifier.partition(".")[0] for identifier in clauses()}
    assert layers == set(SECTIONS)


def test_every_clause_has_a_case_and_every_case_a_clause() -> None:
    """Nothing is stated that no case tests, and no case tests what is not stated."""
    counts: Counter[str] = Counter()
    without = []
    for case in grid("standard"):
        tested = clauses_of(case)
        counts.update(tested)
        if not tested:
            without.append(case.descriptor)
    assert without == []
    assert [identifier for identifier in clauses() if not counts[identifier]] == []
    assert [identifier for identifier in counts if identifier not in clauses()] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, "missing id"),
        ({"bullet": None}, "missing bullet"),
        ({"paraphrase": ""}, "missing paraphrase"),
        ({"colour": "red"}, "unknown colour"),
        ({"standing": "true"}, "standing 'true': expected one of holds, holds-if"),
        ({"standing": "holds-if"}, "has the notes"),
        ({"standing": "ambiguous", "reading": "It is so."}, "has the notes"),
        ({"standing": "holds", "condition": "On Sundays."}, "has the notes"),
        ({"standing": "superseded", "now": "Else."}, "has the notes"),
        ({"standing": "added"}, "has the notes"),
        ({"standing": "added", "since": "Keras 9.", "now": "Else."}, "has the notes"),
        ({"id": "flatten.shape"}, "not of the form layer.argument.property"),
        ({"id": "flatten.Output.shape"}, "not of the form layer.argument.property"),
        ({"id": "flatten.output.a--b"}, "not of the form layer.argument.property"),
        ({"id": "dense.output.shape"}, "not of the form layer.argument.property"),
        ({"id": "{each}.output.shape"}, "go together"),
        ({"each": ["flatten"]}, "go together"),
    ],
)
def test_malformed_entry_is_refused(changes: dict[str, object], message: str) -> None:
    """A mistake in the file is named, and does not become a clause."""
    with pytest.raises(ClauseError, match=message):
        parse_clauses(toml(**changes))


def test_clause_given_twice_is_refused() -> None:
    with pytest.raises(ClauseError, match=r"'flatten\.output\.shape' is given twice"):
        parse_clauses(toml() + toml())


def test_invalid_toml_is_refused() -> None:
    with pytest.raises(ClauseError, match="not valid TOML"):
        parse_clauses("[[clause]\n")


def test_entry_for_several_clauses_is_expanded() -> None:
    """``each`` stands in the id and in the paraphrase, and the section follows the id."""
    text = toml(id="{each}.output.shape", each=["conv1d", "flatten"], paraphrase="Of {each}.")
    found = parse_clauses(text)
    assert list(found) == ["conv1d.output.shape", "flatten.output.shape"]
    first = found["conv1d.output.shape"]
    assert first.paraphrase == "Of conv1d."
    assert first.source == "1 Conv1D, example"


def test_clauses_can_be_written_as_json() -> None:
    """`conformance list clauses --json` prints them."""
    assert json.loads(json.dumps([asdict(clause) for clause in clauses().values()]))


def test_select_finds_one_clause_or_a_group() -> None:
    assert [c.id for c in select("conv2d.strides.dilation-exclusive")] == [
        "conv2d.strides.dilation-exclusive"
    ]
    assert [c.id for c in select("maxpooling1d.pool-size")] == ["maxpooling1d.pool-size.integer"]
    assert {c.id.partition(".")[0] for c in select("conv")} == {"conv"}


def test_select_suggests_what_is_close() -> None:
    with pytest.raises(KeyError, match=r"conv2d\.strides\.dilation-exclusive"):
        select("conv2d.strides.dilation-exclusiv")


BINDING = {
    "id": "conv1d.other.id",
    "standing": "ambiguous",
    "condition": "another condition",
    "reading": "another reading",
    "since": "Keras 99",
    "now": "another rule",
    "selection": "another way to choose",
}
FREE = {"source": "7 Elsewhere", "paraphrase": "In other words.", "why": "for other reasons"}


def test_the_digest_of_the_specification_is_that_of_its_clauses() -> None:
    """Reports and fixtures carry it, so that a changed specification shows."""
    rows = [
        [c.id, c.standing, c.condition, c.reading, c.since, c.now, c.selection]
        for _, c in sorted(clauses().items())
    ]
    text = json.dumps(rows, separators=(",", ":"))
    assert spec_sha256() == hashlib.sha256(text.encode("ascii")).hexdigest()
    assert spec_sha256() == binding_sha256(reversed(clauses().values()))


@pytest.mark.parametrize("change", BINDING.items(), ids=lambda change: change[0])
def test_what_binds_is_part_of_the_digest(change: tuple[str, str]) -> None:
    (first, *others) = clauses().values()
    changed = dataclasses.replace(first, **dict([change]))  # type: ignore[arg-type]
    assert binding_sha256([changed, *others]) != spec_sha256()


@pytest.mark.parametrize("change", FREE.items(), ids=lambda change: change[0])
def test_wording_may_be_mended_without_another_specification(change: tuple[str, str]) -> None:
    """A correction of a paraphrase touches the clause file alone: no fixture, no report."""
    (first, *others) = clauses().values()
    changed = dataclasses.replace(first, **dict([change]))  # type: ignore[arg-type]
    assert changed != first
    assert binding_sha256([changed, *others]) == spec_sha256()


def test_every_field_of_a_clause_either_binds_or_is_free() -> None:
    fields = {field.name for field in dataclasses.fields(Clause)}
    assert fields == {*BINDING, *FREE}


def test_every_predefined_activation_has_a_clause() -> None:
    """The names of Keras 3, aliases included."""
    names = """celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
        leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink
        softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh
        tanh_shrink threshold"""
    assert sorted(ACTIVATIONS) == sorted(names.split())
    assert set(ACTIVATIONS.values()) <= set(clauses())


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "initializer",
            """constant Constant glorot_normal GlorotNormal glorot_uniform GlorotUniform he_normal
            HeNormal he_uniform HeUniform identity Identity lecun_normal LecunNormal lecun_uniform
            LecunUniform one ones Ones zero zeros Zeros normal uniform orthogonal Orthogonal
            random_normal RandomNormal random_uniform RandomUniform stft STFT truncated_normal
            TruncatedNormal variance_scaling VarianceScaling""",
        ),
        (
            "regularizer",
            "l1 L1 l2 L2 l1l2 L1L2 orthogonal_regularizer OrthogonalRegularizer",
        ),
        (
            "constraint",
            "max_norm MaxNorm min_max_norm MinMaxNorm non_neg NonNeg unit_norm UnitNorm",
        ),
    ],
)
def test_every_predefined_identifier_has_a_clause(kind: str, names: str) -> None:
    """The names of Keras 3, in snake case and as the class is named."""
    known = IDENTIFIERS[kind]
    assert set(names.split()) <= set(known)
    assert set(known.values()) <= set(clauses())


@pytest.mark.parametrize(
    ("descriptor", "expected"),
    [
        (
            "Conv1D/inputs:2x8x3/filters:4/kernel_size:3",
            """conv1d.padding.valid conv1d.filters.output-channels conv1d.output.single-axis
            conv1d.output.cross-correlation conv1d.kernel-size.integer conv1d.use-bias.true
            conv.values.exact""",
        ),
        (
            (
                "Conv2D/operands:one_nan/inputs:3x7x5x3/filters:4/kernel_size:[3,2]/strides:2x1"
                "/padding:same/data_format:channels_last/activation:swish/use_bias:False"
            ),
            """conv2d.padding.same conv2d.filters.output-channels conv2d.output.two-axes
            conv2d.output.cross-correlation conv2d.kernel-size.list conv2d.kernel-size.height-first
            conv2d.strides.tuple conv.strides.step conv.padding.zeros conv.padding.same-split
            conv2d.use-bias.false conv2d.activation.by-name conv2d.data-format.channels-last
            conv.values.nan conv.output.locality conv.batch.independence conv.activation.silu""",
        ),
        (
            (
                "Conv1D/operands:kernel_infinity/inputs:0x2x3/dtype:float16/filters:4/kernel_size:(5,)"
                "/padding:same/dilation_rate:2"
            ),
            """conv1d.padding.same conv1d.filters.output-channels conv1d.output.single-axis
            conv1d.output.cross-correlation conv1d.kernel-size.tuple conv.dilation-rate.forms
            conv.dilation-rate.spread conv.padding.zeros conv.padding.same-split
            conv.padding.same-small-input conv.padding.nonfinite-kernel conv1d.use-bias.true
            conv.values.infinity conv.batch.zero conv.dtype.float16""",
        ),
        (
            "Conv1D/observe:shape/inputs:NonexNonex3/filters:4/kernel_size:3",
            """conv1d.padding.valid conv1d.filters.output-channels conv1d.input-shape.free-length
            conv.input.any-length""",
        ),
        (
            "MaxPooling2D/operands:lowest/inputs:2x3x5x3/pool_size:3/padding:same",
            """maxpooling2d.padding.same maxpooling2d.strides.none maxpooling2d.output.maximum
            maxpooling2d.pool-size.integer maxpooling.padding.same-split
            maxpooling.padding.never-wins maxpooling.values.infinity""",
        ),
        (
            "MaxPooling1D/inputs:2x9x3/dtype:int32/pool_size:(3,)/strides:2",
            """maxpooling1d.padding.valid maxpooling1d.strides.halves maxpooling1d.output.maximum
            maxpooling1d.strides.integer maxpooling.sizes.sequences maxpooling.strides.step
            maxpooling.dtype.integers""",
        ),
        (
            "Flatten/operands:strided/inputs:2x3x4/data_format:channels_first",
            """flatten.output.shape flatten.data-format.channels-first flatten.inputs.views""",
        ),
        ("Input/observe:shape/batch_shape:10x32", "input.batch-shape.with-batch"),
        (
            (
                "Conv2D/observe:rejection/inputs:2x7x8x3/filters:4/kernel_size:3/strides:2x1"
                "/dilation_rate:1x2"
            ),
            "conv2d.strides.dilation-exclusive",
        ),
        (
            (
                "Conv2D/observe:rejection/inputs:2x7x8x3/filters:4/kernel_size:3/strides:0"
                "/dilation_rate:2"
            ),
            "conv.strides.positive",
        ),
        ("Conv1D/observe:rejection/inputs:2x8x3/filters:4", "conv1d.signature.required"),
        (
            (
                "Conv1D/operands:kernel_nan/inputs:2x7x4/filters:2/kernel_size:3/padding:causal"
                "/dilation_rate:2/groups:2"
            ),
            """conv1d.padding.causal conv1d.padding.causal-length conv1d.filters.output-channels
            conv1d.output.single-axis conv1d.output.cross-correlation conv1d.kernel-size.integer
            conv.dilation-rate.forms conv.dilation-rate.spread conv.padding.zeros
            conv.padding.nonfinite-kernel conv1d.use-bias.true conv.values.nan conv.groups.parts
            conv.groups.kernel conv.groups.independence""",
        ),
        (
            "Conv2D/observe:configuration/filters:6/kernel_size:3/groups:2",
            "conv.groups.configuration",
        ),
        (
            "Conv2D/observe:rejection/inputs:2x7x8x3/filters:4/kernel_size:3/groups:3",
            "conv.groups.divides-filters",
        ),
        (
            "Conv2D/observe:rejection/inputs:2x7x8x3/filters:4/kernel_size:3/groups:2",
            "conv.groups.divides-channels",
        ),
        (
            "Conv2D/observe:rejection/inputs:2x7x8x3/filters:4/kernel_size:3/padding:causal",
            "conv.padding.values",
        ),
        (
            "Conv1D/observe:rejection/inputs:2x4x3/filters:4/kernel_size:3/dilation_rate:2",
            "conv.padding.valid-too-small",
        ),
        (
            "Conv1D/observe:rejection/inputs:2x8x3/filters:True/kernel_size:3x3",
            "conv.filters.positive conv.kernel-size.length",
        ),
        (
            "MaxPooling1D/observe:rejection/inputs:2x8x3/strides:None/foo:1",
            "maxpooling.signature.unknown-argument",
        ),
        ("MaxPooling1D/observe:rejection/inputs:2x1x3", "maxpooling.padding.valid-too-small"),
        ("Flatten/observe:rejection/inputs:()", "flatten.input.rank"),
        ("Input/observe:rejection/shape:(True,)", "input.shape.integers"),
        (
            "Conv1D/observe:losses/filters:2/kernel_size:2/kernel_regularizer:l2",
            "conv1d.kernel-regularizer.penalty conv.regularizer.by-name conv.regularizer.l2",
        ),
        (
            "MaxPooling2D/observe:default_value/strides:None",
            "maxpooling2d.signature.defaults maxpooling2d.strides.none",
        ),
        ("Input/observe:something_else/shape:(3,)", ""),
    ],
)
def test_clauses_of_case(descriptor: str, expected: str) -> None:
    """The clauses follow from the descriptor: no more, no less."""
    assert sorted(clauses_of(parse(descriptor))) == sorted(expected.split())


def test_no_geometry_where_a_length_is_free() -> None:
    """A free length is not taken for zero."""
    known = facts(parse("Conv1D/observe:shape/inputs:2xNonex3/filters:4/kernel_size:3"))
    assert not known.has_axes
    with pytest.raises(ValueError, match="no window geometry"):
        _ = known.axes
