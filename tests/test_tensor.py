"""The array engine: what goes in, what comes out, and what is refused."""

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import Tensor, no_grad, ops


def leaf(*shape, seed=0):
    data = np.random.default_rng(seed).normal(size=shape)
    return Tensor(data, requires_grad=True, name="x")


class TestCreation:
    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            (1, "float32"),
            (1.5, "float32"),
            ([1, 2], "float32"),
            ([[1.0], [2.0]], "float32"),
            (True, "bool"),
            ([True, False], "bool"),
            (np.array([1, 2]), "int64"),
            (np.array([1.0]), "float64"),
            (np.float16(1), "float16"),
            ([], "float32"),
        ],
    )
    def test_numbers_and_lists_become_float32_and_arrays_keep_their_dtype(self, data, dtype):
        assert Tensor(data).dtype == dtype

    def test_the_data_is_private(self):
        source = np.zeros(3)
        t = Tensor(source)
        source[0] = 1
        assert t.tolist() == [0, 0, 0]

    def test_nodes_inside_lists_become_numbers(self):
        assert Tensor([Tensor(1.0), te.Value(2.0)]).tolist() == [1.0, 2.0]

    @pytest.mark.parametrize(
        ("call", "error", "says"),
        [
            (lambda: Tensor([[1.0], [2.0, 3.0]]), ValueError, "different lengths"),
            (lambda: Tensor("abc"), TypeError, "real numbers or bools"),
            (lambda: Tensor(1j), TypeError, "real numbers or bools"),
            (lambda: Tensor(np.array([None])), TypeError, "real numbers or bools"),
            (lambda: Tensor(te.Value(1.0)), TypeError, "value.data"),
            (lambda: Tensor(np.arange(3), requires_grad=True), TypeError, "floating dtype"),
            (lambda: Tensor(1.0, device="tpu"), ValueError, "not 'cpu' or 'cuda'"),
            (lambda: te.zeros(2, -1), ValueError, "sizes"),
        ],
    )
    def test_refusals(self, call, error, says):
        with pytest.raises(error, match=says):
            call()

    def test_creation_functions(self):
        assert te.zeros(2, 3).shape == te.zeros((2, 3)).shape == (2, 3)
        assert te.ones(2).tolist() == [1, 1]
        assert te.full((2, 1), 7).tolist() == [[7], [7]]
        assert te.arange(1, 4).tolist() == [1, 2, 3]
        assert te.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
        assert te.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
        for made in (te.zeros(2), te.ones(2), te.full((2,), 1), te.eye(2), te.rand(2), te.randn(2)):
            assert made.dtype == np.float32

    def test_random_numbers_follow_their_seed(self):
        te.manual_seed(3)
        first = te.randn(4).tolist()
        assert te.randn(4).tolist() != first
        te.manual_seed(3)
        assert te.randn(4).tolist() == first
        own = [te.rand(4, generator=np.random.default_rng(5)).tolist() for _ in range(2)]
        assert own[0] == own[1]


class TestArithmetic:
    def test_python_numbers_do_not_change_the_dtype(self):
        x = Tensor([1.0, 2.0])
        for y in (x * 2, 2.5 * x, x + np.float64(1).item(), x**2, x / 3, 1 - x, ops.maximum(x, 0)):
            assert y.dtype == np.float32

    def test_whole_numbers_meet_floats(self):
        whole = Tensor(np.arange(3))
        assert (whole * 2).dtype == np.int64
        assert (whole * 0.5).tolist() == [0, 0.5, 1]

    def test_zero_dimensional_results_are_arrays(self):
        total = leaf(3).sum()
        assert isinstance(total.data, np.ndarray)
        assert total.shape == ()
        assert isinstance((total * 2).data, np.ndarray)

    def test_zero_dimensional_gradients_are_arrays(self):
        x = Tensor(np.array(3.0), requires_grad=True)
        square = x * x
        slope = te.grad(square, x)
        assert type(slope.data) is np.ndarray
        assert float(ops.exp(slope).data) == pytest.approx(np.exp(6.0))
        (square * square).backward()
        assert type(x.grad) is np.ndarray
        assert type(square.grad) is np.ndarray

    def test_matmul_and_transposes(self):
        x = leaf(2, 3)
        assert (x @ x.T).shape == (2, 2)
        assert (np.ones((4, 2)) @ x).shape == (4, 3)
        assert leaf(2, 3, 4).mT.shape == (2, 4, 3)
        assert leaf(2, 3, 4).transpose(2, 0, 1).shape == (4, 2, 3)

    def test_iteration_length_and_truth(self):
        x = leaf(2, 3)
        assert len(x) == 2
        assert [row.shape for row in x] == [(3,), (3,)]
        assert bool(Tensor([[2.0]]))
        with pytest.raises(ValueError, match="6 elements is neither true nor false"):
            bool(x)
        with pytest.raises(TypeError, match="no length"):
            len(x.sum())

    def test_conversions(self):
        assert Tensor(2.5).item() == float(Tensor(2.5)) == 2.5
        assert [10, 20][Tensor(np.array(1))] == 20
        with pytest.raises(TypeError, match="no index"):
            [10, 20][Tensor(1.0)]
        with pytest.raises(ValueError, match="one element"):
            leaf(3).item()

    def test_whole_numbers_carry_no_gradient(self):
        x = leaf(3)
        assert not x.astype(int).requires_grad
        assert x.astype("float32").requires_grad

    def test_astype_sends_the_gradient_back_in_the_first_dtype(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        (x.astype("float64") * np.array([3.0, 4.0])).sum().backward()
        assert x.grad.dtype == np.float32
        assert x.grad.tolist() == [3, 4]


class TestIndexing:
    @pytest.mark.parametrize(
        "index",
        [
            0,
            -1,
            slice(1, 3),
            slice(None, None, -1),
            None,
            ...,
            (slice(None), 0),
            (..., 1),
            (0, None, slice(0, 2)),
            [0, 0, 2],
            np.array([[0, 1], [1, 0]]),
            (np.array([0, 1]), np.array([2, 2])),
            np.array([True, False, True, False]),
            Tensor(np.array([3, 3, 0])),
            (slice(None), Tensor(np.array([1, 1]))),
        ],
    )
    def test_reads_as_numpy_does_and_sends_gradients_back(self, index):
        x = leaf(4, 3)
        plain = index._data if isinstance(index, Tensor) else index
        if isinstance(plain, tuple):
            plain = tuple(i._data if isinstance(i, Tensor) else i for i in plain)
        picked = x[index]
        assert np.array_equal(picked.data, x.data[plain])
        (picked * picked).sum().backward()
        expected = np.zeros_like(x.data)
        np.add.at(expected, plain, 2 * x.data[plain])
        assert np.allclose(x.grad, expected)

    def test_an_index_out_of_range_is_named(self):
        with pytest.raises(IndexError, match="getitem"):
            leaf(3)[5]

    def test_assignment_changes_the_tensor_and_nothing_else(self):
        t = te.zeros(3)
        view = t[:2]
        old = t.data
        t[0] = 5
        assert t.tolist() == [5, 0, 0]
        assert view.tolist() == [0, 0]
        assert old.tolist() == [0, 0, 0]

    def test_assignment_into_a_graph_is_refused(self):
        x = leaf(3)
        with pytest.raises(RuntimeError, match="part of a graph"):
            x[0] = 1
        with pytest.raises(RuntimeError, match="part of a graph"):
            (x * 2)[0] = 1
        with pytest.raises(RuntimeError, match="lose the gradient"):
            te.zeros(3, dtype="float64")[0] = x[0]
        with no_grad():
            x[0] = 1
        assert x.data[0] == 1


class TestNumpysProtocols:
    def test_an_array_on_the_left_meets_the_registered_operation(self):
        x = leaf(3)
        out = np.ones(3) * x
        assert isinstance(out, Tensor)
        assert out.op is ops.multiply

    @pytest.mark.parametrize("name", ["sin", "exp", "tanh", "absolute", "floor", "log1p"])
    def test_ufuncs_become_operations(self, name):
        x = leaf(3)
        out = getattr(np, name)(x)
        assert isinstance(out, Tensor)
        assert np.array_equal(out.data, getattr(np, name)(x.data), equal_nan=True)

    def test_functions_become_operations(self):
        x = leaf(2, 3)
        assert np.sum(x, axis=0).op is ops.sum
        assert np.concatenate([x, x], axis=1).shape == (2, 6)
        assert np.where(x > 0, x, 0.0).op is ops.where

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: np.arctanh(x),
            lambda x: np.linalg.svd(x),
            lambda x: np.add.reduce(x),
            lambda x: np.add(x, x, out=np.zeros((2, 3))),
            lambda x: np.median(x),
        ],
    )
    def test_what_has_no_counterpart_says_so(self, call):
        with pytest.raises(TypeError, match=r"\.numpy\(\)"):
            call(leaf(2, 3))

    def test_an_array_is_made_only_where_no_gradient_is_lost(self):
        assert np.asarray(te.ones(2)).tolist() == [1, 1]
        with pytest.raises(RuntimeError, match="lose its gradient"):
            np.asarray(leaf(2))
        assert leaf(2).detach().numpy().shape == (2,)


class TestData:
    def test_assigning_data_keeps_shape_and_dtype(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        x.data = np.array([3.0, 4.0])
        assert x.dtype == np.float32
        with pytest.raises(ValueError, match="shape"):
            x.data = np.zeros(3)

    def test_grad_is_an_array_or_none(self):
        x = leaf(2)
        assert x.grad is None
        (x * 2).sum().backward()
        assert isinstance(x.grad, np.ndarray)
        x.grad = None
        assert not x.has_grad
        with pytest.raises(ValueError, match="shape"):
            x.grad = np.zeros(5)

    def test_gradients_of_two_leaves_share_no_memory(self):
        x, y = leaf(3), leaf(3)
        (x + y).sum().backward()
        x.grad *= 100
        assert y.grad.tolist() == [1, 1, 1]

    def test_detach_is_a_leaf_of_its_own(self):
        x = leaf(3)
        y = (x * 2).detach()
        assert y.is_leaf
        assert not y.requires_grad
        y[0] = 7
        assert x.data[0] != 7
        z = x.detach()
        x.data -= 1
        assert np.allclose(z.data, x.data + 1)

    def test_assigned_data_is_private(self):
        x, source = leaf(2), np.zeros(2)
        x.data = source
        x.data -= 1
        assert source.tolist() == [0, 0]

    def test_a_missing_gpu_library_is_named_with_its_command(self):
        pytest.importorskip("numpy")
        try:
            import cupy  # noqa: F401 (only whether it is there)
        except ModuleNotFoundError:
            with pytest.raises(ModuleNotFoundError, match="pip install"):
                te.ones(2).to("cuda")

    def test_representation(self):
        assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
        text = repr(Tensor(np.array([1.0]), requires_grad=True, name="w"))
        assert text == "Tensor([1.], dtype=float64, requires_grad=True, name='w')"
