"""tinygrad_edu: every operation written once, read as numbers, arrays, graphs and pictures."""

from tinygrad_edu import ops
from tinygrad_edu.engine.backprop import detect_anomaly, grad
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.engine.value import Value
from tinygrad_edu.node import no_grad, record_lines, scope
from tinygrad_edu.ops.registry import op
from tinygrad_edu.readers.trace import trace
