"""The activations in each notation: an expression in the variable ``y``, by Keras' names.

Where an expression needs more than one use of a large term, or a statement, the text holds lines.
What a notation has nothing for is left out of its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from conformance.explain.code.program import Unsayable
from conformance.explain.subject import Subject

_SELU: Final = "1.0507009873554805"
_SELU_ALPHA: Final = "1.6732632423543772"

_ALIASES: Final = {"swish": "silu", "hard_swish": "hard_silu"}

NUMPY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "celu": "np.where(y > 0, y, np.expm1(np.minimum(y, 0)))",
        "elu": "np.where(y > 0, y, np.expm1(np.minimum(y, 0)))",
        "exponential": "np.exp(y)",
        "gelu": "y * np.vectorize(lambda t: math.erfc(-t / math.sqrt(2)) / 2, [y.dtype])(y)",
        "glu": "a / (1 + np.exp(-b))  # a, b: the halves of y's last axis",
        "hard_shrink": "np.where(np.abs(y) > 0.5, y, 0)",
        "hard_sigmoid": "np.clip(y / 6 + 0.5, 0, 1)",
        "hard_silu": "y * np.clip(y / 6 + 0.5, 0, 1)",
        "hard_tanh": "np.clip(y, -1, 1)",
        "leaky_relu": "np.where(y >= 0, y, 0.2 * y)",
        "log_sigmoid": "-np.logaddexp(0, -y)",
        "log_softmax": "y - np.log(np.exp(y).sum(axis=-1, keepdims=True))",
        "mish": "y * np.tanh(np.logaddexp(0, y))",
        "relu": "np.maximum(y, 0)",
        "relu6": "np.clip(y, 0, 6)",
        "selu": f"{_SELU} * np.where(y > 0, y, {_SELU_ALPHA} * np.expm1(np.minimum(y, 0)))",
        "sigmoid": "1 / (1 + np.exp(-y))",
        "silu": "y / (1 + np.exp(-y))",
        "soft_shrink": "np.maximum(y - 0.5, 0) + np.minimum(y + 0.5, 0)",
        "softmax": "np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True)",
        "softplus": "np.logaddexp(0, y)",
        "softsign": "y / (1 + np.abs(y))",
        "sparsemax": "np.maximum(y - (sums - 1) / count, 0)",
        "sparse_plus": "np.where(y <= -1, 0, np.where(y < 1, (y + 1) ** 2 / 4, y))",
        "sparse_sigmoid": "np.clip((y + 1) / 2, 0, 1)",
        "squareplus": "(y + np.sqrt(y**2 + 4)) / 2",
        "tanh": "np.tanh(y)",
        "tanh_shrink": "y - np.tanh(y)",
    }
)

_STEPS_NUMPY: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "glu": ("a, b = np.split(y, 2, axis=-1)",),
        "softmax": ("y = y - y.max(axis=-1, keepdims=True)",),
        "log_softmax": ("y = y - y.max(axis=-1, keepdims=True)",),
        "sparsemax": (
            "y = y - y.max(axis=-1, keepdims=True)",
            "z = -np.sort(-y, axis=-1)  # the largest first",
            "total = np.cumsum(z, axis=-1)",
            "support = 1 + np.arange(1, z.shape[-1] + 1, dtype=z.dtype) * z > total",
            "count = support.sum(axis=-1, keepdims=True).clip(1).astype(y.dtype)",
            "sums = np.where(support, z, 0).sum(axis=-1, keepdims=True)",
        ),
    }
)

TORCH: Final[Mapping[str, str]] = MappingProxyType(
    {
        "celu": "F.celu(y)",
        "elu": "F.elu(y)",
        "exponential": "torch.exp(y)",
        "gelu": "F.gelu(y)",
        "glu": "F.glu(y, dim=-1)",
        "hard_shrink": "F.hardshrink(y)",
        "hard_sigmoid": "F.hardsigmoid(y)",
        "hard_silu": "F.hardswish(y)",
        "hard_tanh": "F.hardtanh(y)",
        "leaky_relu": "F.leaky_relu(y, 0.2)",
        "log_sigmoid": "F.logsigmoid(y)",
        "log_softmax": "F.log_softmax(y, dim=-1)",
        "mish": "F.mish(y)",
        "relu": "F.relu(y)",
        "relu6": "F.relu6(y)",
        "selu": "F.selu(y)",
        "sigmoid": "torch.sigmoid(y)",
        "silu": "F.silu(y)",
        "soft_shrink": "F.softshrink(y)",
        "softmax": "F.softmax(y, dim=-1)",
        "softplus": "F.softplus(y)",
        "softsign": "F.softsign(y)",
        "sparsemax": "torch.clamp(y - (sums - 1) / count, min=0)",
        "sparse_plus": "torch.where(y <= -1, 0, torch.where(y < 1, (y + 1) ** 2 / 4, y))",
        "sparse_sigmoid": "torch.clamp((y + 1) / 2, 0, 1)",
        "squareplus": "(y + torch.sqrt(y**2 + 4)) / 2",
        "tanh": "torch.tanh(y)",
        "tanh_shrink": "F.tanhshrink(y)",
    }
)

_STEPS_TORCH: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "sparsemax": (
            "y = y - y.amax(dim=-1, keepdim=True)",
            "z = torch.sort(y, dim=-1, descending=True).values",
            "total = torch.cumsum(z, dim=-1)",
            "support = 1 + torch.arange(1, z.shape[-1] + 1, dtype=z.dtype) * z > total",
            "count = support.sum(dim=-1, keepdim=True).clamp(min=1)",
            "sums = torch.where(support, z, 0).sum(dim=-1, keepdim=True)",
        ),
    }
)

JAX: Final[Mapping[str, str]] = MappingProxyType(
    {
        "celu": "jax.nn.celu(y)",
        "elu": "jax.nn.elu(y)",
        "exponential": "jnp.exp(y)",
        "gelu": "jax.nn.gelu(y, approximate=False)",
        "glu": "jax.nn.glu(y, axis=-1)",
        "hard_shrink": "jnp.where(jnp.abs(y) > 0.5, y, 0)",
        "hard_sigmoid": "jax.nn.hard_sigmoid(y)",
        "hard_silu": "jax.nn.hard_silu(y)",
        "hard_tanh": "jax.nn.hard_tanh(y)",
        "leaky_relu": "jax.nn.leaky_relu(y, 0.2)",
        "log_sigmoid": "jax.nn.log_sigmoid(y)",
        "log_softmax": "jax.nn.log_softmax(y, axis=-1)",
        "mish": "jax.nn.mish(y)",
        "relu": "jax.nn.relu(y)",
        "relu6": "jax.nn.relu6(y)",
        "selu": "jax.nn.selu(y)",
        "sigmoid": "jax.nn.sigmoid(y)",
        "silu": "jax.nn.silu(y)",
        "soft_shrink": "jnp.maximum(y - 0.5, 0) + jnp.minimum(y + 0.5, 0)",
        "softmax": "jax.nn.softmax(y, axis=-1)",
        "softplus": "jax.nn.softplus(y)",
        "softsign": "jax.nn.soft_sign(y)",
        "sparse_plus": "jax.nn.sparse_plus(y)",
        "sparse_sigmoid": "jax.nn.sparse_sigmoid(y)",
        "squareplus": "jax.nn.squareplus(y)",
        "tanh": "jnp.tanh(y)",
        "tanh_shrink": "y - jnp.tanh(y)",
    }
)


def activation_name(subject: Subject) -> str | None:
    """The activation of a layer; None where it is the identity or there is none.

    Raises:
        Unsayable: where it is given by something else than a name.
    """
    name = subject.case.keywords.get("activation")
    if name in (None, "linear"):
        return None
    if not isinstance(name, str):
        raise Unsayable(f"the activation {name!r} is not one of the predefined names")
    return _ALIASES.get(name, name)


def activation_lines(
    subject: Subject,
    notation: Mapping[str, str],
    steps: Mapping[str, tuple[str, ...]] | None = None,
) -> list[str]:
    """What turns ``y`` into ``y`` activated; nothing for the identity.

    Raises:
        Unsayable: where the notation has nothing for the activation.
    """
    name = activation_name(subject)
    if name is None:
        return []
    if name not in notation:
        raise Unsayable(f"nothing there computes the activation {name}")
    return [*(steps or {}).get(name, ()), f"y = {notation[name]}"]


def numpy_activation(subject: Subject) -> list[str]:
    """`activation_lines` for NumPy."""
    return activation_lines(subject, NUMPY, _STEPS_NUMPY)


def torch_activation(subject: Subject) -> list[str]:
    """`activation_lines` for PyTorch."""
    return activation_lines(subject, TORCH, _STEPS_TORCH)
