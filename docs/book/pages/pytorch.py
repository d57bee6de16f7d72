"""What each name is called in PyTorch: the same, but for what is listed here."""

from __future__ import annotations

from pages.inventory import Name, names, operations
from tinygrad_edu import nn

# Operations: NumPy's names here, PyTorch's there.  "" stands for an operation of our own.
OPERATIONS = {
    "affine": "torch.nn.functional.linear",
    "arccos": "torch.acos",
    "arcsin": "torch.asin",
    "arctan": "torch.atan",
    "arctan2": "torch.atan2",
    "astype": "torch.Tensor.to",
    "attention_weights": "",
    "concat": "torch.cat",
    "divide": "torch.div",
    "equal": "torch.eq",
    "expand_dims": "torch.unsqueeze",
    "flip": "torch.flip",
    "getitem": "torch.Tensor.__getitem__",
    "greater": "torch.gt",
    "greater_equal": "torch.ge",
    "less": "torch.lt",
    "less_equal": "torch.le",
    "matrix_transpose": "torch.Tensor.mT",
    "max": "torch.amax",
    "min": "torch.amin",
    "multiply": "torch.mul",
    "negative": "torch.neg",
    "norm": "torch.linalg.norm",
    "normal_like": "torch.randn_like",
    "not_equal": "torch.ne",
    "power": "torch.pow",
    "put_add": "torch.Tensor.index_put",
    "split": "torch.tensor_split",
    "subtract": "torch.sub",
    "sum_to": "torch.Tensor.sum_to_size",
    "take": "torch.index_select",
    "to_device": "torch.Tensor.to",
    "transpose": "torch.permute",
    "uniform_like": "torch.rand_like",
    "rnn": "torch.nn.RNN",
    "gru": "torch.nn.GRU",
    "lstm": "torch.nn.LSTM",
    "conv_weight1d": "torch.nn.grad.conv1d_weight",
    "conv_weight2d": "torch.nn.grad.conv2d_weight",
}
# Other names that differ; what is not here, and in no room of `SAME`, has no counterpart.
DIFFERENT = {
    "tinygrad_edu.Tensor": "torch.Tensor",
    "tinygrad_edu.arange": "torch.arange",
    "tinygrad_edu.checkpoint": "torch.utils.checkpoint.checkpoint",
    "tinygrad_edu.compile": "torch.compile",
    "tinygrad_edu.detect_anomaly": "torch.autograd.detect_anomaly",
    "tinygrad_edu.eye": "torch.eye",
    "tinygrad_edu.full": "torch.full",
    "tinygrad_edu.grad": "torch.autograd.grad",
    "tinygrad_edu.gradcheck": "torch.autograd.gradcheck",
    "tinygrad_edu.hessian": "torch.func.hessian",
    "tinygrad_edu.hvp": "torch.autograd.functional.hvp",
    "tinygrad_edu.jacobian": "torch.func.jacrev",
    "tinygrad_edu.jvp": "torch.func.jvp",
    "tinygrad_edu.linspace": "torch.linspace",
    "tinygrad_edu.load": "torch.load",
    "tinygrad_edu.manual_seed": "torch.manual_seed",
    "tinygrad_edu.no_grad": "torch.no_grad",
    "tinygrad_edu.ones": "torch.ones",
    "tinygrad_edu.op": "torch.autograd.Function",
    "tinygrad_edu.rand": "torch.rand",
    "tinygrad_edu.randn": "torch.randn",
    "tinygrad_edu.save": "torch.save",
    "tinygrad_edu.value_and_grad": "torch.func.grad_and_value",
    "tinygrad_edu.zeros": "torch.zeros",
    "tinygrad_edu.data.DataLoader": "torch.utils.data.DataLoader",
    "tinygrad_edu.data.Dataset": "torch.utils.data.Dataset",
    "tinygrad_edu.data.Subset": "torch.utils.data.Subset",
    "tinygrad_edu.data.TensorDataset": "torch.utils.data.TensorDataset",
    "tinygrad_edu.data.default_collate": "torch.utils.data.default_collate",
    "tinygrad_edu.data.pad_sequence": "torch.nn.utils.rnn.pad_sequence",
    "tinygrad_edu.data.random_split": "torch.utils.data.random_split",
    "tinygrad_edu.interop.from_dlpack": "torch.from_dlpack",
    "tinygrad_edu.optim.AveragedParameters": "torch.optim.swa_utils.AveragedModel",
}
SAME = {
    "tinygrad_edu.nn": "torch.nn",
    "tinygrad_edu.nn.functional": "torch.nn.functional",
    "tinygrad_edu.nn.init": "torch.nn.init",
    "tinygrad_edu.nn.utils": "torch.nn.utils",
    "tinygrad_edu.optim": "torch.optim",
    "tinygrad_edu.optim.lr_scheduler": "torch.optim.lr_scheduler",
}
# In those rooms, names that PyTorch does not have.
OURS = {
    "tinygrad_edu.nn.KVCache",
    "tinygrad_edu.nn.LearnedPositionalEncoding",
    "tinygrad_edu.nn.RotaryPositionalEncoding",
    "tinygrad_edu.nn.SinusoidalPositionalEncoding",
    "tinygrad_edu.nn.init.fans",
    "tinygrad_edu.nn.summary",
    "tinygrad_edu.optim.GradientDescent",
    "tinygrad_edu.optim.LRCurve",
    "tinygrad_edu.optim.armijo",
    "tinygrad_edu.optim.bracket_search",
    "tinygrad_edu.optim.lr_finder",
}


def theirs(name: Name) -> str | None:
    """PyTorch's full name for one of ours; None if it has none."""
    if name.full in DIFFERENT:
        return DIFFERENT[name.full]
    if name.room in SAME and name.full not in OURS:
        return f"{SAME[name.room]}.{name.name}"
    return None


def operation(name: str) -> str | None:
    """PyTorch's full name for one of our operations; None if it has none."""
    home = "torch.nn.functional" if hasattr(nn.functional, name) else "torch"
    return OPERATIONS.get(name, f"{home}.{name}") or None


def pages() -> dict[str, str]:
    """The table as a page."""
    rows = [(n.label, n.short, theirs(n)) for n in names()]
    rows += [(f"ops.{op.name}", f"ops.{op.name}", operation(op.name)) for op in operations()]
    said = [f"| [`{ours}`](#{label}) | `{other}` |" for label, ours, other in rows if other]
    head = (
        "# From PyTorch\n\n"
        "Layers, losses, initialisers, optimisers and schedules have PyTorch's names, arguments "
        "and defaults; operations and tensors have NumPy's. A `state_dict` of one loads into the "
        "other. What is not in this table has no counterpart there.\n\n"
        "| here | in PyTorch |\n|---|---|\n"
    )
    return {"pytorch.md": head + "\n".join(said) + "\n"}
