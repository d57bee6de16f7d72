"""A lesson's layer beside PyTorch's, where PyTorch is installed."""

from __future__ import annotations

import importlib.util

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.interop import module_parity, parity
from tinygrad_edu.learn import show
from tinygrad_edu.learn.session import mode
from tinygrad_edu.nn import Module

CLOSE = 1e-12  # of the largest number, or of 1: in float64 rounding alone stays far below


def beside_torch(what: Module | str, *inputs: Tensor) -> None:
    """None; shows how far a layer's results and gradients are from PyTorch's, in float64.

    what : a module, called with `inputs`, against PyTorch's of the same name with the same weights
        (`interop.module_parity`); or the name of an operation, on its example (`interop.parity`).
    In quick mode, or without PyTorch, a line says that nothing was compared.

    Raises AssertionError if they are further apart than rounding explains.

    >>> from tinygrad_edu import nn, randn
    >>> beside_torch(nn.Linear(3, 2), randn(4, 3))
    Linear...PyTorch...
    """
    name = what if isinstance(what, str) else type(what).__name__
    if mode() == "quick" or importlib.util.find_spec("torch") is None:
        show.say(f"{name}: in full mode, with PyTorch installed, it is compared with it here.")
        return
    if isinstance(what, str):
        (found,) = parity([what], ["float64"])
    else:
        found = module_parity(what, *inputs)
    if found.largest > CLOSE:
        raise AssertionError(f"{name} is not PyTorch's: {found}")
    gradients = "" if found.backward is None else f", gradients within {found.backward:.0e}"
    show.say(f"{name} beside PyTorch's: results within {found.forward:.0e}{gradients}.")
