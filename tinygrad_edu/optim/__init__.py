"""Optimisers and learning-rate schedules, under PyTorch's names.

One file per method, so that a formula is found, read and compared at a glance: each optimiser's
`_update` is its formula, written once for arrays (`Tensor`) and numbers (`Value`), and `optimizer`
holds what they share.

>>> from tinygrad_edu import Tensor, optim
>>> w = Tensor([3.0, -1.0], requires_grad=True)
>>> optimizer = optim.SGD([w], lr=0.1, momentum=0.5)
>>> for _ in range(40):
...     loss = (w * w).sum()
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
>>> loss.item() < 1e-6
True
"""

from tinygrad_edu.optim import lr_scheduler
from tinygrad_edu.optim.adagrad import Adagrad
from tinygrad_edu.optim.adam import Adam, AdamW
from tinygrad_edu.optim.averaging import AveragedParameters
from tinygrad_edu.optim.gradient_descent import GradientDescent
from tinygrad_edu.optim.lbfgs import LBFGS
from tinygrad_edu.optim.line_search import armijo, bracket_search
from tinygrad_edu.optim.lr_finder import LRCurve, lr_finder
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.rmsprop import RMSprop
from tinygrad_edu.optim.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "AveragedParameters",
    "GradientDescent",
    "LRCurve",
    "Optimizer",
    "RMSprop",
    "armijo",
    "bracket_search",
    "lr_finder",
    "lr_scheduler",
]
