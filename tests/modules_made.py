"""Configurations of the table of modules as modules and functions of Tensors, in float32."""

import modules_sequence
import modules_table
import numpy as np
from modules_table import Config, Fixed, Packed, Part

from tinygrad_edu import Tensor, manual_seed, nn
from tinygrad_edu.node import nodes_in

MODULES = {**modules_table.MODULES, **modules_sequence.MODULES}


def unpacked(name) -> list[Config]:
    """The configurations of a module that take no packed batch."""
    return [row for row in MODULES[name] if not any(isinstance(x, Packed) for x in row.inputs)]


def tensor(array):
    """An array as a Tensor, numbers as float32."""
    return Tensor(array.astype("float32") if array.dtype.kind == "f" else array)


def made(name, args, options):
    """The module of a configuration."""

    def argument(x):
        if isinstance(x, np.ndarray):
            return tensor(x)
        return made(x.name, x.args, x.options) if isinstance(x, Part) else x

    options = {key: argument(x) for key, x in options.items()}
    return getattr(nn, name)(*map(argument, args), **options)


def operand(x):
    """An input of a configuration."""
    x = x.array if isinstance(x, Fixed) else x
    if isinstance(x, tuple):
        return tuple(map(operand, x))
    return tensor(x) if isinstance(x, np.ndarray) else x


def function_of(name, config):
    """A configuration as a function of Tensors, and Tensors to call it with."""
    manual_seed(0)
    module = made(name, config.args, config.options).eval()
    inputs = [operand(x) for x in config.inputs]
    named = {key: operand(x) for key, x in config.named.items()}

    def filled(x, given):
        if isinstance(x, tuple):
            return tuple(filled(part, given) for part in x)
        return next(given) if isinstance(x, Tensor) else x

    def function(*given):
        given = iter(given)
        return module(*[filled(x, given) for x in inputs], **named)

    return function, list(nodes_in(inputs))
