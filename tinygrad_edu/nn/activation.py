"""Activations as modules: each row is a name, a function of `functional`, and its options.

The defaults are PyTorch's, the documentation is the function's.  ``inplace=True`` is accepted, so
that PyTorch's code runs, and changes nothing: the output is always a new tensor.

>>> from tinygrad_edu.nn import LeakyReLU
>>> LeakyReLU(0.1)(Tensor([-1.0, 2.0])).tolist() == [-0.10000000149011612, 2.0]
True
"""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.applied import Applied


class Activation(Applied):
    """Base of the activations: shape (...) -> (...)."""

    def forward(self, input: Tensor) -> Tensor:  # type: ignore[override]  # one input
        """The function of the input."""
        return self.function(input, **self._options())

    def extra_repr(self) -> str:
        """The options."""
        shown = [f"{name}={option!r}" for name, option in self._options().items()]
        return ", ".join(shown + ["inplace=True"] * getattr(self, "inplace", False))


@dataclass(eq=False, repr=False)
class ReLU(Activation, of=F.relu):
    inplace: bool = False


@dataclass(eq=False, repr=False)
class LeakyReLU(Activation, of=F.leaky_relu):
    negative_slope: float = 0.01
    inplace: bool = False


@dataclass(eq=False, repr=False)
class ELU(Activation, of=F.elu):
    alpha: float = 1.0
    inplace: bool = False


@dataclass(eq=False, repr=False)
class SELU(Activation, of=F.selu):
    inplace: bool = False


@dataclass(eq=False, repr=False)
class CELU(Activation, of=F.celu):
    alpha: float = 1.0
    inplace: bool = False


@dataclass(eq=False, repr=False)
class GELU(Activation, of=F.gelu):
    approximate: str = "none"


@dataclass(eq=False, repr=False)
class SiLU(Activation, of=F.silu):
    inplace: bool = False


@dataclass(eq=False, repr=False)
class Mish(Activation, of=F.mish):
    inplace: bool = False


@dataclass(eq=False, repr=False)
class Softplus(Activation, of=F.softplus):
    beta: float = 1.0


@dataclass(eq=False, repr=False)
class LogSigmoid(Activation, of=F.logsigmoid):
    pass


@dataclass(eq=False, repr=False)
class Hardtanh(Activation, of=F.hardtanh):
    min_val: float = -1.0
    max_val: float = 1.0
    inplace: bool = False


@dataclass(eq=False, repr=False)
class ReLU6(Activation, of=F.relu6):
    inplace: bool = False


@dataclass(eq=False, repr=False)
class Hardsigmoid(Activation, of=F.hardsigmoid):
    inplace: bool = False


@dataclass(eq=False, repr=False)
class Hardswish(Activation, of=F.hardswish):
    inplace: bool = False


@dataclass(eq=False, repr=False)
class Softsign(Activation, of=F.softsign):
    pass


@dataclass(eq=False, repr=False)
class Tanhshrink(Activation, of=F.tanhshrink):
    pass


@dataclass(eq=False, repr=False)
class Sigmoid(Activation, of=F.sigmoid):
    pass


@dataclass(eq=False, repr=False)
class Tanh(Activation, of=F.tanh):
    pass


@dataclass(eq=False, repr=False)
class Softmax(Activation, of=F.softmax):
    dim: int


@dataclass(eq=False, repr=False)
class LogSoftmax(Activation, of=F.log_softmax):
    dim: int
