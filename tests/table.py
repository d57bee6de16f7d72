"""The whole table: every sample of every operation of the package."""

import samples
import samples_recurrent
import samples_windows
from samples import Sample

from tinygrad_edu import ops

TABLE: dict[str, list[Sample]] = {
    **samples.SAMPLES,
    **samples_windows.SAMPLES,
    **samples_recurrent.SAMPLES,
}


def package_operations() -> list[ops.Op]:
    """The registered operations, without those that tests register."""
    return [op for op in ops.registered() if op.forward.__module__.startswith("tinygrad_edu.")]


def describe(number: int, sample: Sample) -> str:
    """Which sample, for messages."""
    shapes = ", ".join(str(a.shape) for a in sample.args)
    return f"sample {number}, {shapes or 'no operands'} {sample.options or ''}"
