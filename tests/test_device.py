"""On a GPU everything gives what it gives on the CPU, and nothing is copied back unasked.

Without one they run on a double of CuPy that refuses what CuPy refuses (`cupy_double`); with one,
``pytest tests/test_device.py --device cuda`` runs the same tests on it; `test_kernels` and
`test_capture` are the same for compiled programs.
"""

import sys
import threading

import cupy_double
import numpy as np
import pytest
from modules_made import MODULES, made, operand, unpacked
from table import TABLE

from benchmarks import gpu
from tinygrad_edu import (
    Tensor,
    arange,
    compile,
    data,
    device,
    learn,
    manual_seed,
    nn,
    ops,
    optim,
    rand,
    train,
    zeros,
)
from tinygrad_edu.learn.session import MODE
from tinygrad_edu.namespaces import arrays
from tinygrad_edu.namespaces.philox import draw_kernel
from tinygrad_edu.node import nodes_in

# Draws differ by design, or the result is a list of the host.
OWN_GENERATOR = ("uniform_like", "normal_like")


pytestmark = pytest.mark.usefixtures("cuda")


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
        for where in ("cpu", "cuda"):
            given = leaves(sample.args, where)
            moved = {k: placed(k, v, where) for k, v in options.items()}
            with np.errstate(all="ignore"):
                out = op(*given, **moved)
                results = list(nodes_in(out))
                for result in results:
                    if result.requires_grad and result.size:
                        result.sum().backward()
            sides[where] = [r.data for r in results], [x.grad for x in given]
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
        for where in ("cpu", "cuda"):
            manual_seed(0)
            module = made(name, config.args, config.options).eval().to(where)
            inputs = [moved(operand(x), where) for x in config.inputs]
            named = {key: moved(operand(x), where) for key, x in config.named.items()}
            results = list(nodes_in(module(*inputs, **named)))
            for result in results:
                if result.requires_grad:
                    result.sum().backward()
            grads = [p.grad for p in module.parameters()]
            sides[where] = [x.data for x in results], grads
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
    for where in ("cpu", "cuda"):
        manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(where)
        optimizer = getattr(optim, name)(model.parameters(), **OPTIMISERS[name])
        x = Tensor(np.linspace(-1, 1, 12).reshape(4, 3), dtype="float32").to(where)

        def closure(model=model, optimizer=optimizer, x=x):
            optimizer.zero_grad()
            loss = ((model(x) - x.sum(axis=1, keepdims=True)) ** 2).mean()
            loss.backward()
            return loss.item()

        for _ in range(5):
            optimizer.step(closure)
        weights[where] = [p.data for p in model.parameters()]
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


def test_the_benchmark_runs(request):
    sizes = {"LeNet": gpu.CASES["LeNet, compiled"]}
    sizes["dense"] = gpu.Case(lambda: gpu.dense(8, 4), "captured", 0.5)
    rows = gpu.table(sizes, lambda problem: gpu.tinygrad_edu(problem, "eager"), 64, 1, 1)
    assert len(rows) == 2 + len(sizes) + 1
    assert all(row.endswith(("**holds** |", "**missed** |")) for row in rows[2:])
    if request.config.getoption("--device") == "cpu":
        assert gpu.report(1).startswith("Not measured: ")


def test_the_benchmark_takes_the_same_steps_each_way():
    problem = gpu.dense(8, 4)
    steps = [gpu.tinygrad_edu(problem, how) for how in ("eager", "compiled", "captured")]
    losses = [[step().item() for _ in range(5)] for step in steps]
    assert losses[0][0] > losses[0][4]
    for found in losses[1:]:
        np.testing.assert_allclose(found, losses[0], rtol=1e-5)


@pytest.mark.parity
def test_the_benchmark_takes_the_steps_of_pytorch():
    pytest.importorskip("torch")
    for problem in (gpu.dense(8, 4), gpu.digits(), gpu.block()):
        mine, theirs = gpu.tinygrad_edu(problem, "compiled"), gpu.pytorch(problem, "cpu")
        for _ in range(2):
            assert mine().item() == pytest.approx(theirs().item(), rel=1e-4)


class TestTheDeviceOfABlock:
    def test_what_is_made_inside_is_made_there(self, cuda):
        with device("cuda"):
            made_there = [Tensor([1.0]), Tensor(np.ones(2)), zeros(2), arange(3), rand(2)]
            model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
            lists = Tensor([1.0, 2.0]) * [3.0, 4.0]
            kept = [zeros(2, device="cpu"), *model.state_dict().values()]
        assert {x.device for x in made_there} == {"cuda"}
        assert {x.device for x in [*model.parameters(), *model.buffers()]} == {"cuda"}
        assert lists.tolist() == [3.0, 8.0]
        assert [x.device for x in kept][:2] == ["cpu", "cuda"]
        assert zeros(2).device == "cpu"

    def test_a_model_made_there_has_the_weights_of_one_made_on_the_cpu(self):
        manual_seed(0)
        here = nn.Linear(2, 3)
        manual_seed(0)
        with device("cuda"):
            there = nn.Linear(2, 3)
        assert there.weight.tolist() == here.weight.tolist()

    def test_blocks_nest_and_end_after_errors(self):
        with device("cuda"):
            with device("cpu"):
                assert zeros(1).device == "cpu"
            with pytest.raises(ZeroDivisionError), device("cpu"):
                _ = 1 // 0
            assert zeros(1).device == "cuda"
        assert zeros(1).device == "cpu"

    def test_other_threads_keep_theirs(self):
        seen = []
        with device("cuda"):
            other = threading.Thread(target=lambda: seen.append(zeros(1).device))
            other.start()
            other.join()
        assert seen == ["cpu"]

    def test_what_exists_stays_where_it_is(self):
        x, model = Tensor([1.0]), nn.Linear(1, 1)
        with device("cuda"):
            assert Tensor(x).device == x.detach().device == "cpu"
            assert model.to("float64").weight.device == "cpu"
            assert model.state_dict()["weight"].device == "cpu"
            model(Tensor([[1.0]], device="cpu")).sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)

    def test_batches_come_there(self):
        examples = data.TensorDataset(Tensor([[1.0], [2.0], [3.0]]), np.array([0, 1, 0]))
        loader = data.DataLoader(examples, batch_size=2)
        with device("cuda"):
            assert {x.device for batch in loader for x in batch} == {"cuda"}
        assert {x.device for batch in loader for x in batch} == {"cpu"}

    def test_a_compiled_function_makes_its_tensors_there(self):
        f = compile(lambda x: x + zeros(2) + Tensor(np.ones(2, "f4")))
        with device("cuda"):
            assert f(Tensor([1.0, 2.0])).tolist() == [2.0, 3.0]
        assert f(Tensor([1.0, 2.0])).device == "cpu"
        g = compile(lambda x: x * rand(2) + np.ones(2, "f4"))
        with device("cuda"):
            first, second = g(zeros(2) + 1.0), g(zeros(2) + 1.0)
        assert first.device == "cuda"
        assert first.tolist() != second.tolist()

    def test_names_are_checked(self):
        with pytest.raises(ValueError, match="'gpu', not 'cpu' or 'cuda'"), device("gpu"):
            pass
        with pytest.raises(ValueError, match="tf32"), device("cpu", tf32=True):
            pass

    @pytest.mark.parametrize("allowed", [True, False])
    def test_short_digits_are_asked_for(self, allowed):
        from cupy._core import _routines_linalg as settings

        before = settings.get_compute_type("f")
        with device("cuda", tf32=allowed):
            wanted = settings.COMPUTE_TYPE_TF32 if allowed else settings.COMPUTE_TYPE_DEFAULT
            assert settings.get_compute_type("f") == wanted
        assert settings.get_compute_type("f") == before


def test_half_precision_is_a_dtype():
    with device("cuda"):
        model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 1)).to("float16")
        x = Tensor(np.ones((2, 3)), dtype="float16")
    loss = (model(x) ** 2).mean()
    loss.backward()
    optim.SGD(model.parameters(), lr=0.1).step()
    assert loss.dtype == np.float16
    assert {str(p.dtype) for p in model.parameters()} == {"float16"}
    assert {str(p.grad.dtype) for p in model.parameters()} == {"float16"}


def test_random_numbers_are_drawn_on_the_device_from_the_seed_of_the_host():
    x = Tensor(np.zeros(1000, "f4")).to("cuda")
    manual_seed(3)
    first = [ops.uniform_like(x), ops.normal_like(x)]
    manual_seed(3)
    again = [ops.uniform_like(x), ops.normal_like(x)]
    assert [a.tolist() for a in first] == [a.tolist() for a in again]
    assert first[0].tolist() != ops.uniform_like(x).tolist()
    assert 0.0 <= min(first[0].tolist()) < 0.1 < 0.9 < max(first[0].tolist()) < 1.0
    assert abs(first[1].mean().item()) < 0.2
    assert {str(a.dtype) for a in first} == {"float32"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers_are_evenly_spread_and_normal(dtype):
    x = Tensor(np.zeros(40000, dtype)).to("cuda")
    manual_seed(0)
    even, normal = ops.uniform_like(x).numpy(), ops.normal_like(x).numpy()
    counts, _ = np.histogram(even, 20, (0, 1))
    assert ((counts - 2000) ** 2 / 2000).sum() < 43.8  # chi-squared, 19 degrees: 1 in 1,000
    assert even.max() < 1.0
    inside = [(np.abs(normal) < z).mean() for z in (0.5, 1, 2, 3)]
    np.testing.assert_allclose(inside, [0.3829, 0.6827, 0.9545, 0.9973], atol=0.01)
    assert abs(np.corrcoef(even[:-1], even[1:])[0, 1]) < 0.02
    assert abs(normal.mean()) < 0.02


def test_the_first_word_of_philox_is_the_published_one(cuda):
    out = cuda.empty(1, "float64")
    draw_kernel(cuda, "float64", "uniform")(0, out)
    first, second = 0x6627E8D5, 0xE169C58D
    assert out.get()[0] == ((first >> 6) * 2**27 + (second >> 5)) / 2**53


@pytest.mark.parametrize(
    ("shown", "wheel"), [("12.4", "cupy-cuda12x"), ("13.0", "cupy-cuda13x"), (None, "or cupy-")]
)
def test_the_wheel_that_is_missing_is_named(monkeypatch, tmp_path, shown, wheel):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if shown else str(tmp_path))
    if shown:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\necho 'CUDA Version: {shown}'\n")
        program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install .*{wheel}"), device("cuda"):
        pass


def test_a_machine_without_a_card_is_told_so(cuda, monkeypatch):
    def none():
        raise RuntimeError("no driver")

    for count in (none, lambda: 0):
        monkeypatch.setattr(cuda.cuda.runtime, "getDeviceCount", count)
        monkeypatch.delitem(arrays.NAMESPACES, cuda.ndarray, raising=False)
        with pytest.raises(RuntimeError, match="needs a GPU; CuPy finds none"):
            Tensor([1.0]).to("cuda")


def test_lesson_42_takes_its_way_over_the_card(monkeypatch):
    monkeypatch.setenv(MODE, "quick")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    names = {}
    for cell in learn.find("42").cells:
        if "An experiment: the capstone" in cell.source:
            break
        if cell.kind == "code":
            exec(cell.source, names)
    names["plt"].close("all")
    assert names["GPU"] is True
    on_host, on_card = names["found"]["cpu"], names["found"]["cuda"]
    assert len(on_host) == len(on_card) == 27  # the scores and 26 gradients
    for a, b in zip(on_host, on_card, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
