"""Every operation of the registry, on every sample, through every check."""

import itertools

import checks
import numpy as np
import pytest
from samples import positive, s
from table import TABLE, describe, package_operations

from tinygrad_edu.ops import lookup


def test_every_operation_has_samples():
    assert set(TABLE) == {op.name for op in package_operations()}
    assert {name: len(rows) for name, rows in TABLE.items() if len(rows) < 10} == {}


def test_every_option_is_tried():
    for op in package_operations():
        tried = {option for sample in TABLE[op.name] for option in sample.options}
        assert {*op.defaults, *op.required} <= tried, op.name


EACH = [
    checks.check_purity,
    checks.check_rule,
    checks.check_projection,
    checks.check_second_order,
    checks.check_graph_reading,
    checks.check_expansion,
    checks.check_dtype,
    checks.check_vocabulary,
]
NEEDS_SMOOTH = {
    checks.check_rule,
    checks.check_projection,
    checks.check_second_order,
    checks.check_expansion,
}


@pytest.mark.parametrize("check", EACH, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(TABLE))
def test_operation(name, check):
    op = lookup(name)
    for number, sample in enumerate(TABLE[name]):
        if not sample.smooth and check in NEEDS_SMOOTH:
            continue
        try:
            with np.errstate(all="warn" if sample.smooth else "ignore"):
                check(op, sample)
        except Exception as error:
            raise AssertionError(f"{describe(number, sample)}: {error}") from error


SHAPES = [(), (1,), (3,), (2, 1), (2, 3)]
TWO_OPERANDS = [
    op.name
    for op in package_operations()
    if op.family == "elementwise" and op.differentiable and len(op.operands) == 2
]


@pytest.mark.parametrize("name", TWO_OPERANDS)
def test_broadcasting_is_undone_to_the_second_order(name):
    for left, right in itertools.product(SHAPES, SHAPES):
        sample = s(positive(*left), 3.0 + positive(*right))
        checks.check_projection(lookup(name), sample)
        checks.check_second_order(lookup(name), sample)
        checks.check_graph_reading(lookup(name), sample)
