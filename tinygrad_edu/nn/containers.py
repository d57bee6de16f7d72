"""Modules that hold modules: in a row that is run, in a list, under names."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from tinygrad_edu.nn.module import Module

S = TypeVar("S", bound="Numbered")


class Numbered(Module):
    """Base of `Sequential` and `ModuleList`: children called "0", "1" and so on."""

    def __len__(self) -> int:
        return len(self._own(Module))

    def __iter__(self) -> Iterator[Any]:
        return (module for _, module in self._own(Module))

    def _name_at(self, index: Any) -> str:
        names = [name for name, _ in self._own(Module)]
        place = operator.index(index)
        if not -len(names) <= place < len(names):
            raise IndexError(f"index {place} is out of range: {len(names)} modules")
        return names[place]

    def __getitem__(self, index: Any) -> Any:
        """One module, or a container with some of them if the index is a slice."""
        if isinstance(index, slice):
            return self._holding(self._own(Module)[index])
        return self.__dict__[self._name_at(index)]

    def _holding(self: S, pairs: Iterable[tuple[str, Module]]) -> S:
        """A container of this kind with these children."""
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name_at(index), _checked(module))

    def __delitem__(self, index: Any) -> None:
        if isinstance(index, slice):
            doomed = {id(module) for _, module in self._own(Module)[index]}
            kept = [module for module in self if id(module) not in doomed]
        else:
            doomed_name = self._name_at(index)
            kept = [module for name, module in self._own(Module) if name != doomed_name]
        self._renumber(kept)

    def _renumber(self, modules: list[Module]) -> None:
        for name, _ in self._own(Module):
            delattr(self, name)
        for i, module in enumerate(modules):
            self.register_module(str(i), module)

    def append(self: S, module: Module) -> S:
        """Add a module at the end; returns the container."""
        self.register_module(str(len(self)), _checked(module))
        return self

    def extend(self: S, modules: Iterable[Module]) -> S:
        """Add modules at the end; returns the container."""
        for module in [*modules]:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at `index`; those after it are numbered anew."""
        modules = [*self]
        modules.insert(index, _checked(module))
        self._renumber(modules)


def _checked(module: Any) -> Module:
    if not isinstance(module, Module):
        raise TypeError(
            f"a container of modules holds Modules, not {type(module).__name__}; a function of "
            "nn.functional has a module of a similar name (nn.ReLU for F.relu)"
        )
    return module


class Sequential(Numbered):
    """Modules run one after the other, the output of each being the input of the next.

    Its input has the shape that the first takes, its output the shape that the last gives.

    Made of modules, or of one dict of names and modules.

    >>> from tinygrad_edu import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], Mapping)
        pairs = args[0].items() if named else ((str(i), x) for i, x in enumerate(args))
        for name, module in pairs:
            self.register_module(name, _checked(module))

    def forward(self, input: Any) -> Any:
        """The input passed through every module in turn."""
        for module in self:
            input = module(input)
        return input

    def _holding(self, pairs: Iterable[tuple[str, Module]]) -> Sequential:
        return Sequential(dict(pairs))


class ModuleList(Numbered):
    """A list whose modules are found: their parameters are the list's.  It has no forward.

    >>> from tinygrad_edu import nn
    >>> nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def _holding(self, pairs: Iterable[tuple[str, Module]]) -> ModuleList:
        return ModuleList(module for _, module in pairs)

    def _child_lines(self) -> list[str]:
        lines, start = [], 0
        for text, group in itertools.groupby(map(repr, self)):
            count = len([*group])
            several = f"({start}-{start + count - 1}): {count} x {text}"
            lines.append(several if count > 1 else f"({start}): {text}")
            start += count
        return lines


class ModuleDict(Module):
    """Modules under names, found like a list's; the order is that of insertion.  No forward.

    >>> from tinygrad_edu import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(4, 10), "writer": nn.Linear(4, 2)})
    >>> [name for name, _ in heads.named_parameters()]
    ['digit.weight', 'digit.bias', 'writer.weight', 'writer.bias']
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add or replace modules by name."""
        for name, module in modules.items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        self.register_module(name, _checked(module))

    def __getitem__(self, name: str) -> Any:
        children = dict(self._own(Module))
        if name not in children:
            raise KeyError(f"no module is called {name!r}; there are: {', '.join(children)}")
        return children[name]

    def __delitem__(self, name: str) -> None:
        _ = self[name]
        delattr(self, name)

    def pop(self, name: str) -> Any:
        """Remove a module and return it."""
        module = self[name]
        del self[name]
        return module

    def __contains__(self, name: object) -> bool:
        return any(name == key for key in self.keys())

    def __len__(self) -> int:
        return len(self._own(Module))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """The names."""
        return [name for name, _ in self._own(Module)]

    def values(self) -> list[Any]:
        """The modules."""
        return [module for _, module in self._own(Module)]

    def items(self) -> list[tuple[str, Any]]:
        """Names and modules."""
        return [*self._own(Module)]
