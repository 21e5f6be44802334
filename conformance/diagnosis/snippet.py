"""A failing case as a program of its own, which needs NumPy and the implementation alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import canonical_config
from conformance.cases.histories import history_of, others
from conformance.cases.operands import KINDS, Operands, operands
from conformance.diagnosis.backward import predict_gradients
from conformance.implementations.registry import split_file
from conformance.judge.contraction import as_float64
from conformance.judge.expectation import Expectation, Kind, expect
from conformance.judge.gradients import convolution_gauges
from conformance.judge.sums import half_ulp
from conformance.layers.registry import LAYERS

Array = np.ndarray[Any, Any]

_LAYOUTS: Final = {
    "strided": "larger = np.zeros([2 * n + 1 for n in {0}.shape], {0}.dtype)\n"
    "larger[(slice(1, None, 2),) * {0}.ndim] = {0}\n"
    "{0} = larger[(slice(1, None, 2),) * {0}.ndim]",
    "reversed": "backwards = (slice(None, None, -1),) * {0}.ndim\n"
    "{0} = np.ascontiguousarray({0}[backwards])[backwards]",
    "fortran": "{0} = np.asfortranarray({0})",
    "broadcast": "{0} = np.broadcast_to({0}[:1].copy(), {0}.shape)",
    "readonly": "{0}.flags.writeable = False",
    "sliced": "longer = np.zeros((len({0}) + 2, *{0}.shape[1:]), {0}.dtype)\n"
    "longer[1:-1] = {0}\n"
    "{0} = longer[1:-1]",
    "swapped": "{0} = {0}.astype({0}.dtype.newbyteorder())",
}
"""How the arrays are brought into the memory layout of a kind of operands."""

_PROGRAM: Final = "exec:"

_ASKING: Final = """
def packed(array):
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return {{
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "data": base64.b64encode(data).decode(),
    }}

def layer(inputs, weights, config):
    hello = {{"id": 0, "hello": {{"protocol": 1}}}}
    request = {{"id": 1, "observe": "output", "layer": "{layer}", "config": config}}
    request["inputs"] = packed(inputs)
    request["weights"] = {{name: packed(array) for name, array in weights.items()}}
    lines = "".join(json.dumps(line) + "\\n" for line in (hello, request))
    done = subprocess.run({command!r}, input=lines, stdout=subprocess.PIPE, text=True)
    answer = json.loads(done.stdout.splitlines()[1])
    if "output" not in answer:
        raise RuntimeError(answer)
    output = answer["output"]
    values = np.frombuffer(base64.b64decode(output["data"]), output["dtype"])
    return values.reshape(output["shape"])"""
"""How a program in any language is asked once (`conformance.implementations.program`)."""


def snippet(case: Case, spec: str, stage: str = "") -> str | None:
    """A program that shows the failure with literal operands and expected values.

    Args:
        case: the case, small.
        spec: the implementation, as it is asked for.
        stage: the stage of the judge that objects.

    Returns:
        None where the case looks at something other than an output, its gradients or a rejection;
        of gradients, where the implementation is no plug-in, module with Keras' surface or program;
        of a layer that is called before, where it has Keras' surface; of calls at the same time.
    """
    if case.observe not in ("output", "rejection", "gradients"):
        return None
    if case.observe == "gradients" and not _has_gradients(spec):
        return None
    arrays: Any = operands(case)
    history = history_of(case)
    if arrays.inputs is None or (history and (history == "threads" or _surface(spec))):
        return None
    lines = _asking(case, spec, arrays) + _calls_before(case, arrays, stage)
    expectation = expect(case, arrays)
    if case.observe == "gradients":
        lines += _gradients_compared(case, arrays, expectation, stage)
    else:
        lines += _judged(case, arrays, expectation, stage)
    body = "\n".join(lines)
    head = [f'"""{case.descriptor}"""', "", *_imports(case, spec, body), ""]
    return "\n".join(head) + f"\n{body}\n"


def _calls_before(case: Case, arrays: Any, stage: str) -> list[str]:
    """The earlier calls of a case's history, in the same arrays or on others.

    Where an answer was overwritten later, each is kept beside a copy.
    """
    history, lines = history_of(case), [""]
    around: Any = others(case, arrays)
    keeps = stage == "inputs"
    asked = "earlier = call()" if keeps else "call()"
    copied = ["answers.append((earlier, copy.deepcopy(earlier)))"] * keeps
    lines += ["answers = []"] * (keeps and bool(around))
    for other in around:
        if history == "sizes":
            order = "np.asfortranarray({})" if other.inputs.flags.f_contiguous else "{}"
            lines += [f"own, inputs = inputs, {order.format(literal(other.inputs))}"]
            lines += [asked, "inputs = own", *copied]
            continue
        changed = other.weights if history == "weights" else {"inputs": other.inputs}
        for name, array in changed.items():
            lines.append(f"own_{name}, {name}[...] = {name}.copy(), {literal(array)}")
        lines += [asked, *(f"{name}[...] = own_{name}" for name in changed), *copied]
    return lines if lines[1:] else []


def _kept(case: Case) -> list[str]:
    """The comparison of what was answered before with what it was then."""
    first = [] if history_of(case) else ["answers = [(actual, copy.deepcopy(actual))]", "call()"]
    return [
        *first,
        "for answer, copied in answers:",
        "    np.testing.assert_equal(answer, copied, err_msg='a later call changed it')",
    ]


def snippet_of_sequence(cases: Sequence[Case], spec: str) -> str | None:
    """A program that asks for some cases one after the other, the last of which it judges.

    Returns:
        None where there is no program for one of them.
    """
    *before, last = cases
    program = snippet(last, spec)
    if program is None or any(snippet(case, spec) is None for case in before):
        return None
    asked = [[f"# {case.descriptor}", *_asking(case, spec, operands(case))] for case in before]
    body = "\n".join(line for lines in asked for line in (*lines, "call()", ""))
    arrays: Any = operands(last)
    head, separator, rest = program.partition(f"inputs = {literal(arrays.inputs)}")
    _, _, imports = head.partition('"""\n')
    whole = f"{imports.lstrip()}{body}\n# {last.descriptor}\n{separator}{rest}"
    path, _ = split_file(spec)
    if path is None or spec.startswith(_PROGRAM):
        return whole
    load = f"runpy.run_path({str(path)!r})"
    first = body.partition("\n")[0]
    return whole.replace(load, "plugin").replace(first, f"plugin = {load}\n\n{first}", 1)


def _asking(case: Case, spec: str, arrays: Operands) -> list[str]:
    """The operands, and the definition of ``call()``."""
    lines, names = _operands(case, arrays), [*arrays.weights]
    if case.observe == "gradients":
        lines += [f"upstream = {literal(arrays.upstream)}", ""]
        return [*lines, *_differentiated(case, spec, names), ""]
    return [*lines, "", *_layer(case, spec, names), ""]


def _judged(case: Case, arrays: Operands, expectation: Expectation, stage: str) -> list[str]:
    if expectation.kind is Kind.REJECTION:
        return _rejected()
    return _compared(case, arrays, expectation, stage)


def _has_gradients(spec: str) -> bool:
    """Whether gradients are asked for in a way that a program can show."""
    path = None if spec.startswith(_PROGRAM) else split_file(spec)[0]
    return path is not None or bool(_surface(spec)) or _is_module(spec)


def _imports(case: Case, spec: str, body: str) -> list[str]:
    lines = [*["import copy", ""] * ("copy.deepcopy" in body), "import numpy as np"]
    numbers = [name for name in ("inf", "nan") if re.search(rf"\b{name}\b", body)]
    lines += [f"from numpy import {', '.join(numbers)}"] * bool(numbers)
    if case.dtype == "bfloat16":
        lines.append("from ml_dtypes import bfloat16")
    if _surface(spec):
        tape = ["import tensorflow as tf"] * ("tf.GradientTape" in body)
        return [*lines, *tape, _surface(spec)]
    if spec.startswith(_PROGRAM):
        return ["import base64", "import json", "import subprocess", "", *lines]
    path, _ = split_file(spec)
    if path is not None:
        beside = (
            f"sys.path.append({str(path.resolve().parent)!r})  # it may import what is beside it"
        )
        return ["import runpy", "import sys", "", *lines, "", beside]
    return [*lines, f"import {spec.partition(':')[0]}"] if _is_module(spec) else lines


def _surface(spec: str) -> str:
    """The import of a module with Keras' surface; empty for other implementations."""
    if spec.partition("[")[0] == "tf.keras":
        return "from tensorflow import keras"
    return "import reference_impl as keras" if spec == "reference" else ""


def _is_module(spec: str) -> bool:
    builtin = spec.startswith(("torch.nn", "golden", "exec:"))
    return not builtin and spec.partition(":")[0].replace(".", "_").isidentifier()


def _operands(case: Case, arrays: Operands) -> list[str]:
    lines = [f"inputs = {literal(arrays.inputs)}"]
    lines += [f"{name} = {literal(array)}" for name, array in arrays.weights.items()]
    layout = KINDS[case.operands].layout
    named = ["inputs", *([] if layout == "broadcast" else arrays.weights)]
    return lines + [_LAYOUTS[layout].format(name) for name in named if layout]


def literal(array: Array | None) -> str:
    """An array as Python writes it, every element exact."""
    if array is None:
        return "None"
    dtype = "bfloat16" if array.dtype.name == "bfloat16" else f'"{array.dtype.name}"'
    if array.size == 0:
        return f"np.zeros({array.shape}, {dtype})"
    return f"np.array({_nested(array)}, {dtype})"


def _nested(array: Array) -> str:
    if array.ndim:
        return f"[{', '.join(_nested(part) for part in array)}]"
    return str(int(array)) if array.dtype.kind in "iu" else repr(float(array))


def _layer(case: Case, spec: str, names: list[str]) -> list[str]:
    """The definition of ``call()``, which asks the implementation once."""
    if _surface(spec):
        arguments = ", ".join(f"{name}={value!r}" for name, value in case.arguments)
        has_dtype = LAYERS[case.layer].has_dtype_argument(case.dtype)
        dtype = f', dtype="{case.dtype}"' if has_dtype else ""
        weights = f"    layer.set_weights([{', '.join(names)}])"
        return [
            "def call():",
            f"    layer = keras.layers.{case.layer}({arguments}{dtype})".replace("(, ", "("),
            "    layer.build(inputs.shape)",
            *([weights] if names else []),
            "    return np.asarray(layer(inputs))",
        ]
    return [
        *_plugin(case, spec, names),
        "",
        "def call():",
        "    return layer(inputs, weights, config)",
    ]


def _differentiated(case: Case, spec: str, names: list[str]) -> list[str]:
    """The definition of ``call()``, which asks for the gradients once, a dict of arrays."""
    if not _surface(spec):
        return [
            *_plugin(case, spec, names, "gradients"),
            "",
            "def call():",
            f'    return gradients("{case.layer}", inputs, weights, config, upstream)',
        ]
    *built, _ = _layer(case, spec, names)
    if spec == "reference":
        return [*built, "    return layer.gradients(inputs, upstream)"]
    return [
        *built,
        "    x = tf.convert_to_tensor(inputs)",
        "    with tf.GradientTape() as tape:",
        "        tape.watch(x)",
        "        y = layer(x)",
        "    found = tape.gradient(y, [x, *layer.trainable_variables], upstream)",
        f"    return dict(zip({['inputs', *names]!r}, map(np.asarray, found)))",
    ]


def _plugin(case: Case, spec: str, names: list[str], attribute: str = "") -> list[str]:
    config = {**canonical_config(case), "dtype": case.dtype}
    lines = ["weights = {" + ", ".join(f'"{name}": {name}' for name in names) + "}"]
    asked = _callable(case, spec)
    if attribute:
        asked = asked.replace("layer =", f"{attribute} =").replace(case.layer, attribute)
    return [*lines, f"config = {config!r}", asked]


def _callable(case: Case, spec: str) -> str:
    path, attribute = (None, "") if spec.startswith(_PROGRAM) else split_file(spec)
    if path is not None and attribute:
        first, _, rest = attribute.partition(".")
        rest = f".{rest}" if rest else ""
        return f'layer = runpy.run_path({str(path)!r})["{first}"]{rest}.{case.layer}'
    if path is not None:
        return f'layer = runpy.run_path({str(path)!r})["{case.layer}"]'
    if spec.startswith(_PROGRAM):
        command = shlex.split(spec.removeprefix(_PROGRAM))
        return _ASKING.format(command=command, layer=case.layer)
    if _is_module(spec):
        module, _, attribute = spec.partition(":")
        return f"layer = {'.'.join(filter(None, [module, attribute, case.layer]))}"
    return f"layer = ...  # put here what calls {case.layer} of {spec}"


def _rejected() -> list[str]:
    return [
        "try:",
        "    returned = call()",
        "except Exception as error:",
        "    print('rejected, as it must be:', error)",
        "else:",
        "    raise AssertionError(f'must be rejected, but gave {returned!r}')",
    ]


def _compared(case: Case, arrays: Operands, expectation: Expectation, stage: str) -> list[str]:
    lines = [f"expected = {literal(expectation.value)}"]
    lines += ["before = inputs.copy()"] * (stage == "inputs")
    lines += ["actual = np.asarray(call())", "print(actual)"]
    if stage == "inputs":
        lines += ["np.testing.assert_array_equal(inputs, before)", *_kept(case)]
    lines += ["np.testing.assert_array_equal(call(), actual)"] * (stage == "repeat")
    lines += ["assert actual.dtype == expected.dtype, actual.dtype"]
    bound = LAYERS[case.layer].largest_error(case, arrays, expectation)
    if bound:
        lines += [f"bound = {bound!r}  # the largest error of correct arithmetic"]
        lines += ["np.testing.assert_allclose(actual, expected, rtol=0, atol=bound)"]
    else:
        lines += ["np.testing.assert_array_equal(actual, expected)"]
    return lines


def _gradients_compared(
    case: Case, arrays: Operands, expectation: Expectation, stage: str
) -> list[str]:
    bounds = _gradient_bounds(case, arrays, expectation.value)
    expected = ",\n".join(f'    "{n}": {literal(a)}' for n, a in expectation.value.items())
    lines = [f"expected = {{\n{expected},\n}}"]
    lines += [f"bounds = {bounds!r}  # the largest errors of correct arithmetic"]
    lines += ["actual = call()", "print(actual)", *(_kept(case) if stage == "inputs" else [])]
    if stage == "repeat":
        lines += ["for name, array in call().items():"]
        lines += ["    np.testing.assert_array_equal(array, actual[name], err_msg=name)"]
    lines += ["assert sorted(actual) == sorted(expected), sorted(actual)"]
    lines += ["for name, array in expected.items():"]
    lines += ["    given = np.asarray(actual[name])"]
    lines += ["    assert given.dtype == array.dtype, (name, given.dtype)"]
    compared = "given, array, rtol=0, atol=bounds[name], err_msg=name"
    return [*lines, f"    np.testing.assert_allclose({compared})"]


def _gradient_bounds(case: Case, arrays: Operands, expected: dict[str, Array]) -> dict[str, float]:
    """The largest finite error of each gradient that correct arithmetic may have."""
    found = dict.fromkeys(expected, 0.0)
    if not all(array is not None and array.size for array in (arrays.inputs, arrays.upstream)):
        return found
    if LAYERS[case.layer].convolves:
        for name, gauge in convolution_gauges(case, arrays).items():
            rounding = half_ulp(as_float64(expected[name]), gauge.format)
            laid_out = gauge.convolution.laid_out(gauge.error)
            found[name] = _largest_finite(laid_out + rounding)
    elif LAYERS[case.layer].selects:
        for name, part in predict_gradients(case, arrays).parts.items():
            found[name] = 0.0 if part.error is None else _largest_finite(part.error)
    return found


def _largest_finite(errors: Array) -> float:
    return float(np.max(errors, where=np.isfinite(errors), initial=0.0))
