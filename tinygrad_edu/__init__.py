"""tinygrad_edu: every operation written once, read as numbers, arrays, graphs and pictures.

The names below are imported when they are first used (PEP 562), so that importing the package
costs no more than what is used of it.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygrad_edu import data, interop, learn, metrics, nn, ops, optim, plots, train
    from tinygrad_edu.engine.backprop import detect_anomaly, grad
    from tinygrad_edu.engine.creation import (
        arange,
        eye,
        full,
        linspace,
        ones,
        rand,
        randn,
        zeros,
    )
    from tinygrad_edu.engine.device import device
    from tinygrad_edu.engine.gradcheck import gradcheck, numeric_grad
    from tinygrad_edu.engine.tensor import Tensor
    from tinygrad_edu.engine.transforms import (
        checkpoint,
        hessian,
        hvp,
        jacobian,
        jvp,
        value_and_grad,
    )
    from tinygrad_edu.engine.value import Value
    from tinygrad_edu.files import load, save
    from tinygrad_edu.node import no_grad, record_lines, scope
    from tinygrad_edu.ops.random import manual_seed
    from tinygrad_edu.ops.registry import op
    from tinygrad_edu.readers.diff import diff
    from tinygrad_edu.readers.keeps import keeps
    from tinygrad_edu.readers.latex import latex, rule_latex
    from tinygrad_edu.readers.picture import draw
    from tinygrad_edu.readers.program import compile
    from tinygrad_edu.readers.story import story
    from tinygrad_edu.readers.trace import trace
    from tinygrad_edu.widgets.dashboard import Dashboard
    from tinygrad_edu.widgets.explore import explore
    from tinygrad_edu.widgets.stepper import Stepper
else:
    _NAMES = {
        "": "data interop learn metrics nn ops optim plots train",
        "engine.backprop": "detect_anomaly grad",
        "engine.creation": "arange eye full linspace ones rand randn zeros",
        "engine.device": "device",
        "engine.gradcheck": "gradcheck numeric_grad",
        "engine.tensor": "Tensor",
        "engine.transforms": "checkpoint hessian hvp jacobian jvp value_and_grad",
        "engine.value": "Value",
        "files": "load save",
        "node": "no_grad record_lines scope",
        "ops.random": "manual_seed",
        "ops.registry": "op",
        "readers.diff": "diff",
        "readers.keeps": "keeps",
        "readers.latex": "latex rule_latex",
        "readers.picture": "draw",
        "readers.program": "compile",
        "readers.story": "story",
        "readers.trace": "trace",
        "widgets.dashboard": "Dashboard",
        "widgets.explore": "explore",
        "widgets.stepper": "Stepper",
    }
    _HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _HOMES[name]
        if home:
            found = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        else:
            found = importlib.import_module(f"{__name__}.{name}")
        globals()[name] = found
        return found

    def __dir__():
        return [*__all__, "__version__"]


__version__ = "0.1.0"

__all__ = [
    "Dashboard",
    "Stepper",
    "Tensor",
    "Value",
    "arange",
    "checkpoint",
    "compile",
    "data",
    "detect_anomaly",
    "device",
    "diff",
    "draw",
    "explore",
    "eye",
    "full",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "interop",
    "jacobian",
    "jvp",
    "keeps",
    "latex",
    "learn",
    "linspace",
    "load",
    "manual_seed",
    "metrics",
    "nn",
    "no_grad",
    "numeric_grad",
    "ones",
    "op",
    "ops",
    "optim",
    "plots",
    "rand",
    "randn",
    "record_lines",
    "rule_latex",
    "save",
    "scope",
    "story",
    "trace",
    "train",
    "value_and_grad",
    "zeros",
]
