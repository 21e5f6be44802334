"""What the suite knows of a layer, and what it asks of it.

This module needs nothing of the suite, since cases, judge and diagnosis ask layers; what a plain
layer answers is in `conformance.layers.plain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

    from conformance.cases.case import Case
    from conformance.cases.facts import Facts
    from conformance.diagnosis.evaluation import Prediction, Steps
    from conformance.judge.definition import Operands
    from conformance.judge.expectation import Expectation
    from conformance.judge.sums import Gauge
    from conformance.judge.verdict import Judgement
    from conformance.spec.covers.outputs import Table

    Array = np.ndarray[Any, Any]
    GradientJudge = Callable[[str, Array, Array], Judgement]

Arguments = Mapping[str, Any]
Spoilt = tuple[tuple[int, ...], dict[str, Any]]
"""An input shape, and arguments that do not go with it."""

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

REQUIRED: Final = "required"
"""Marks an argument that has no default."""

SIZES: Final = ("kernel_size", "pool_size", "strides", "dilation_rate")
"""The arguments that give one size for each spatial axis."""

IDENTIFIERS: Final = ("initializer", "regularizer", "constraint")
"""How the names of the arguments end that do nothing to an output."""

EVERY_LAYER: Final = ("name", "trainable", "dtype", "autocast", "input_shape", "input_dim")
"""Arguments that Keras takes for every layer, beside the documented ones."""


def sizes_of(value: Any, rank: int) -> tuple[int, ...]:
    """A size argument in canonical form: an integer stands for itself on every axis."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


class Layer:
    """One documented layer: its attributes, and the questions that it must answer.

    Attributes:
        signature: the documented constructor arguments, in order, with their defaults.
        added: arguments that the layer has gained since, with their defaults; by keyword alone.
        family: first part of the ids of clauses that the layer shares with others.
        module: where below ``keras`` the documentation finds it.
        noun: what failing cases of it and its like have in common, in words; empty for nothing.
        rank: number of spatial axes over which it slides a window; 0 for none.
        window: name of the argument that gives the window's sizes; empty for none.
        paddings: the padding modes: those documented, and those gained since.
        convolves: whether it contracts its inputs with a kernel and adds a bias.
        pools: whether it reduces each window, channel by channel.
        selects: whether every output is one of the inputs.
        moves: whether it gives its inputs in another order.
        takes_inputs: whether it is called on an array.
        in_oracle: whether `reference_impl` has it; of others the definition says what to expect.
        undocumented: further arguments that Keras takes.
        left_out_kinds: kinds of operands that can tell nothing about it.
        integer_dtypes: the integer dtypes that it takes, as far as frameworks go.
        input_ranks: the ranks of inputs that are classes of their own; empty where one is taken.
        shape_arguments: the arguments by which it declares a shape, where it takes no inputs.
        covers: for each observation, which clauses a case tests.
        names: for each observation, the clauses on predefined names besides.
        grids: for each level, the blocks of cases that have some of this layer.
        factors: what each argument may be: fragments of the keyword arguments of a case.
        spatial: lengths of the axes on which arguments are varied.
        accepted: input shape and arguments that are accepted, to be spoilt in one point.
        bad_values: values that an argument may not have.
        exclusive: pairs of strides and dilation rate that exclude each other.
        without_output: inputs into which no window fits.
        wrong_ranks: input shapes of a rank that it does not take.
        bad_arguments: whole sets of arguments that must be rejected.
        minimal: arguments without which it cannot be made.
        other_values: a value other than the default for every argument that has one.
        positions: numbers of arguments that are given by position: on both sides of each newer
            argument, and all.
    """

    signature: Arguments = NOTHING
    added: Arguments = NOTHING
    family: str = ""
    module: str = "layers"
    noun: str = ""
    rank: int = 0
    window: str = ""
    paddings: tuple[str, ...] = ("valid", "same")
    convolves: bool = False
    pools: bool = False
    selects: bool = False
    moves: bool = False
    takes_inputs: bool = True
    in_oracle: bool = True
    undocumented: tuple[str, ...] = EVERY_LAYER
    left_out_kinds: frozenset[str] = frozenset()
    integer_dtypes: tuple[str, ...] = ()
    input_ranks: tuple[int, ...] = ()
    shape_arguments: tuple[str, ...] = ()
    covers: Mapping[str, Table] = NOTHING
    names: Mapping[str, Callable[[Facts], Iterable[str]]] = NOTHING
    grids: Mapping[str, Sequence[Callable[[], Iterable[Case]]]] = NOTHING
    factors: Mapping[str, Sequence[Arguments]] = NOTHING
    spatial: tuple[int, ...] = ()
    accepted: Spoilt = ((), {})
    bad_values: Mapping[str, tuple[Any, ...]] = NOTHING
    exclusive: tuple[tuple[Any, Any], ...] = ()
    without_output: tuple[Spoilt, ...] = ()
    wrong_ranks: tuple[tuple[int, ...], ...] = ()
    bad_arguments: tuple[Arguments, ...] = ()
    minimal: Arguments = NOTHING
    other_values: Arguments = NOTHING
    positions: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The documented name."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<layer {self.name}>"

    # The arguments

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The arguments without a default."""
        return tuple(name for name, default in self.signature.items() if default is REQUIRED)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The documented arguments and those gained since, with their defaults."""
        return MappingProxyType({**self.signature, **self.added})

    @cached_property
    def sizes(self) -> tuple[str, ...]:
        """The arguments that give one size for each spatial axis."""
        return tuple(name for name in SIZES if name in self.signature)

    @property
    def dilates(self) -> bool:
        """Whether the window can be dilated."""
        return "dilation_rate" in self.signature

    @property
    def strides_by_window(self) -> bool:
        """Whether strides that are None, the default, are the window's sizes."""
        return bool(self.rank) and self.signature["strides"] is None

    @cached_property
    def _unset(self) -> Mapping[str, Any]:
        """The defaults, None where an argument is required."""
        return {n: None if d is REQUIRED else d for n, d in self.defaults.items()}

    def canonical(self, arguments: Arguments) -> dict[str, Any]:
        """The arguments in canonical form (see `conformance.cases.facts.canonical_config`)."""
        config = {**self._unset, **arguments}
        if self.takes_inputs:
            config["data_format"] = config.get("data_format") or "channels_last"
        for name in ("padding", "data_format"):
            value = config.get(name)
            if isinstance(value, str):
                config[name] = value.lower()
        if self.strides_by_window and config["strides"] is None:
            config["strides"] = config[self.window]
        return config | {name: sizes_of(config[name], self.rank) for name in self.sizes}

    # The definition

    def objections(self, case: Case) -> Iterator[str]:
        """Why the case must be rejected, as ``argument=value: what is allowed``."""
        raise NotImplementedError

    def objections_together(self, case: Case) -> Iterator[str]:
        """Why arguments do not go together, each of them being valid."""
        del case
        yield from ()

    def objections_to_input(self, case: Case) -> Iterator[str]:
        """Why the case's input must be rejected, its arguments being valid."""
        del case
        yield from ()

    def output_shape(self, case: Case) -> tuple[int | None, ...]:
        """The output's shape, batch axis included; None where a length is free."""
        raise NotImplementedError

    def output(self, case: Case, operands: Operands) -> Sequence[Any]:
        """The output's elements in row-major order, rounded once to the case's dtype."""
        raise NotImplementedError

    def gradients(self, case: Case, operands: Operands) -> dict[str, Array]:
        """The gradients with respect to ``inputs`` and each weight, rounded once to the dtype."""
        raise NotImplementedError

    def weight_shapes(self, case: Case) -> dict[str, tuple[int, ...]]:
        """The weights' shapes by name; empty where the arguments are too ill-formed to tell."""
        del case
        return {}

    # The judge

    def gauge(self, case: Case, operands: Operands) -> Gauge | None:
        """The sums of which the outputs are made, and their errors; None where there are none."""
        del case, operands
        return None

    def judge_output(
        self, case: Case, operands: Operands, expectation: Expectation, actual: Array
    ) -> Judgement:
        """Judge an output of the right shape and dtype that is not equal to the expected one."""
        raise NotImplementedError

    def gradient_judge(self, case: Case, operands: Operands) -> GradientJudge:
        """What judges a gradient that is not equal to the expected one: name, actual, expected."""
        raise NotImplementedError

    def largest_error(self, case: Case, operands: Operands, expectation: Expectation) -> float:
        """The largest finite error of correct arithmetic; zero where equality is due."""
        del case, operands, expectation
        return 0.0

    # The diagnosis

    def predict(
        self, case: Case, operands: Operands, steps: Steps, *, with_error: bool
    ) -> Prediction:
        """What an implementation with certain steps gives.

        Raises:
            ValueError, IndexError: where these steps fail on the case.
        """
        raise NotImplementedError

    # Asking for it

    def made_by(self, keras: Any, arguments: Arguments) -> Any:
        """The layer that a module with Keras' surface makes of the arguments."""
        return getattr(keras.layers, self.name)(**arguments)

    def has_dtype_argument(self, dtype: str) -> bool:
        """Whether the layer is told its dtype: integer inputs leave it floating-point."""
        return not dtype.startswith(("int", "uint"))

    def draw(self, draw: Callable[[Any], Any]) -> Case:
        """A random case; `draw` is Hypothesis', of the package hypothesis."""
        raise NotImplementedError
