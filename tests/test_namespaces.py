"""Every namespace provides the vocabulary and nothing else, and means the same by it."""

import inspect
import itertools
import math
import re
import types

import checks
import numpy as np
import pytest
from table import package_operations

from tinygrad_edu import ops
from tinygrad_edu.namespaces import arrays, floats
from tinygrad_edu.namespaces.arrays import NUMPY, Arrays
from tinygrad_edu.namespaces.vocabulary import ARRAY, ELEMENTWISE, VOCABULARY

# What an Arrays object has besides the vocabulary: how it was made, for the engine.
MACHINERY = {"library", "name", "device", "ndarray", "asarray"}


def public(namespace):
    return {name for name in dir(namespace) if not name.startswith("_")}


def test_floats_has_the_vocabulary_and_nothing_else():
    imported = {
        name
        for name in public(floats)
        if isinstance(getattr(floats, name), types.ModuleType)
        or getattr(getattr(floats, name), "__module__", "").startswith(("typing", "collections"))
    }
    assert public(floats) - imported - {"ARRAY"} == set(VOCABULARY)


def test_arrays_have_the_vocabulary_and_nothing_else():
    assert public(NUMPY) - MACHINERY == set(VOCABULARY)


def test_the_graph_has_an_operation_for_every_word():
    missing = [name for name in VOCABULARY if not hasattr(ops.graph, name)]
    assert not missing
    with pytest.raises(AttributeError, match="no operation is called 'sech'"):
        ops.graph.sech  # noqa: B018 (reading the attribute is the test)


def described(name):
    """The operands and options in the vocabulary's line about a name."""
    signature = re.match(rf"{name}\((.*?)\): ", VOCABULARY[name])
    assert signature, f"{name} has no signature in the vocabulary"
    parts = [part.strip() for part in signature[1].split(",")]
    operands = [part for part in parts if "=" not in part]
    return operands, [part.split("=")[0] for part in parts if "=" in part]


@pytest.mark.parametrize("name", VOCABULARY)
def test_operations_take_what_the_vocabulary_says(name):
    operands, options = described(name)
    op = ops.lookup(name)
    assert list(op.operands) == operands
    assert [*op.required, *op.defaults] == options


@pytest.mark.parametrize("name", ARRAY)
def test_arrays_take_what_the_vocabulary_says(name):
    operands, options = described(name)
    method = vars(Arrays).get(name)
    if method is None or name == "matrix_transpose":  # straight from NumPy
        return
    parameters = list(inspect.signature(method).parameters.values())[1:]
    names = ["*" * (p.kind is p.VAR_POSITIONAL) + p.name for p in parameters]
    assert names == operands + options


@pytest.mark.parametrize("name", ARRAY)
def test_floats_refuse_what_needs_an_array(name):
    with pytest.raises(TypeError, match=f"^{name} needs an array, and a Value is one number"):
        getattr(floats, name)(1.0)


# The same numbers

HALF = [
    0.0, 5e-324, 2.3e-308, 1e-300, 1e-100, 1e-17, 1e-8, 0.01, 0.1, 0.5, 0.75, 1 - 2**-53, 1.0,
    1 + 2**-52, 1.5, 2.0, 2.5, math.e, 3.0, 5.0, 6.0, 10.0, 36.5, 40.0, 100.0, 705.0, 709.0, 710.0,
    745.0, 746.0, 1023.0, 1024.0, 1075.0, 1e5, 1e15, 2**53 + 2.0, 1e100, 1e154, 1.4e154, 1e300,
    1.7976931348623157e308, math.inf,
]  # fmt: skip
GRID = [*HALF, *(-v for v in HALF), math.nan]
COARSE = [0.0, 5e-324, 1e-300, 0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 710.0, 1e15, 1e300, math.inf]
PAIRS = list(itertools.product([*COARSE, *(-v for v in COARSE), math.nan], repeat=2))
FEW = [0.0, 0.3, 1.0, 2.5, math.inf, math.nan]
TRIPLES = list(itertools.product([*FEW, *(-v for v in FEW)], repeat=3))
POINTS = {1: [(v,) for v in GRID], 2: PAIRS, 3: TRIPLES}


def same(mine, theirs, points, what, *, rtol=4e-15, signed=True):
    """Equal to the last digits, nan and infinities included, and the sign of zero if `signed`."""
    mine, theirs = np.array(mine, float), np.asarray(theirs, float)
    for point, a, b in zip(points, mine, theirs, strict=True):
        equal = a == b or (a != a and b != b) or abs(a - b) <= rtol * abs(b) < math.inf
        assert equal, f"{what}{point} is {a!r} on floats and {b!r} on arrays"
        if signed and a == b == 0:
            assert math.copysign(1, a) == math.copysign(1, b), f"{what}{point}: sign of zero"


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_floats_agree_with_numpy(name):
    points = POINTS[len(described(name)[0])]
    mine = [getattr(floats, name)(*point) for point in points]
    columns = [np.array(column) for column in zip(*points, strict=True)]
    if name == "where":
        columns[0] = columns[0] != 0
        mine = [floats.where(bool(c), x, y) for c, x, y in points]
    with np.errstate(all="ignore"):
        theirs = getattr(NUMPY, name)(*columns)
    same(mine, theirs, points, name, signed=name not in ("maximum", "minimum"))


def test_conditions_are_python_bools_on_floats():
    assert floats.where(2.0 > 1.0, 3.0, 4.0) == 3.0
    assert (2.0 > 1.0) is True


SCALAR = [
    op
    for op in package_operations()
    if op.family == "elementwise" and len(op.operands) in POINTS and not op.required
]


@pytest.mark.parametrize("op", SCALAR, ids=lambda op: op.name)
def test_operations_on_floats_agree_with_arrays(op):
    points = POINTS[len(op.operands)]
    columns = [np.array(column) for column in zip(*points, strict=True)]
    mine = [op.forward(floats, *point, **op.defaults) for point in points]
    with np.errstate(all="ignore"):
        theirs = op.forward(NUMPY, *columns, **op.defaults)
    same(mine, theirs, points, op.name, signed=False)
    if op.rule is None:
        return
    with np.errstate(all="ignore"):
        columns = checks.pull_back(op, columns, op.defaults, [np.ones_like(columns[0])])
    rows = [
        [
            part() if callable(part) else part
            for part in op.rule(floats, 1.0, out, *point, **op.defaults)
        ]
        for point, out in zip(points, mine, strict=True)
    ]
    for i, column in enumerate(columns):
        if column is None:
            assert {row[i] for row in rows} == {None}
        else:
            mine = [row[i] for row in rows]
            same(mine, column, points, f"{op.name}, gradient {i}", rtol=1e-12, signed=False)


# The error function


def erf_error(x):
    expected = np.array([math.erf(v) for v in x.tolist()])
    found = NUMPY.erf(x)
    assert found.dtype == x.dtype
    return np.max(np.abs(found.astype(float) - expected) / np.maximum(np.abs(expected), 1e-300))


def test_erf_is_right_to_1e_15():
    dense = np.concatenate([np.linspace(-7, 7, 20001), np.geomspace(1e-290, 1, 2001)])
    assert erf_error(dense) < 1e-15
    assert erf_error(np.nextafter(1.0, [0.0, 2.0])) < 1e-15


def test_erf_keeps_float32_and_is_right_to_its_last_digits():
    dense = np.concatenate([np.linspace(-5, 5, 100001), np.geomspace(1e-30, 1, 20001)])
    assert erf_error(dense.astype(np.float32)) < 2e-7
    assert erf_error(np.array([-np.inf, -9e30, 9e30, np.inf], np.float32)) < 2e-7


def test_erf_of_much_is_that_of_its_parts(monkeypatch):
    x = np.linspace(-5, 5, 60).reshape(3, 4, 5).swapaxes(0, 2)
    whole = NUMPY.erf(x)
    monkeypatch.setattr(arrays, "_BLOCK", 7)
    np.testing.assert_array_equal(NUMPY.erf(x), whole)


# What arrays do by other means than NumPy


def added_at(x, index, shape):
    out = np.zeros(shape, x.dtype)
    np.add.at(out, index, x)
    return out


@pytest.mark.parametrize("rows", [3, 200])  # fewer values than places, and more
def test_put_add_adds_like_add_at(rows):
    rng = np.random.default_rng(0)
    index = rng.integers(-5, 5, (rows, 2))
    x = rng.standard_normal((rows, 2, 3))
    expected = added_at(x, index, (5, 3))
    np.testing.assert_allclose(NUMPY.put_add(x, index, (5, 3)), expected, rtol=1e-13)
    pair = (index[:, 0], index[:, 1] % 3)
    expected = added_at(x[:, 0, 0], pair, (5, 3))
    np.testing.assert_allclose(NUMPY.put_add(x[:, 0, 0], pair, (5, 3)), expected, rtol=1e-13)


@pytest.mark.parametrize("n", [3, 100])  # small, and large enough to be planned
def test_einsum_small_and_large(n):
    x = np.random.default_rng(0).standard_normal((n, n))
    found = NUMPY.einsum(x, x, subscripts="ij,jk->ik")
    np.testing.assert_allclose(found, x @ x, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [3, 100])  # a copy, and a view
def test_broadcast_to_adds_axes_and_never_drops_them(n):
    x = np.ones((1, n))
    assert NUMPY.broadcast_to(x, (n, n)).shape == (n, n)
    for shape in [(n,), (2, n + 1)]:
        with pytest.raises(ValueError, match=r"broadcast|more dimensions than allowed"):
            NUMPY.broadcast_to(x, shape)


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3), (2, 2, 5, 3), (0, 3), (2, 0, 3), (4, 1)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_sums_down_to_a_row_are_numpys(shape, dtype):
    x = (10 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    for given in (x, np.asfortranarray(x), x[:, ::-1]):
        found = NUMPY.sum_to(given, shape[-1:])
        right = given.sum(axis=tuple(range(x.ndim - 1)))
        assert (found.dtype, found.shape) == (right.dtype, right.shape)
        np.testing.assert_allclose(found, right, rtol=1e-5 if dtype == "f4" else 1e-13, atol=1e-5)


@pytest.mark.parametrize("classes", [5, 500])  # rows of a matrix that is kept, and comparisons
@pytest.mark.parametrize("ignore", [None, 2, -100])
def test_one_hot_rows_are_those_of_the_identity(classes, ignore):
    x = np.random.default_rng(0).integers(0, 5, (4, 6))
    if ignore is not None:
        x[1, 2] = ignore
    right = np.eye(classes, dtype="f4")[np.where(x == ignore, 0, x)]
    right[x == ignore] = 0
    for _ in range(2):  # what is handed out is the caller's own
        found = NUMPY.one_hot(x, classes, "float32", ignore)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, right)
        found += 1.0
    with pytest.raises(IndexError, match=rf"class {classes} is not in \[0, {classes}\)"):
        NUMPY.one_hot(0 * x + classes, classes, "float32", ignore)


# The comparison fails when it should


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("floor", lambda x: float(math.floor(x)) if math.isfinite(x) else x),  # the sign of zero
        ("sign", lambda x: math.copysign(1.0, x)),  # at zero and at nan
        ("exp", lambda x: math.exp(min(x, 709.0))),  # at infinity
        ("maximum", lambda x, y: max(x, y)),  # nan on the right
        ("log1p", lambda x: floats.log(1 + x)),  # near 0
    ],
)
def test_a_wrong_float_is_found(name, wrong, monkeypatch):
    monkeypatch.setattr(floats, name, wrong)
    with pytest.raises(AssertionError, match=name):
        test_floats_agree_with_numpy(name)


def test_a_word_too_many_is_found(monkeypatch):
    monkeypatch.setattr(floats, "sech", lambda x: 1 / math.cosh(x), raising=False)
    with pytest.raises(AssertionError):
        test_floats_has_the_vocabulary_and_nothing_else()


@pytest.mark.parametrize("shape", [(5, 3), (1, 32), (40, 1), (0, 4), (7, 33)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?"])
@pytest.mark.parametrize("keepdims", [True, False])
def test_the_largest_of_short_rows_is_numpys(shape, dtype, keepdims):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    if dtype[0] == "f" and x.size:
        x[0, 0] = np.nan
    for given in (x, np.asfortranarray(x), x[:, ::-1]):
        for axis in (1, -1):
            found = NUMPY.max(given, axis=axis, keepdims=keepdims)
            right = given.max(axis=axis, keepdims=keepdims)
            assert found.dtype == right.dtype
            assert found.shape == right.shape
            assert np.array_equal(found, right, equal_nan=dtype[0] == "f")
    with pytest.raises(ValueError, match="zero-size"):
        NUMPY.max(np.zeros((3, 0)), axis=1)
