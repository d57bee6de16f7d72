"""Between PyTorch's tensors and ours, and from our modules to PyTorch's of the same name."""

from __future__ import annotations

import collections
import inspect
from collections.abc import Mapping
from typing import Any

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.interop.dlpack import from_dlpack
from tinygrad_edu.nn import (
    Module,
    ModuleDict,
    ModuleList,
    MultiheadAttention,
    Sequential,
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from tinygrad_edu.nn import functional as F


def from_torch(x: Any) -> Any:
    """A PyTorch tensor as a Tensor, without its history; lists, tuples and dicts of them likewise.

    x : of any shape (...), which is kept.

    The memory is shared, on the CPU and on a GPU (with CuPy), so that both see what either writes;
    bfloat16, which NumPy does not have, becomes a float32 copy.  ``Tensor(tensor)`` is a copy.

    A module needs no conversion: ``ours.load_state_dict(theirs.state_dict())``.

    Raises TypeError for anything else, and for dtypes that a Tensor does not hold.

    >>> import torch
    >>> theirs = torch.zeros(2, 3)
    >>> ours = from_torch(theirs)  # shape (2, 3), and the same memory
    >>> theirs[0, 0] = 5.0
    >>> ours.tolist()
    [[5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    torch = torch_module()

    if isinstance(x, torch.Tensor):
        return from_dlpack((x.float() if x.dtype == torch.bfloat16 else x).detach())
    return _each(from_torch, x, "from_torch takes tensors of PyTorch")


def to_torch(x: Any) -> Any:
    """A Tensor or a module as PyTorch's; lists, tuples and dicts of Tensors likewise.

    x : a Tensor of any shape (...), which is kept, or a module.

    A Tensor comes without its history.  The memory is shared where PyTorch can take it: an array
    that is read-only, or runs backwards in memory, is copied.  ``tensor.clone()`` is a copy.

    A module of `nn`, with all under it, becomes ``torch.nn``'s of the same name, with the same
    arguments, a copy of the weights, and in the same mode.  A class of your own cannot be
    translated; write it there, and ``theirs.load_state_dict(to_torch(ours.state_dict()))``.

    Raises TypeError for anything else, for modules that PyTorch does not have, and for dtypes that
    it does not have.

    >>> from tinygrad_edu import nn, randn
    >>> ours, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh()), randn(2, 3)
    >>> theirs = to_torch(ours)
    >>> theirs
    Sequential(
      (0): Linear(in_features=3, out_features=4, bias=True)
      (1): Tanh()
    )
    >>> bool(abs(theirs(to_torch(x)).detach().numpy() - ours(x).data).max() < 1e-6)
    True
    """
    torch = torch_module()

    if isinstance(x, Module):
        return _with_state(_module(x, torch), x, torch)

    if isinstance(x, Tensor):
        array = x.data
        if x.device == "cuda":
            return torch.from_dlpack(array)
        backwards = any(stride < 0 for stride in array.strides)
        return torch.from_numpy(array if array.flags.writeable and not backwards else array.copy())
    return _each(to_torch, x, "to_torch takes Tensors and modules")


def _module(module: Module, torch: Any) -> Any:
    """PyTorch's module of the same name and arguments, its weights still its own."""
    kind = type(module)
    theirs = getattr(torch.nn, kind.__name__, None)
    if not kind.__module__.startswith("tinygrad_edu.nn.") or theirs is None:
        raise TypeError(
            f"to_torch: PyTorch has no module {kind.__name__}; write it there, and give it the "
            "weights by load_state_dict(to_torch(module.state_dict()))"
        )
    if isinstance(module, Sequential | ModuleList | ModuleDict):
        parts = {name: _module(part, torch) for name, part in module.named_children()}
        if isinstance(module, Sequential):
            made = theirs(collections.OrderedDict(parts))
        else:
            made = theirs(parts if isinstance(module, ModuleDict) else parts.values())
    else:
        given = _arguments(module)
        made = theirs(**{name: _argument(value, torch) for name, value in given.items()})
    return made


def _with_state(made: Any, module: Module, torch: Any) -> Any:
    """PyTorch's module with the weights of ours, their dtypes, and the modes of all parts."""
    ours = dict(module.named_parameters())
    for parameter in ours.values():
        made = made.to(getattr(torch, str(parameter.dtype)))
        break
    made.load_state_dict(to_torch(module.state_dict()))
    modes = {name: part.training for name, part in module.named_modules()}
    for name, part in made.named_modules():
        part.training = modes.get(name, module.training)
    for name, parameter in made.named_parameters():
        parameter.requires_grad_(ours[name].requires_grad)
    return made


def _argument(value: Any, torch: Any) -> Any:
    """An argument of a constructor."""
    if isinstance(value, Module):
        return _module(value, torch)
    return to_torch(value).clone() if isinstance(value, Tensor) else value


_LAYERS: tuple[type, ...] = (TransformerEncoderLayer, TransformerDecoderLayer)
_NOT_GIVEN = ("device", "dtype", "inplace", "generator", "args", "kwargs")


def _arguments(module: Any) -> dict[str, Any]:
    """What a module was made with, from its attributes and parts."""
    if isinstance(module, TransformerEncoder | TransformerDecoder):
        which = "encoder_layer" if isinstance(module, TransformerEncoder) else "decoder_layer"
        return {which: module.layers[0], "num_layers": module.num_layers, "norm": module.norm}
    if isinstance(module, Transformer):
        attention = module.encoder.layers[0].self_attn
        sizes = {"d_model": attention.embed_dim, "nhead": attention.num_heads}
        parts = {"custom_encoder": module.encoder, "custom_decoder": module.decoder}
        return {**sizes, **parts, "batch_first": attention.batch_first}
    names = [x for x in inspect.signature(type(module)).parameters if x not in _NOT_GIVEN]
    given = {name: getattr(module, name) for name in names if hasattr(module, name)}
    if type(module) in _LAYERS:
        known = {F.relu: "relu", F.gelu: "gelu"}
        given |= {
            "d_model": module.self_attn.embed_dim,
            "nhead": module.self_attn.num_heads,
            "dim_feedforward": module.linear1.out_features,
            "dropout": module.dropout.p,
            "activation": known.get(module.activation),
            "layer_norm_eps": module.norm1.eps,
            "batch_first": module.self_attn.batch_first,
            "bias": module.linear1.bias,
        }
        if given["activation"] is None:
            raise TypeError("to_torch: an activation of your own in a transformer layer")
    if isinstance(module, MultiheadAttention):
        given["bias"] = module.in_proj_bias
        if module.rotary is not None:
            raise TypeError("to_torch: PyTorch's MultiheadAttention has no rotary encoding")
    if "bias" in given:
        given["bias"] = given["bias"] is not None and given["bias"] is not False
    return given


def torch_module() -> Any:
    """The module ``torch``; an ImportError that says how to get it where there is none."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("PyTorch's tensors need PyTorch: pip install torch") from error
    return torch


def _each(convert: Any, x: Any, wanted: str) -> Any:
    if isinstance(x, Mapping):
        return {key: convert(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(map(convert, x))
    raise TypeError(f"{wanted}, and lists and dicts of them, not {type(x).__name__}")
