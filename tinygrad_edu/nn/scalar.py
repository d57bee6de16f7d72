"""A multi-layer perceptron of single numbers: every weight is a `Value`.

The same network as one of `nn.Linear` layers, slower and with every step visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu import ops
from tinygrad_edu.engine.value import Value
from tinygrad_edu.ops.random import generator_or_default

Numbers = Sequence[Any]  # Values, or Python numbers


class Scalar:
    """Base of `Neuron`, `Layer` and `MLP`: something with parameters.

    >>> len(Neuron(3).parameters())
    4
    """

    def parameters(self) -> list[Value]:
        """The weights and biases."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients: they read 0.0 afterwards."""
        for p in self.parameters():
            p.grad = None


class Neuron(Scalar):
    """activation(w_1 x_1 + ... + w_n x_n + b): `nin` numbers -> one Value.

    activation : the name of an operation, such as "tanh" or "relu"; "" for none.
    generator : draws the weights, evenly from -1 to 1, the bias being 0; a
        `numpy.random.Generator`, by default the one that `manual_seed` seeds.

    >>> neuron = Neuron(2, "")
    >>> for w in neuron.w:
    ...     w.data = 2.0
    >>> neuron([1.0, 3.0]).data
    8.0
    """

    def __init__(self, nin: int, activation: str = "tanh", *, generator: Any = None) -> None:
        draw = generator_or_default(generator)
        self.w = [Value(draw.uniform(-1.0, 1.0), name=f"w{i + 1}") for i in range(nin)]
        self.b = Value(0.0, name="b")
        self.activation = activation
        self._activate = ops.lookup(activation) if activation else None

    def __call__(self, x: Numbers) -> Any:
        """The neuron's answer to `nin` numbers."""
        if len(x) != len(self.w):
            raise ValueError(f"this neuron takes {len(self.w)} numbers, not {len(x)}")
        total = self.b
        for w, number in zip(self.w, x, strict=True):
            total = total + w * number
        return self._activate(total) if self._activate else total

    def parameters(self) -> list[Value]:
        """The weights, then the bias."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"Neuron({len(self.w)}, {self.activation!r})"


class Layer(Scalar):
    """`nout` neurons with the same inputs: `nin` numbers -> a list of `nout` Values.

    >>> len(Layer(2, 3)([1.0, -1.0]))
    3
    """

    def __init__(
        self, nin: int, nout: int, activation: str = "tanh", *, generator: Any = None
    ) -> None:
        self.neurons = [Neuron(nin, activation, generator=generator) for _ in range(nout)]

    def __call__(self, x: Numbers) -> list[Any]:
        """The answer of every neuron."""
        return [neuron(x) for neuron in self.neurons]

    def parameters(self) -> list[Value]:
        """Those of every neuron."""
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer({', '.join(map(repr, self.neurons))})"


class MLP(Scalar):
    """Layers in a row, the last without activation: `nin` numbers -> a Value, or a list of them.

    nouts : the number of neurons in each layer; a last layer of one gives its Value alone.

    >>> len(MLP(2, [16, 16, 1]).parameters())
    337
    """

    def __init__(
        self, nin: int, nouts: Sequence[int], activation: str = "tanh", *, generator: Any = None
    ) -> None:
        sizes = [nin, *nouts]
        self.layers = [
            Layer(n, m, activation if i < len(nouts) - 1 else "", generator=generator)
            for i, (n, m) in enumerate(zip(sizes, nouts, strict=False))
        ]

    def __call__(self, x: Numbers) -> Any:
        """The last layer's answer."""
        for layer in self.layers:
            x = layer(x)
        return x[0] if len(x) == 1 else x

    def parameters(self) -> list[Value]:
        """Those of every layer."""
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP({', '.join(map(repr, self.layers))})"
