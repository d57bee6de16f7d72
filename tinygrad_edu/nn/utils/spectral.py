"""Spectral normalisation: a weight over its largest singular value, found as training goes on."""

from __future__ import annotations

from typing import Any, TypeVar

from tinygrad_edu.engine.creation import zeros
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.convolution import ConvTranspose1d, ConvTranspose2d
from tinygrad_edu.nn.module import Module, Parameter
from tinygrad_edu.node import assign, current_mode, no_grad

M = TypeVar("M", bound=Module)


class _SpectralNorm:
    """The hook that puts the normalised weight into place before each forward."""

    def __init__(self, name: str, n_power_iterations: int, eps: float, dim: int) -> None:
        self.name, self.n_power_iterations, self.eps, self.dim = name, n_power_iterations, eps, dim

    def __call__(self, module: Module, args: tuple[Any, ...]) -> None:
        improve = module.training and current_mode().effects
        setattr(module, self.name, self.weight(module, improve))

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight with a row per output: axis `dim`, and all others in one."""
        others = [axis for axis in range(weight.ndim) if axis != self.dim]
        return weight.transpose(self.dim, *others).reshape(weight.shape[self.dim], -1)

    def weight(self, module: Module, improve: bool) -> Tensor:
        """The weight over u W v, after bringing u and v closer to the singular vectors or not."""
        original, u_buffer, v_buffer = (
            getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v")
        )
        matrix = self.matrix(original)
        u, v = u_buffer.detach(), v_buffer.detach()  # what a graph uses is not changed later
        if improve:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v = F.normalize(u @ matrix, dim=0, eps=self.eps)
                    u = F.normalize(matrix @ v, dim=0, eps=self.eps)
                assign(u_buffer, u)
                assign(v_buffer, v)
        return original / (u @ (matrix @ v))

    def parts(self) -> list[str]:
        """The names of what the module has instead of the weight."""
        return [f"{self.name}_{part}" for part in ("orig", "u", "v")]


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """The module, its weight (outputs, ...) over its largest singular value from now on.

    So the layer changes no difference of inputs by more than a factor of about 1.  The parameter is
    ``weight_orig``; ``weight_u`` and ``weight_v`` are buffers, estimates of the singular vectors
    that each forward in training improves; ``weight`` is computed from them before each forward.
    These are the keys of PyTorch's function of this name (its newer
    ``parametrizations.spectral_norm`` has others).

    n_power_iterations : how often u and v are improved per forward.
    eps : the least that a norm counts as, where u and v are brought to norm 1.
    dim : the axis of the outputs; by default 0, and 1 for a transposed convolution.
    Source: Miyato et al. 2018, arXiv:1802.05957, algorithm 1.

    >>> from tinygrad_edu import nn, zeros
    >>> layer = nn.Linear(2, 2)
    >>> layer.weight.data = [[4.0, 0.0], [0.0, 1.0]]
    >>> list(spectral_norm(layer).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    >>> for _ in range(30):
    ...     _ = layer(zeros(1, 2))
    >>> layer.weight.tolist()
    [[1.0, 0.0], [0.0, 0.25]]
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Parameter):
        there = ", ".join(key for key, _ in module.named_parameters(recurse=False)) or "none"
        raise ValueError(
            f"spectral_norm: {type(module).__name__} has no parameter {name!r}; it has: {there}"
        )
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm needs at least 1 iteration, not {n_power_iterations}")
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d) else 0
    hook = _SpectralNorm(name, n_power_iterations, eps, dim)
    sizes = dict(zip(hook.parts()[1:], hook.matrix(weight).shape, strict=True))
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    for part, size in sizes.items():
        drawn = init.normal_(zeros(size, dtype=weight.dtype))
        module.register_buffer(part, F.normalize(drawn, dim=0, eps=eps).to(weight.device))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """The module with its weight (outputs, ...) as it is now, normalised, as a parameter again.

    Raises ValueError if `spectral_norm` was not applied to it.

    >>> from tinygrad_edu import nn
    >>> layer = spectral_norm(nn.Linear(2, 3))
    >>> "weight_orig" in layer.state_dict()
    True
    >>> "weight_orig" in remove_spectral_norm(layer).state_dict()
    False
    """
    found = [
        (handle, hook)
        for handle, hook in module._pre_hooks.items()
        if isinstance(hook, _SpectralNorm) and hook.name == name
    ]
    if not found:
        raise ValueError(f"spectral_norm was not applied to {name!r} of {type(module).__name__}")
    ((handle, hook),) = found
    with no_grad():
        weight = hook.weight(module, improve=False)
    handle.remove()
    for part in [name, *hook.parts()]:
        delattr(module, part)
    module.register_parameter(name, Parameter(weight))
    return module
