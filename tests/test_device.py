"""On a GPU everything gives what it gives on the CPU, and nothing is copied back unasked.

Without one they run on a double of CuPy that refuses what CuPy refuses (`cupy_double`); with one,
``pytest tests/test_device.py --device cuda`` runs the same tests on it.
"""

import cupy_double
import numpy as np
import pytest
from modules_made import MODULES, made, operand, unpacked
from table import TABLE

from benchmarks import gpu
from tinygrad_edu import Tensor, compile, manual_seed, nn, ops, optim, train
from tinygrad_edu.namespaces import arrays
from tinygrad_edu.node import nodes_in

# Draws differ by design, or the result is a list of the host.
OWN_GENERATOR = ("uniform_like", "normal_like")


@pytest.fixture(autouse=True)
def cuda(request, monkeypatch):
    """CuPy, or its double."""
    before = dict(arrays.NAMESPACES)
    if request.config.getoption("--device") == "cuda":
        yield pytest.importorskip("cupy")
        return
    yield cupy_double.install(monkeypatch)
    arrays.NAMESPACES.clear()
    arrays.NAMESPACES.update(before)


def to_cuda(x):
    return Tensor(x).to("cuda") if isinstance(x, np.ndarray) else x


def host(x):
    return x.get() if hasattr(x, "get") else np.asarray(x)


def agree(got, wanted, dtype):
    assert got.__class__ is not np.ndarray
    tolerance = 1e-5 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(host(got), wanted, rtol=tolerance, atol=tolerance)


def leaves(args, device):
    found = [Tensor(np.asarray(x)).to(device) for x in args]
    for x in found:
        x.requires_grad = x.dtype.kind == "f"
    return found


def placed(name, option, device):
    """An option on the device: weights are arrays of the device, indices may be of either."""
    if isinstance(option, np.ndarray) and name not in ("index", "indices"):
        return Tensor(option).to(device).data
    return option


@pytest.mark.parametrize("name", sorted(TABLE.keys() - {*OWN_GENERATOR}))
def test_every_operation(name):
    op = ops.lookup(name)
    for sample in TABLE[name][::2]:
        options = dict(sample.options)
        if name == "to_device":
            options = {"device": "cuda"}
        sides = {}
        for device in ("cpu", "cuda"):
            given = leaves(sample.args, device)
            moved = {k: placed(k, v, device) for k, v in options.items()}
            with np.errstate(all="ignore"):
                out = op(*given, **moved)
                results = list(nodes_in(out))
                for result in results:
                    if result.requires_grad and result.size:
                        result.sum().backward()
            sides[device] = [r.data for r in results], [x.grad for x in given]
        (cpu, cpu_grads), (gpu, gpu_grads) = sides["cpu"], sides["cuda"]
        for mine, theirs in zip(gpu, cpu, strict=True):
            if name != "to_device":
                agree(mine, host(theirs), np.float64)
        for mine, theirs in zip(gpu_grads, cpu_grads, strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None and not isinstance(theirs, cupy_double.ndarray):
                agree(mine, theirs, np.float64)


def moved(x, device):
    if isinstance(x, tuple):
        return tuple(moved(part, device) for part in x)
    return x.to(device) if isinstance(x, Tensor) else x


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module(name):
    for config in unpacked(name)[:3]:
        sides = {}
        for device in ("cpu", "cuda"):
            manual_seed(0)
            module = made(name, config.args, config.options).eval().to(device)
            inputs = [moved(operand(x), device) for x in config.inputs]
            named = {key: moved(operand(x), device) for key, x in config.named.items()}
            results = list(nodes_in(module(*inputs, **named)))
            for result in results:
                if result.requires_grad:
                    result.sum().backward()
            grads = [p.grad for p in module.parameters()]
            sides[device] = [x.data for x in results], grads
        (cpu, cpu_grads), (gpu, gpu_grads) = sides["cpu"], sides["cuda"]
        for mine, theirs in zip(gpu, cpu, strict=True):
            agree(mine, theirs, np.float32)
        for mine, theirs in zip(gpu_grads, cpu_grads, strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None:
                agree(mine, theirs, np.float32)


OPTIMISERS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "Adagrad": {"lr": 0.1},
    "RMSprop": {"lr": 0.1, "centered": True, "momentum": 0.5},
    "Adam": {"lr": 0.1, "amsgrad": True},
    "AdamW": {"lr": 0.1},
    "LBFGS": {"lr": 0.5, "line_search_fn": "strong_wolfe", "max_iter": 3},
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser(name):
    weights = {}
    for device in ("cpu", "cuda"):
        manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(device)
        optimizer = getattr(optim, name)(model.parameters(), **OPTIMISERS[name])
        x = Tensor(np.linspace(-1, 1, 12).reshape(4, 3), dtype="float32").to(device)

        def closure(model=model, optimizer=optimizer, x=x):
            optimizer.zero_grad()
            loss = ((model(x) - x.sum(axis=1, keepdims=True)) ** 2).mean()
            loss.backward()
            return loss.item()

        for _ in range(5):
            optimizer.step(closure)
        weights[device] = [p.data for p in model.parameters()]
    for mine, theirs in zip(weights["cuda"], weights["cpu"], strict=True):
        agree(mine, theirs, np.float32)


def test_a_training_with_batches_from_the_host():
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2)).to("cuda")
    batches = [(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]))]
    history = train.fit(
        model,
        batches,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(model.parameters(), lr=0.01),
        epochs=2,
        clip_norm=1.0,
        validation=batches,
        progress=False,
    )
    assert len(history["val_loss"]) == 2
    assert all(p.data.__class__ is not np.ndarray for p in model.parameters())


def test_compiled_programs():
    model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)).to("cuda")
    x = Tensor(np.ones((4, 3), "float32")).to("cuda")
    plain = model(x)
    program = compile(model)
    agree(program(x).data, host(plain.data), np.float32)
    plain.sum().backward()
    wanted = [host(p.grad) for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    program(x).sum().backward()
    for p, w in zip(model.parameters(), wanted, strict=True):
        agree(p.grad, w, np.float32)


def test_two_devices_do_not_mix():
    with pytest.raises(ValueError, match=r"cpu.*cuda|cuda.*cpu"):
        Tensor([1.0]).to("cuda") + Tensor([1.0])


def test_the_double_refuses_what_cupy_refuses(cuda):
    x = Tensor([1.0, 2.0]).to("cuda")
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(x.data)
    with pytest.raises(TypeError, match=r"host|numpy\.ndarray"):
        x.data + np.ones(2)
    assert x.to("cpu").tolist() == [1.0, 2.0] == x.tolist()


def test_a_copy_to_the_host_inside_a_rule_is_noticed():
    op = ops.Op(lambda xp, x: xp.exp(np.asarray(x)), symbol=None, latex=None, differentiable=False)
    with pytest.raises(TypeError, match="Implicit conversion"):
        op.forward(arrays.cupy_arrays(), Tensor([1.0]).to("cuda").data)


def test_the_benchmark_runs(cuda, request):
    ours = gpu.ratio(gpu.tinygrad_edu(8, 4, False), gpu.tinygrad_edu(8, 4, True), 1)
    assert ours > 0.0
    assert gpu.ratio(gpu.chain(64), gpu.copy(64), 1) > 0.0
    if request.config.getoption("--device") == "cpu":
        assert gpu.report(1).startswith("Not measured: ")
