"""The base of modules that are a function of `functional` with its options fixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn.module import Module


class Applied(Module):
    """A function as a module: ``class Tanh(Applied, of=F.tanh)``, its options dataclass fields.

    A Tensor among the options (a class weight) is a buffer: it is saved and moved.
    """

    function: ClassVar[Callable[..., Tensor]]

    def __init_subclass__(cls, of: Callable[..., Tensor] | None = None) -> None:
        if of is not None:
            cls.function = staticmethod(of)
            text = (of.__doc__ or "").partition(">>>")[0].rstrip()  # its example calls a function
            cls.__doc__ = cls.__doc__ or f"`functional.{of.__name__}` as a module: {text}"

    def __post_init__(self) -> None:
        for name, option in self._options().items():
            if isinstance(option, Tensor):
                self.register_buffer(name, option)

    def _options(self) -> dict[str, Any]:
        fields = self.__dataclass_fields__  # type: ignore[attr-defined]
        return {name: getattr(self, name) for name in fields if name not in ("_", "inplace")}

    def forward(self, *inputs: Tensor) -> Tensor:
        """The function of the inputs."""
        return self.function(*inputs, **self._options())
