"""What every optimiser does beside its formula: parameter groups, state, saving and loading."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.engine.value import Value
from tinygrad_edu.namespaces.arrays import NUMPY, Array, Arrays, namespace_of
from tinygrad_edu.node import Node, current_mode, describe

Params = Iterable[Any]  # of Tensors and Values, or of groups: dicts with the key "params"
Group = dict[str, Any]
Fused = Callable[[Array, Array, dict[str, Any]], bool]
Loss = TypeVar("Loss")

# Elements updated at a time.  A formula such as x -= lr * g passes over its arrays several times;
# in blocks of this size they and its temporary results stay in the processor's cache.
BLOCK = 65536

# What a group may hold beside the optimiser's own options.
_EXTRAS = {"params", "name", "initial_lr"}


class Optimizer:
    """Changes parameters so that a loss falls; base class of the optimisers.

    Parameters
    ----------
    params : Tensors of any shapes or Values, or dicts ``{"params": [...], "lr": ...}``, one per
        group of parameters with options of its own.
    defaults : the options, with the values that groups which do not name them take.

    ``param_groups`` is the list of groups, whose options may be changed between steps; ``state``
    holds what is remembered of each parameter.

    An optimiser of your own names the arrays it remembers in `_state_names` and writes its formula
    in `_update`, once for numbers and arrays: a Value's number arrives as an array without axes.

    >>> from tinygrad_edu import Value
    >>> class Sign(Optimizer):
    ...     def _update(self, xp, x, g, state, group):
    ...         x -= group["lr"] * xp.sign(g)
    >>> w = Value(3.0)
    >>> optimizer = Sign([w], {"lr": 0.5})
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> w.data
    2.5

    Built in lesson 13.
    """

    def __init__(self, params: Params, defaults: Mapping[str, Any]) -> None:
        if isinstance(params, Node | Mapping):
            raise TypeError(
                f"{self._name} takes a list of parameters, not one {type(params).__name__}; "
                "write it in brackets"
            )
        self.defaults = dict(defaults)
        self.param_groups: list[Group] = []
        self.state: dict[Any, dict[str, Any]] = {}
        self._loops: dict[Any, Callable[..., None]] = {}  # of fused updates
        groups = list(params)
        if not groups:
            raise ValueError(
                f"{self._name} got no parameters; a generator can be read only once, so keep "
                "list(model.parameters()) if it is needed twice"
            )
        if not any(isinstance(group, Mapping) for group in groups):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # What an optimiser must say for itself

    def _check(self, group: Group) -> None:
        """Raise if an option of a group is out of range."""
        self._at_least_zero(group, "lr")

    def _state_names(self, group: Group) -> tuple[str, ...]:
        """What is remembered of each parameter: "step", a count, and arrays of its shape."""
        return ()

    def _initial(self, name: str, xp: Arrays, x: Array, g: Array, group: Group) -> Array:
        """An array to remember, before the first step."""
        return xp.zeros_like(x)

    def _factors(self, group: Group, step: int) -> Group:
        """The numbers in `_update` that may be others in each step, which it finds in its group.

        step : how many steps the parameter takes, with this one; 0 if they are not counted.
        They are worked out on the host, once for all parameters of one count.
        """
        return {"lr": group["lr"]}

    def _update(self, xp: Arrays, x: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        """Change `x`, and the arrays in `state`, in place; `g` is the gradient.

        group : the options, and the numbers that `_factors` gives.
        """
        raise NotImplementedError(f"{self._name} has no _update")

    # Groups

    @property
    def _name(self) -> str:
        return type(self).__name__

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Take more parameters, with options of their own: ``{"params": [...], "lr": 0.1}``.

        Raises TypeError for something that is no parameter and for an unknown option, ValueError
        for a parameter that is a result or is there already, and for an option out of range; the
        optimiser is then as it was.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(
                f"{self._name}: a group is a dict with the key 'params', not {param_group!r:.60}"
            )
        unknown = sorted(param_group.keys() - self.defaults.keys() - _EXTRAS)
        if unknown:
            raise TypeError(
                f"{self._name} has no option {unknown[0]!r}; it has {', '.join(self.defaults)}"
            )
        params = param_group["params"]
        group = {**self.defaults, **param_group}
        group["params"] = [params] if isinstance(params, Node) else list(params)
        seen = {id(p) for other in self.param_groups for p in other["params"]}
        for i, p in enumerate(group["params"]):
            self._check_parameter(p, i)
            if id(p) in seen:
                raise ValueError(
                    f"{self._name}: parameter {i} of the group, {describe(p)}, is there already; "
                    "it would be updated twice in each step"
                )
            seen.add(id(p))
        self._check_group(group)
        self.param_groups.append(group)

    def _check_group(self, group: Group) -> None:
        self._check(group)
        if group.get("fused"):
            from tinygrad_edu.readers.program.loading import need_numba

            need_numba(f"{self._name}(fused=True)")

    def _check_parameter(self, p: Any, i: int) -> None:
        if not isinstance(p, Tensor | Value):
            hint = "; pass parameters without their names" if isinstance(p, tuple) else ""
            raise TypeError(
                f"{self._name}: parameter {i} is a {type(p).__name__}, not a Tensor or Value{hint}"
            )
        if not p.is_leaf:
            raise ValueError(
                f"{self._name}: parameter {i} is {describe(p)}, which is computed anew in each "
                "pass; optimise the leaf it comes from"
            )
        if isinstance(p, Tensor) and p.dtype.kind != "f":
            raise TypeError(
                f"{self._name}: parameter {i} holds {p.dtype}, which has no derivative; "
                "use .astype('float32')"
            )

    def _at_least_zero(self, group: Group, *names: str) -> None:
        for name in names:
            if not _is_real(group[name]) or not group[name] >= 0:
                raise ValueError(f"{self._name}: {name} is {group[name]!r}; it must be at least 0")

    def _below_one(self, group: Group, name: str, count: int) -> None:
        """Check `count` averaging factors: a number, or a pair."""
        given = group[name]
        factors = tuple(given) if isinstance(given, tuple | list) else (given,)
        if len(factors) != count or not all(_is_real(b) and 0 <= b < 1 for b in factors):
            what = "it" if count == 1 else f"there must be {count} numbers, and each"
            raise ValueError(
                f"{self._name}: {name} is {group[name]!r}; {what} must be at least 0 and below 1"
            )

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group.keys() - {"params"})]
        return "\n".join([*lines, ")"])

    # Steps

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: None (a Value's reads 0.0), or zeros if not `set_to_none`.

        A parameter whose gradient is None is left out of a step; one whose gradient is zero is not,
        and may still move by its momentum or weight decay.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.has_grad:
                    p.grad = numpy.zeros(p.shape)

    def step(self, closure: Callable[[], Loss] | None = None) -> Loss | None:
        """Update every parameter that has a gradient.

        closure : computes the loss anew, with its gradients; called once, before the update.
        Returns what `closure` returned, or None.
        """
        loss = closure() if closure is not None else None
        capture = current_mode().capture
        for group in self.param_groups:
            params = [p for p in group["params"] if p.has_grad]
            if capture is not None:
                self._record(group, params, capture)
                continue
            known: dict[int, tuple[Group, Fused | None]] = {}  # by the steps taken
            for p in params:
                state = self._remembered(p, group)
                if "step" in state:
                    state["step"] += 1
                step = state.get("step", 0)
                if step not in known:
                    options = {**group, **self._factors(group, step)}
                    known[step] = options, self._fused(options)
                self._update_one(p, state, *known[step])
        return loss

    def _record(self, group: Group, params: list[Any], capture: Any) -> None:
        """A step whose launches are recorded: before each repetition it is counted, and `_factors`.

        The other options, and the arrays that are remembered, must stay what they are.
        """
        states = [self.state.get(p, {}) for p in params]
        for p, state in zip(params, states, strict=True):
            if not state.keys() >= {*self._state_names(group)}:
                raise RuntimeError(
                    f"{self._name}: {describe(p)} gets its first gradient while launches are "
                    "recorded, and a repetition would begin anew; run the step as it is before"
                )

        def count() -> None:
            for state in states:
                if "step" in state:
                    state["step"] += 1

        def rest() -> Any:
            options = {name: value for name, value in group.items() if name not in ("params", "lr")}
            now = [self.state.get(p, {}) for p in params]
            steps = [state.get("step", 0) for state in now]
            ahead = [step - steps[0] for step in steps]
            parts = [*group["params"], *self.param_groups, *_arrays(now)]
            return options, ahead, [id(part) for part in parts]

        capture.before_each(count)
        capture.holds(rest, kept=[*self.param_groups, *_arrays(states)])
        known: dict[Any, Group] = {}
        for p, state in zip(params, states, strict=True):
            key = state.get("step", 0), numbers_of(p).dtype
            if key not in known:
                read = partial(self._factors_of, group, state)
                known[key] = {**group, **capture.numbers(read, key[1])}
            self._update_one(p, _Uncounted(state), known[key])

    def _factors_of(self, group: Group, state: dict[str, Any]) -> Group:
        return self._factors(group, state.get("step", 0))

    def _remembered(self, p: Any, group: Group) -> dict[str, Any]:
        """What is remembered of a parameter, made before its first step."""
        state = self.state.setdefault(p, {})
        for name in self._state_names(group):
            if name not in state:
                x, g = numbers_of(p), numbers_of(p, gradient=True)
                xp = namespace_of(x)
                first = 0 if name == "step" else xp.asarray(self._initial(name, xp, x, g, group))
                state[name] = first
        return state

    def _update_one(
        self, p: Any, state: dict[str, Any], group: Group, fused: Fused | None = None
    ) -> None:
        x, g = numbers_of(p), numbers_of(p, gradient=True)
        if fused is None or not fused(x, g, state):
            for part, slope, remembered in _blocks(x, g, state):
                self._update(namespace_of(x), part, slope, remembered, group)
        p.data = x  # marks the change, so that graphs recorded before refuse to run backward

    def _fused(self, group: Group) -> Fused | None:
        """What updates an array by one loop, and says whether: its numbers must lie in a row.

        A loop is handed the options that are numbers, so that these may change from step to step.
        """
        if not group.get("fused"):
            return None
        options = {name: option for name, option in group.items() if name not in _EXTRAS}
        numbers: list[float] = []
        chosen = (*options, *[_kind(option, numbers) for option in options.values()])

        def update(x: Array, g: Array, state: dict[str, Any]) -> bool:
            held = [name for name in state if name != "step"]
            arrays = [x, *[state[name] for name in held], g]
            for a in arrays:
                if a.__class__ is not numpy.ndarray or not a.flags.c_contiguous:
                    return False
            if x.dtype.char not in "fd":
                return False
            key = x.dtype, *held, chosen
            if key not in self._loops:
                from tinygrad_edu.optim.fused import fuse

                self._loops[key] = fuse(self._update, x.dtype, held, options)
            self._loops[key](*[a.reshape(-1) for a in arrays], *numbers)
            return True

        return update

    # Saving and loading

    def state_dict(self) -> dict[str, Any]:
        """A copy of what is remembered and of the options, with numbers in place of parameters.

        ``{"state": {0: {...}, 1: {...}}, "param_groups": [{"lr": ..., "params": [0, 1]}]}``, with
        PyTorch's keys; the numbers count the parameters over all groups.
        """
        index = {id(p): i for i, p in enumerate(self._parameters())}
        return {
            "state": {
                index[id(p)]: {name: _copied(value) for name, value in state.items()}
                for p, state in self.state.items()
            },
            "param_groups": [
                {**group, "params": [index[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of an optimiser of the same kind gave, PyTorch's included.

        Raises ValueError if groups, parameters or shapes differ; the optimiser is then as it was.
        """
        missing = {"state", "param_groups"} - state_dict.keys()
        if missing:
            raise ValueError(f"{self._name}: the saved state has no {min(missing)!r}")
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"{self._name} has {len(self.param_groups)} parameter groups, the saved state "
                f"{len(saved)}"
            )
        groups = [
            self._loaded_group(i, *pair)
            for i, pair in enumerate(zip(self.param_groups, saved, strict=True))
        ]
        # The saved numbers name the parameters in the order in which they are listed.
        owners = {
            number: (p, group)
            for group, old in zip(groups, saved, strict=True)
            for number, p in zip(old["params"], group["params"], strict=True)
        }
        state = {}
        for number, entry in state_dict["state"].items():
            if number not in owners:
                raise ValueError(
                    f"{self._name}: the saved state is of parameter {number}, which no saved group "
                    "lists"
                )
            p, group = owners[number]
            state[p] = self._loaded_state(number, p, entry, group)
        self.param_groups = groups
        self.state = state

    def _loaded_group(self, i: int, mine: Group, saved: Mapping[str, Any]) -> Group:
        missing = sorted((self.defaults.keys() | {"params"}) - {"fused"} - saved.keys())
        if missing:
            raise ValueError(
                f"{self._name}: the saved group {i} has no {missing[0]!r}; was it saved by another "
                "kind of optimiser?"
            )
        if len(saved["params"]) != len(mine["params"]):
            raise ValueError(
                f"{self._name}: group {i} has {len(mine['params'])} parameters, the saved one "
                f"{len(saved['params'])}"
            )
        group = {**saved, "params": mine["params"]}
        if "fused" in mine:  # which older files, and PyTorch's RMSprop, do not have
            group.setdefault("fused", mine["fused"])
        self._check_group(group)
        return group

    def _loaded_state(
        self, number: int, p: Any, saved: Mapping[str, Any], group: Group
    ) -> dict[str, Any]:
        missing = [name for name in self._state_names(group) if name not in saved]
        if missing:
            raise ValueError(
                f"{self._name}: the saved state of parameter {number} has no {missing[0]!r}"
            )
        x = numbers_of(p)
        state: dict[str, Any] = {}
        for name, value in saved.items():
            if name == "step":
                state[name] = int(value)
            elif value is not None:
                state[name] = _like(value, x)
                if state[name].shape != x.shape:
                    raise ValueError(
                        f"{self._name}: the saved {name!r} of parameter {number} has shape "
                        f"{state[name].shape}, the parameter {x.shape}"
                    )
        return state

    def _parameters(self) -> Iterator[Any]:
        for group in self.param_groups:
            yield from group["params"]


def descent(x: Array, g: Array, group: Group) -> Array:
    """The slope to go down: the loss's gradient `g`, turned and with weight decay if asked.

    ``maximize`` turns its sign.  ``weight_decay`` adds the gradient of ``weight_decay / 2 * x**2``
    (an L2 penalty).

    >>> descent(2.0, 1.0, {"maximize": True, "weight_decay": 0.25})
    -0.5
    """
    if group["maximize"]:
        g = -g
    if group["weight_decay"]:
        g = g + group["weight_decay"] * x
    return g


def numbers_of(p: Any, gradient: bool = False) -> Array:
    """A parameter's array, or its gradient; of a Value, an array without axes (a copy).

    >>> numbers_of(Value(2.0))
    array(2.)
    """
    held = p.grad if gradient else p.data
    return NUMPY.asarray(held) if isinstance(held, float) else held


def _blocks(
    x: Array, g: Array, state: dict[str, Any]
) -> Iterator[tuple[Array, Array, dict[str, Any]]]:
    """The arrays in parts of at most BLOCK elements, as views; whole where views cannot be had."""
    if x.size <= BLOCK or not isinstance(x, numpy.ndarray):  # a card has no such cache
        yield x, g, state
        return
    arrays = {name: a for name, a in state.items() if name != "step"}
    if not all(a.flags.c_contiguous for a in (x, g, *arrays.values())):
        yield x, g, state
        return
    x, g = x.reshape(-1), g.reshape(-1)
    arrays = {name: a.reshape(-1) for name, a in arrays.items()}
    for start in range(0, x.size, BLOCK):
        part = slice(start, start + BLOCK)
        yield x[part], g[part], {**state, **{name: a[part] for name, a in arrays.items()}}


def _arrays(states: list[dict[str, Any]]) -> list[Any]:
    return [a for state in states for name, a in state.items() if name != "step"]


class _Uncounted(dict[str, Any]):
    """What is remembered of a parameter, but for the count, which a recording would fix."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__({name: a for name, a in state.items() if name != "step"})

    def __missing__(self, name: str) -> Any:
        raise RuntimeError(
            f"{name!r} cannot be read in _update while launches are recorded, since a repetition "
            "would read the same; work out in _factors what depends on it"
        )


def _is_real(x: Any) -> bool:
    return isinstance(x, numbers.Real)


def is_number(option: Any) -> bool:
    """Whether an option is a number, rather than a choice.

    >>> is_number(0.9), is_number(True)
    (True, False)
    """
    return isinstance(option, (float, int, numpy.number)) and option.__class__ is not bool


def _kind(option: Any, numbers: list[float]) -> Any:
    """What a formula may choose by, of a number whether it is zero; it is added to `numbers`."""
    if isinstance(option, (tuple, list)):
        return tuple([_kind(part, numbers) for part in option])
    if not is_number(option):
        return repr(option)
    numbers.append(float(option))
    return "a number" if option else "zero"


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(x) for x in value]
    return value.copy() if hasattr(value, "copy") else value


def _like(value: Any, x: Array) -> Array:
    """A copy of `value`, an array of any library, in the dtype and on the device of `x`."""
    if type(value) is not type(x):
        value = numpy.asarray(value)
    return namespace_of(x).library.array(value, dtype=x.dtype)
