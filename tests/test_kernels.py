"""On a GPU each chain of elementwise operations is one kernel, and computes what they compute.

Without one the very C++ is compiled for this machine (`kernels_on_host`), and skipped, said so,
where there is no compiler.  A card may contract x * y + z to one rounding; this machine does not.
"""

import numpy as np
import pytest
from table import TABLE

from tinygrad_edu import Tensor, compile, draw, nn, no_grad, ops
from tinygrad_edu.readers.program import kernels

NAMES = sorted(name for name in TABLE if ops.lookup(name).family == "elementwise")
EDGES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -3.0, 95.0, 1e-30]
SLOPES = [1.0, 0.0, -2.0, 0.5]  # that arrive; at 0 some rules take care
SHAPES = [((13,), (13,), (13,)), ((13, 1), (13,), (1, 1)), ((), (), ()), ((0, 3), (3,), (0, 1))]


pytestmark = pytest.mark.usefixtures("cuda")


def of(name):
    """A function with the operation and one more, for two make a chain, and its operand count."""
    op, options = ops.lookup(name), dict(TABLE[name][0].options)
    if name == "where":
        return lambda x, y, z: op(x > y, y, z) * 1.25
    if not op.differentiable:
        return lambda x, *xs: ops.where(op(x, *xs) != 0, x, 2.5 * x)
    return lambda *xs: op(*xs, **options) * 1.25


def operands(name, shapes, dtype, device):
    count = 3 if name == "where" else len(ops.lookup(name).operands)
    found = []
    for turn, shape in enumerate(shapes[:count]):
        values = np.roll(EDGES, 4 * turn)[: int(np.prod(shape))].reshape(shape).astype(dtype)
        if name == "gelu":  # -inf times 1 + erf(-inf): times 0, or times what erf is rounded by
            values = np.maximum(values, -3.0)
        found.append(Tensor(values, device=device, requires_grad=True))
    return found


def results(f, xs):
    """The value and the gradients, on the host."""
    with np.errstate(all="ignore"):
        out = f(*xs)
        out.backward(np.resize(SLOPES, out.shape).astype(str(out.dtype)))
    return [out.numpy(), *(host(x.grad) for x in xs if x.grad is not None)]


def host(x):
    return x.get() if hasattr(x, "get") else x


def disagreements(names, dtype):
    """The operations whose kernels give something else than the operations on the CPU."""
    tolerance = 2e-5 if dtype == "float32" else 1e-10
    programs = {}
    for name in names:
        for shapes in SHAPES:
            xs = operands(name, shapes, dtype, "cuda")
            f = programs[name, shapes] = compile(of(name))
            f.entry(tuple(xs))  # all are compiled together, when the first runs
    wrong, plain = set(), set()
    for (name, shapes), f in programs.items():
        mine = results(f, operands(name, shapes, dtype, "cuda"))
        theirs = results(of(name), operands(name, shapes, dtype, "cpu"))
        if "kernel_1(" not in f.source:
            plain.add(name)
        for a, b in zip(mine, theirs, strict=True):
            assert a.dtype == b.dtype == dtype
            if not np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True):
                wrong.add(name)
    return wrong, plain


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_elementwise_operation_and_its_rule(dtype):
    wrong, plain = disagreements(NAMES, dtype)
    assert not wrong
    assert plain <= {"zeros_like", "ones_like"}  # folded


def test_a_wrong_word_is_noticed(monkeypatch):
    monkeypatch.setitem(kernels._FORMS, "maximum", "{0} > {1} ? {0} : {1}")  # nan does not win
    wrong, _ = disagreements(["maximum", "exp"], "float64")
    assert wrong == {"maximum"}


def test_a_chain_of_six_is_one_kernel():
    x = np.linspace(-1.0, 1.0, 12, dtype="f4").reshape(3, 4)

    def f(x):
        return ((x * 2.0 + 1.0).tanh() * x - x).relu()

    program = compile(f)
    with no_grad():
        out = program(Tensor(x).to("cuda"))
    np.testing.assert_allclose(host(out.data), f(Tensor(x)).data, rtol=1e-6, atol=1e-6)
    assert program.source.count("ElementwiseKernel(") == 1
    assert "const float t_3 = tanh(t_2);" in program.source
    assert "operations: 6 traced, 1 left" in program.report()
    assert "chain" in [n.op.name for n in program.graph().nodes if n.op]
    assert draw(program).svg


def test_equal_chains_are_one_kernel():
    program = compile(lambda x, y: ((x * 2.0 + 1.0).sum(), (y * 2.0 + 1.0).sum()))
    a, b = program(Tensor([1.0, 2.0]).to("cuda"), Tensor([3.0]).to("cuda"))
    assert (a.item(), b.item()) == (8.0, 7.0)
    assert program.source.count("ElementwiseKernel(") == 1


def test_a_kernel_writes_over_an_operand_unless_that_is_seen_as_a_view_besides():
    x = Tensor(np.arange(16.0).reshape(4, 4)).to("cuda")

    def f(x):
        square = x @ x
        return (square * 0.5 + ops.matrix_transpose(square) * 2.0 - 1.0).tanh()

    def g(x):
        return ((x @ x) * 0.5 - 1.0).tanh()

    for function, call in (
        (f, "kernel_1(matmul_1, matrix_transpose_1)"),
        (g, "kernel_1(matmul_1, matmul_1)"),
    ):
        program = compile(function)
        with no_grad():
            np.testing.assert_allclose(host(program(x).data), host(function(x).data), rtol=1e-12)
        assert call in program.source


def test_they_can_be_left_out_and_half_precision_stays_in_single_steps():
    x = Tensor([1.0, 2.0]).to("cuda")
    assert "Kernel" not in compile_of(x, passes=()).source
    half = x.astype("float16")
    program = compile_of(half)
    assert "Kernel" not in program.source
    assert program(half).dtype == np.float16


def compile_of(x, **options):
    program = compile(lambda x: (x * 2.0 + 1.0).tanh(), **options)
    program(x)
    return program


def test_a_model_trained_by_kernels_is_the_one_trained_on_the_cpu():
    weights = {}
    for device in ("cpu", "cuda"):
        generator = np.random.default_rng(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 2))
        for p in model.parameters():
            p.data = generator.normal(size=p.shape)
        model.to(device)
        x = Tensor(generator.normal(size=(5, 3)).astype("f4")).to(device)
        f = compile(lambda x, model=model: (model(x) ** 2).mean())
        for _ in range(3):
            model.zero_grad()
            f(x).backward()
            for p in model.parameters():
                p.data -= 0.1 * p.grad
        weights[device] = [host(p.data) for p in model.parameters()]
    for mine, theirs in zip(weights["cuda"], weights["cpu"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
