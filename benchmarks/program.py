"""How long is a step of a compiled function?  Ours against micrograd, PyTorch and the products.

The scalar network is that of `scalar_mlp`, the dense ones those of `tensor_mlp`, the transformer
block, the LSTM and LeNet those of the files of these names; here ours run through `compile`.
"""

from __future__ import annotations

import dataclasses
import operator
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks import harness, layers, lenet, lstm, scalar_mlp, tensor_mlp, transformer

TITLE = "Programs: one step of a compiled function"
Step = Callable[[], float]
MANY = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """The programs by engine, the reference first, and the target: time / reference.

    limits : other targets, by engine.  memory : whether the peak is compared too.
    """

    programs: dict[str, Callable[[], Step]]
    limit: float
    tolerance: float = 1e-4
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)
    memory: bool = False


def _scalar(samples: int, way: str) -> Step:
    """The forward and backward pass of a network of Values, compiled."""
    from tinygrad_edu import Value, compile

    class Neuron:
        def __init__(self, size: int, nonlinear: bool) -> None:
            self.w = [Value(random.uniform(-1, 1)) for _ in range(size)]
            self.b = Value(0)
            self.nonlinear = nonlinear

        def __call__(self, x: list[Any]) -> Any:
            total = sum(map(operator.mul, self.w, x), self.b)
            return total.relu() if self.nonlinear else total

    xs, ys = scalar_mlp._samples(samples)
    random.seed(0)
    inputs, outputs = scalar_mlp.CASES["2-16-16-1"]
    sizes = list(zip([inputs, *outputs], outputs, strict=False))
    layers = [
        [Neuron(n, len(outputs) - 1 != i) for _ in range(m)] for i, (n, m) in enumerate(sizes)
    ]
    parameters = [p for layer in layers for neuron in layer for p in [*neuron.w, neuron.b]]

    def sample_loss(x: Any, y: Any) -> Any:
        for layer in layers:
            x = [neuron(x) for neuron in layer]
        return (x[0] - y) ** 2

    def all_losses() -> Any:
        losses = [sample_loss(x, y) for x, y in zip(xs, ys, strict=True)]
        return sum(losses) * (1 / len(losses))

    if way == "unrolled":
        loss_of = compile(all_losses)
    else:
        batch = compile(sample_loss, jit="numba" if way == "numba" else None).vectorize()
        columns = tuple(np.array(xs).T)

        def loss_of() -> Any:
            return batch(columns, np.array(ys))

    def step() -> float:
        loss = loss_of()
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        for p in parameters:
            p.data -= scalar_mlp.LEARNING_RATE * p.grad
        return loss.data

    return step


def _dense(case: tensor_mlp.Case, jit: str | None = None) -> Step:
    """A dense network of Tensors, compiled."""
    from tinygrad_edu import compile, ops, optim

    x, y, weights, biases = map(_tensors, case.data())
    parameters = [p.requires_grad_() for p in (*weights, *biases)]
    optimizer = optim.SGD(parameters, lr=tensor_mlp.LEARNING_RATE, fused=jit is not None)

    def network(x: Any, y: Any) -> Any:
        h = x
        for w, b in zip(weights, biases, strict=True):
            z = h @ w + b
            h = z.relu() if w is not weights[-1] else z
        return ops.cross_entropy(h, y) if case.classes else ops.mse_loss(h, y)

    loss_of = compile(network, jit=jit)
    return _descending(lambda: loss_of(x, y), optimizer)


def _tensors(data: Any) -> Any:
    from tinygrad_edu import Tensor

    return [Tensor(x) for x in data] if isinstance(data, list) else Tensor(data)


def products(name: str) -> float:
    """Seconds that the matrix products of a step of a dense network take, and nothing else."""
    x, _, weights, _ = tensor_mlp.CASES[name].data()
    layers = [x]
    for w in weights:
        layers.append(layers[-1] @ w)

    def step() -> None:
        for i, w in enumerate(weights):
            layers[i] @ w
            layers[i].T @ layers[i + 1]
            if i:
                layers[i + 1] @ w.T

    times = []
    clock = time.process_time if harness.threads() == 1 else time.perf_counter
    for _ in range(50):
        start = clock()
        for _ in range(10):
            step()
        times.append((clock() - start) / 10)
    return statistics.median(times)


def _block(activation: str, jit: str | None = None) -> Step:
    """The transformer block, compiled."""
    from tinygrad_edu import Tensor, compile, nn, optim

    sizes = (transformer.SIZE, transformer.HEADS, transformer.WIDTH)
    model = nn.TransformerEncoderLayer(*sizes, 0.0, activation, batch_first=True)
    model.load_state_dict(transformer._state(model))
    optimizer = optim.SGD(model.parameters(), lr=transformer.LEARNING_RATE, fused=jit is not None)
    inputs, targets = map(Tensor, transformer.data())
    loss_of = compile(lambda x, y: nn.functional.mse_loss(model(x), y), jit=jit)
    return _descending(lambda: loss_of(inputs, targets), optimizer)


def _lstm(jit: str | None = None) -> Step:
    """The LSTM, compiled."""
    from tinygrad_edu import Tensor, compile, nn, optim

    x, y, state = lstm.data()
    model = nn.LSTM(lstm.INPUTS, lstm.SIZE)
    model.load_state_dict(state)
    optimizer = optim.SGD(model.parameters(), lr=lstm.LEARNING_RATE, fused=jit is not None)
    inputs, targets = Tensor(x), Tensor(y)
    loss_of = compile(lambda x, y: nn.functional.mse_loss(model(x)[0], y), jit=jit)
    return _descending(lambda: loss_of(inputs, targets), optimizer)


def _lenet(jit: str | None = None) -> Step:
    """LeNet, compiled."""
    from tinygrad_edu import Tensor, compile, nn, optim

    model, loss_of_logits = lenet._model(nn), nn.CrossEntropyLoss()
    x, y, weights, biases = lenet.data()
    arrays = [array for pair in zip(weights, biases, strict=True) for array in pair]
    model.load_state_dict(dict(zip(model.state_dict(), arrays, strict=True)))
    optimizer = optim.SGD(model.parameters(), lr=lenet.LEARNING_RATE, fused=jit is not None)
    images, classes = Tensor(x), Tensor(y)
    loss_of = compile(lambda x, y: loss_of_logits(model(x), y), jit=jit)
    return _descending(lambda: loss_of(images, classes), optimizer)


def _descending(loss_of: Callable[[], Any], optimizer: Any) -> Step:
    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _micrograd() -> Step:
    """micrograd, a sample at a time: its backward pass recurses, too deep for all at once."""
    from micrograd.nn import MLP

    xs, ys = scalar_mlp._samples(MANY)
    random.seed(0)
    model = MLP(*scalar_mlp.CASES["2-16-16-1"])

    def step() -> float:
        model.zero_grad()
        total = 0.0
        for x, y in zip(xs, ys, strict=True):
            loss = (model(x) - y) ** 2 * (1 / MANY)
            loss.backward()
            total += loss.data
        for p in model.parameters():
            p.data -= scalar_mlp.LEARNING_RATE * p.grad
        return total

    return step


def _few() -> Step:
    return scalar_mlp.micrograd(scalar_mlp.CASES["2-16-16-1"])


def peak(case: str, engine: str) -> tuple[float, float]:
    """As `layers.peak`, of a compiled function."""
    return layers.peak_of(CASES[case].programs[engine]())


OURS = harness.OURS
NUMBA = f"{OURS}, numba"
CASES = {
    "scalar 2-16-16-1, 16 samples": Case(
        {"micrograd": _few, OURS: lambda: _scalar(16, "unrolled")}, 1 / 40, 1e-9
    ),
    "scalar 2-16-16-1, 1,024 samples": Case(
        {
            "micrograd": _micrograd,
            OURS: lambda: _scalar(MANY, "arrays"),
            NUMBA: lambda: _scalar(MANY, "numba"),
        },
        1 / 300,
        1e-9,
    ),
    **{
        name: Case(
            {
                "PyTorch": lambda c=c: tensor_mlp.pytorch(c),  # type: ignore[misc]
                OURS: lambda c=c: _dense(c),  # type: ignore[misc]
                NUMBA: lambda c=c: _dense(c, "numba"),  # type: ignore[misc]
            },
            0.95 if c.classes else 0.5,
        )
        for name, c in tensor_mlp.CASES.items()
    },
    "LeNet, 28x28, batch 64": Case(
        {"PyTorch": lenet.pytorch, OURS: _lenet, NUMBA: lambda: _lenet("numba")},
        2.2,
        limits={NUMBA: 1.5},
        memory=True,
    ),
    "LSTM 1x128, sequence 32, batch 32": Case(
        {"PyTorch": lstm.pytorch, OURS: _lstm, NUMBA: lambda: _lstm("numba")},
        1.4,
        limits={NUMBA: 1.0},
        memory=True,
    ),
    **{
        f"transformer block, {name}": Case(
            {
                "PyTorch": lambda a=activation: transformer.pytorch(a),  # type: ignore[misc]
                OURS: lambda a=activation: _block(a),  # type: ignore[misc]
                NUMBA: lambda a=activation: _block(a, "numba"),  # type: ignore[misc]
            },
            1.0,
            memory=True,
        )
        for name, activation in (("ReLU", "relu"), ("GELU", "gelu"))
    },
}


def _program(engine: str) -> Callable[[Case], Step]:
    return lambda case: case.programs[engine]()


ENGINES = {engine: _program(engine) for case in CASES.values() for engine in case.programs}


def generation(nodes: int) -> float:
    """Seconds to trace, improve, write and load a program of so many operations on Values."""
    from tinygrad_edu import Value, compile

    def chain(x: Any) -> Any:
        for _ in range(nodes // 2):
            x = (x * 0.5).tanh()
        return x

    start = time.process_time()
    compile(chain)(Value(1.0))
    return time.process_time() - start


def report(*, rounds: int) -> str:
    """The section of RESULTS.md."""
    parts = [harness.conditions(["micrograd", "torch", "numba"])]
    for threads in (1, 2):
        for name, case in CASES.items():
            if threads > 1 and "scalar" in name:
                continue
            few = min(rounds, 5) if "1,024" in name else rounds
            rows = harness.compare(
                "program",
                name,
                list(case.programs),
                threads=threads,
                rounds=few,
                tolerance=case.tolerance,
            )
            verdicts = [
                harness.verdict(f"{row.engine}: time / {rows[0].engine}", ratio, limit)
                if limit > 0.1
                else harness.verdict(
                    f"{row.engine}: times as fast", 1 / ratio, 1 / limit, at_least=True
                )
                for row in rows[1:]
                for ratio, limit in [(row.ratio(rows[0]), case.limits.get(row.engine, case.limit))]
            ]
            if name in tensor_mlp.CASES and tensor_mlp.CASES[name].classes:
                alone = harness.fresh("program", "products", name, threads=threads)
                verdicts.append(
                    harness.verdict("time / matrix products", rows[1].median / alone, 1.25)
                )
            if case.memory:
                verdicts += layers.memory_verdicts(name, threads, module="program", limit=1.0)
            parts += [
                f"### {name}; {threads} thread{'s' * (threads > 1)}",
                harness.rows_table(rows, reference=rows[0].engine),
                "\n".join(verdicts),
            ]
    small, large = (harness.fresh("program", "generation", n) for n in (2000, 8000))
    parts.append(
        "### Generating a program of Values\n\n"
        + harness.verdict("seconds for 2,000 operations", small, 0.5)
        + "\n"
        + harness.verdict("8,000 operations / 2,000", large / small, 6.0)
    )
    return "\n\n".join(parts)
