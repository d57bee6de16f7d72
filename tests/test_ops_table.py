"""Every operation of the registry, on every sample, through every check."""

import checks
import numpy as np
import pytest
from samples import SAMPLES

from tinygrad_edu import ops
from tinygrad_edu.ops import lookup

try:
    from samples_windows import SAMPLES as WINDOWS
except ModuleNotFoundError:
    WINDOWS = {}

TABLE = {**SAMPLES, **WINDOWS}


def registered_here():
    return [op for op in ops.registered() if op.forward.__module__.startswith("tinygrad_edu.")]


def test_every_operation_has_samples():
    assert set(TABLE) == {op.name for op in registered_here()}
    assert {name: len(rows) for name, rows in TABLE.items() if len(rows) < 10} == {}


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
            with np.errstate(all="ignore" if not sample.smooth else "warn"):
                check(op, sample)
        except Exception as error:
            shapes = ", ".join(str(a.shape) for a in sample.args)
            raise AssertionError(f"sample {number}: {shapes} {sample.options}: {error}") from error
