"""Dropout: in training, part of the input is 0, so that no feature relies on a single other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module


class Dropout(Module):
    """In training, each element is 0 with probability `p` and divided by 1 - p otherwise.

    Shape (...) -> (...); in evaluation the input itself.  generator : a `numpy.random.Generator`;
    by default the one that `manual_seed` seeds.  `inplace` is accepted and changes nothing.
    Source: Srivastava et al. 2014, Dropout, JMLR 15, section 10.

    >>> x = Tensor([1.0, 2.0])
    >>> Dropout(0.5).eval()(x) is x
    True
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(F.dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False, *, generator: Any = None) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout drops with a probability p between 0 and 1, not {p}")
        self.p, self.inplace, self.generator = p, inplace, generator

    def forward(self, input: Tensor) -> Tensor:
        """The input, part of it dropped if `training`."""
        return self.function(input, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        """The options."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout2d(Dropout):
    """`Dropout` of whole channels: (N, C, H, W) -> the same.

    Source: Tompson et al. 2015, arXiv:1411.4280, section 3.2.

    >>> from tinygrad_edu import zeros
    >>> Dropout2d()(zeros(1, 2, 3, 3)).shape
    (1, 2, 3, 3)
    """

    function = staticmethod(F.dropout2d)
