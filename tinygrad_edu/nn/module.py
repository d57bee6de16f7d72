"""Module: what has parameters, and can be called, saved, printed and moved.

A module's parameters are its attributes that are Parameters, and its children the attributes that
are Modules: nothing is kept apart that could disagree with them.  A buffer is a tensor that belongs
to the state without being trained, and is announced, since other tensors may be attributes too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.namespaces.arrays import namespace_of
from tinygrad_edu.node import current_mode, nodes_in

if TYPE_CHECKING:
    from tinygrad_edu.nn.summary import Summary

M = TypeVar("M", bound="Module")
T = TypeVar("T")


class Parameter(Tensor):
    """A tensor that a module trains: one that requires a gradient, and is found by its attribute.

    data : (...), as `Tensor` takes it, copied.  What is computed from it are plain Tensors.

    >>> Parameter([1.0, 2.0])
    Parameter containing:
    Tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, **options: Any) -> None:
        super().__init__(data, requires_grad=requires_grad, **options)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Differences(NamedTuple):
    """The keys that `Module.load_state_dict` did not find, and those it had no use for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Handle:
    """What registering a hook returns: ``remove()`` takes the hook away, as does leaving `with`."""

    def __init__(self, hooks: dict[Any, Any], hook: Any) -> None:
        self._hooks = hooks
        hooks[self] = hook

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._hooks.pop(self, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def _no_forward(self: Module, *args: Any, **kwargs: Any) -> Any:
    """What a class without a ``forward`` answers when it is called."""
    raise NotImplementedError(
        f"{type(self).__name__} defines no forward(self, ...); call what is in it, or define one"
    )


class Module:
    """Base of all layers and models: define ``forward``, assign Parameters and Modules, call it.

    Shapes are whatever ``forward`` takes and returns.

    What a call returns remembers the call, so that pictures show modules as frames named after the
    attribute and the class.  The nodes inside are found when a picture is made: putting each into
    a `scope` would take longer than a small layer.

    >>> from tinygrad_edu import Tensor, nn
    >>> class Scale(nn.Module):
    ...     def __init__(self, factor):
    ...         super().__init__()
    ...         self.factor = nn.Parameter([factor])
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale(3.0)
    >>> scale(Tensor([2.0])).tolist()
    [6.0]
    >>> [name for name, parameter in scale.named_parameters()]
    ['factor']
    """

    training: bool = True
    forward: Callable[..., Any] = _no_forward

    # The values are shared by all modules until one of them gets its own.
    _attribute: str = ""  # the name under which a parent has it
    _buffers: Mapping[str, bool] = {}  # name -> whether it is part of the state
    _pre_hooks: Mapping[Any, Any] = {}
    _hooks: Mapping[Any, Any] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(self.__dict__.get(name), Parameter) and not (
            value is None or isinstance(value, Parameter)
        ):
            raise TypeError(
                f"{name} of this {type(self).__name__} is a Parameter, and a "
                f"{type(value).__name__} would take its place untrained; assign {name}.data, or "
                "an nn.Parameter"
            )
        if isinstance(value, Module) and not value._attribute:
            value.__dict__["_attribute"] = name
        super().__setattr__(name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``, the pre-hooks before it and the hooks after it."""
        mode = current_mode()
        if mode.tape is not None:
            mode.tape.module(self)
        elif mode.capture is not None:
            mode.capture.holds(lambda: self.training)
        if self._hooks or self._pre_hooks:
            out = self._run(args, kwargs)
        else:
            out = self.forward(*args, **kwargs)
        if out.__class__ is Tensor and out._note is None and not kwargs:  # no scope is open
            if out.op is not None:
                for x in args:  # a generator would take longer than the rest of this
                    if x is out:
                        break
                else:
                    out._call = (self, args, kwargs, 0, out._call)
        elif out.__class__ is not Parameter:
            self._sign(out, args, kwargs)
        return out

    def _sign(self, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Leave on every recorded tensor in `out` what call it came from, for pictures.

        Not on what the module was given and passes on: it would hold on to itself.
        """
        depth = len(current_mode().scope)
        given = {*nodes_in((args, kwargs))}
        for node in nodes_in(out):
            if node.op is not None and node not in given:
                node._call = (self, args, kwargs, depth, node._call)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook in [*self._pre_hooks.values()]:
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        out = self.forward(*args, **kwargs)
        for hook in [*self._hooks.values()]:
            changed = hook(self, args, out)
            out = out if changed is None else changed
        return out

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> Handle:
        """Call ``hook(module, args)`` before each forward; what it returns replaces the args."""
        self.__dict__.setdefault("_pre_hooks", {})
        return Handle(self.__dict__["_pre_hooks"], hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> Handle:
        """Call ``hook(module, args, output)`` after each forward; its result replaces the output.

        >>> from tinygrad_edu import Tensor, nn
        >>> layer, seen = nn.Identity(), []
        >>> with layer.register_forward_hook(lambda module, args, out: seen.append(out.shape)):
        ...     _ = layer(Tensor([1.0, 2.0]))
        >>> seen
        [(2,)]
        """
        self.__dict__.setdefault("_hooks", {})
        return Handle(self.__dict__["_hooks"], hook)

    # What it is made of

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Assign a parameter under a name that is computed; None says that there is none."""
        self._check_name(name, Parameter)
        setattr(self, name, param)

    def register_module(self, name: str, module: Module | None) -> None:
        """Assign a child under a name that is computed, such as "0"."""
        self._check_name(name, Module)
        setattr(self, name, module)

    add_module = register_module

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Assign a tensor that moves and is saved with the module, and is not trained.

        persistent : whether `state_dict` has it.
        """
        self._check_name(name, Tensor)
        self.__dict__["_buffers"] = {**self._buffers, name: persistent}
        setattr(self, name, tensor)

    def _check_name(self, name: str, kind: type) -> None:
        if not name or "." in name:
            raise KeyError(f"{name!r} cannot name a part of a module: no dots, and not empty")
        present = getattr(self, name, None)
        if hasattr(self, name) and present is not None and not isinstance(present, kind):
            raise KeyError(f"{type(self).__name__} has an attribute {name!r}: choose another name")

    def _own(self, kind: type[T]) -> list[tuple[str, T]]:
        """This module's own attributes of a kind, in the order in which they were assigned."""
        return [(name, x) for name, x in self.__dict__.items() if isinstance(x, kind)]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        found = [(name, getattr(self, name, None)) for name in self._buffers]
        return [(name, tensor) for name, tensor in found if isinstance(tensor, Tensor)]

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all under it, each once, with dotted names; its own is "".

        >>> from tinygrad_edu import nn
        >>> [name for name, _ in nn.Sequential(nn.Identity(), nn.Identity()).named_modules()]
        ['', '0', '1']
        """
        return _once(self._walk(prefix))

    def _walk(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """`named_modules`, a module that is shared under each of its names."""
        yield prefix, self
        for name, child in self._own(Module):
            yield from child._walk(_dotted(prefix, name))

    def modules(self) -> Iterator[Module]:
        """This module and all under it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly under this one, with their names."""
        return _once(iter(self._own(Module)))

    def children(self) -> Iterator[Module]:
        """The modules directly under this one."""
        return (child for _, child in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters of this module and, with `recurse`, of all under it; each once."""
        modules = self.named_modules(prefix) if recurse else iter([(prefix, self)])
        return _once(
            (_dotted(where, name), parameter)
            for where, module in modules
            for name, parameter in module._own(Parameter)
        )

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, as an optimiser takes them."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers of this module and, with `recurse`, of all under it; each once."""
        modules = self.named_modules(prefix) if recurse else iter([(prefix, self)])
        return _once(
            (_dotted(where, name), buffer)
            for where, module in modules
            for name, buffer in module._own_buffers()
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name: ``model.get_submodule("layers.0")``."""
        module = self
        for name in target.split(".") if target else []:
            children = dict(module._own(Module))
            if name not in children:
                there = ", ".join(children) or "none"
                raise AttributeError(
                    f"{type(module).__name__} has no module {name!r}; its children: {there}"
                )
            module = children[name]
        return module

    # Changing all of it

    def train(self: M, mode: bool = True) -> M:
        """Say that training goes on (or not): dropout drops, batch norm uses the batch."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """``train(False)``: how the module behaves once it is trained."""
        return self.train(False)

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call `fn` on every module under this one, children first, and on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Whether the parameters are trained from now on."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: they are None afterwards."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self: M, device: Any = None, dtype: Any = None) -> M:
        """Move parameters and buffers to "cpu" or "cuda", and floating ones to a dtype.

        The first may be a dtype too: ``model.to("float64")``.  The Parameters stay the same
        objects, so that an optimiser keeps hold of them.

        >>> from tinygrad_edu import nn
        >>> nn.Linear(2, 1).to("float64").weight.dtype
        dtype('float64')
        """
        if device is not None and device not in ("cpu", "cuda"):
            device, dtype = None, device
        dtype = None if dtype is None else numpy.dtype(dtype)
        if dtype is not None and dtype.kind != "f":
            raise TypeError(f"a module's parameters are floating numbers, not {dtype}")
        for tensor in [*self.parameters(), *self.buffers()]:
            grad = None if tensor.grad is None else _moved(tensor.grad, device, dtype)
            tensor._data = _moved(tensor.data, device, dtype)
            tensor._grad = grad
        return self

    def float(self: M) -> M:
        """``to("float32")``."""
        return self.to(dtype="float32")

    def double(self: M) -> M:
        """``to("float64")``."""
        return self.to(dtype="float64")

    # Saving and loading

    def _state(self) -> dict[str, Tensor]:
        """Every parameter and persistent buffer, one that is shared under each of its names."""
        state: dict[str, Tensor] = {}
        for where, module in self._walk():
            kept = [(name, x) for name, x in module._own_buffers() if module._buffers[name]]
            for name, tensor in [*module._own(Parameter), *kept]:
                state[_dotted(where, name)] = tensor
        return state

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name, with PyTorch's keys.

        They are copies: training goes on without changing them (PyTorch's share memory).

        >>> from tinygrad_edu import nn
        >>> list(nn.Sequential(nn.Linear(2, 3)).state_dict())
        ['0.weight', '0.bias']
        """
        return {name: Tensor(tensor) for name, tensor in self._state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Differences:
        """Take over the values of `state_dict`, from here or from PyTorch, in the module's dtype.

        state_dict : names to Tensors, arrays, or PyTorch's tensors.
        strict : whether the names must be the same; otherwise what has a name here is loaded.

        Returns the names that are missing and those that are not expected.

        Raises RuntimeError with a list of all differences (also, strict or not, for another shape,
        and for what is not numbers); the module is then as it was.
        """
        own = self._state()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems, ready = [], []
        if strict:
            problems += [f"missing: {name} {own[name].shape}" for name in missing]
            problems += [f"unexpected: {name}" for name in unexpected]
        for name in own.keys() & state_dict.keys():
            array, wanted = _array(state_dict[name]), own[name].shape
            if array is None:
                problems.append(f"{name}: {type(state_dict[name]).__name__} is not an array")
            elif array.shape != wanted:
                problems.append(f"{name}: {array.shape} given, {wanted} here")
            ready.append((own[name], array))
        if problems:
            hint = "\nstrict=False loads what has a name here" if missing or unexpected else ""
            raise RuntimeError(
                f"cannot load this state into {type(self).__name__}, which stays as it was:\n  "
                + "\n  ".join(sorted(problems))
                + (hint if strict else "")
            )
        for tensor, array in ready:
            tensor.data = array
        return Differences(missing, unexpected)

    # Printing

    def summary(self, *inputs: Any, **options: Any) -> Summary:
        """A table of all modules: output shape, parameters and multiply-adds of each, and totals.

        The model is run once on the inputs, in evaluation mode, and is afterwards as it was.  A row
        counts what the module has and does itself; the modules inside have rows of their own.
        Multiply-adds are those of the matrix products that were run, convolutions included.

        >>> from tinygrad_edu import nn, zeros
        >>> nn.Sequential(nn.Linear(4, 3), nn.ReLU()).summary(zeros(2, 4))
        module  class       output shape  parameters  multiply-adds
        -----------------------------------------------------------
                Sequential  (2, 3)                 0              0
        0       Linear      (2, 3)                15             24
        1       ReLU        (2, 3)                 0              0
        -----------------------------------------------------------
        total                                     15             24
        """
        from tinygrad_edu.nn.summary import summarise

        return summarise(self, inputs, options)

    def extra_repr(self) -> str:
        """What stands between the brackets when the module is printed."""
        return ""

    def _child_lines(self) -> list[str]:
        return [f"({name}): {child!r}" for name, child in self._own(Module)]

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), self._child_lines()
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = [line for text in [extra, *children] if text for line in text.split("\n")]
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def _once(pairs: Iterator[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """The pairs without those whose object came before under another name."""
    seen: set[int] = set()
    for name, x in pairs:
        if id(x) not in seen:
            seen.add(id(x))
            yield name, x


def _dotted(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _moved(array: Any, device: str | None, dtype: Any) -> Any:
    """The array on another device, in another dtype if it is floating."""
    tensor = Tensor(array, device=device or namespace_of(array).device)
    if dtype is not None and array.dtype.kind == "f":
        tensor = ops.astype(tensor, dtype=dtype)
    return tensor.data


def _array(x: Any) -> Any:
    """A copy of the numbers in x, a tensor of any library or an array; None if it is neither."""
    if isinstance(x, Tensor):
        return x.numpy()
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    try:
        array = numpy.asarray(x).copy()
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "iufb" else None


@contextlib.contextmanager
def evaluation(model: Module) -> Iterator[None]:
    """Every module in evaluation mode inside; afterwards as it was, since some may have been so.

    >>> from tinygrad_edu import nn
    >>> model = nn.Dropout()
    >>> with evaluation(model):
    ...     print(model.training)
    False
    >>> model.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
