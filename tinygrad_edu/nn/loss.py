"""Losses as modules: each row is a name, a function of `functional`, and its options.

The defaults are PyTorch's, the documentation is the function's.  What follows PyTorch's historical
``size_average`` and ``reduce`` is keyword-only.

>>> from tinygrad_edu.nn import CrossEntropyLoss
>>> loss = CrossEntropyLoss(label_smoothing=0.1)
>>> round(loss(Tensor([[0.0, 0.0]]), Tensor([1], dtype="int64")).item(), 4)
0.6931
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.applied import Applied


@dataclass(eq=False, repr=False)
class MSELoss(Applied, of=F.mse_loss):
    _: KW_ONLY
    reduction: str = "mean"


@dataclass(eq=False, repr=False)
class L1Loss(Applied, of=F.l1_loss):
    _: KW_ONLY
    reduction: str = "mean"


@dataclass(eq=False, repr=False)
class SmoothL1Loss(Applied, of=F.smooth_l1_loss):
    _: KW_ONLY
    reduction: str = "mean"
    beta: float = 1.0


@dataclass(eq=False, repr=False)
class HuberLoss(Applied, of=F.huber_loss):
    reduction: str = "mean"
    delta: float = 1.0


@dataclass(eq=False, repr=False)
class CrossEntropyLoss(Applied, of=F.cross_entropy):
    weight: Tensor | None = None
    _: KW_ONLY
    ignore_index: int = -100
    reduction: str = "mean"
    label_smoothing: float = 0.0


@dataclass(eq=False, repr=False)
class NLLLoss(Applied, of=F.nll_loss):
    weight: Tensor | None = None
    _: KW_ONLY
    ignore_index: int = -100
    reduction: str = "mean"


@dataclass(eq=False, repr=False)
class BCELoss(Applied, of=F.binary_cross_entropy):
    weight: Tensor | None = None
    _: KW_ONLY
    reduction: str = "mean"


@dataclass(eq=False, repr=False)
class BCEWithLogitsLoss(Applied, of=F.binary_cross_entropy_with_logits):
    weight: Tensor | None = None
    _: KW_ONLY
    reduction: str = "mean"
    pos_weight: Tensor | None = None


@dataclass(eq=False, repr=False)
class KLDivLoss(Applied, of=F.kl_div):
    _: KW_ONLY
    reduction: str = "mean"
    log_target: bool = False


@dataclass(eq=False, repr=False)
class HingeEmbeddingLoss(Applied, of=F.hinge_embedding_loss):
    margin: float = 1.0
    _: KW_ONLY
    reduction: str = "mean"


@dataclass(eq=False, repr=False)
class MarginRankingLoss(Applied, of=F.margin_ranking_loss):
    margin: float = 0.0
    _: KW_ONLY
    reduction: str = "mean"


@dataclass(eq=False, repr=False)
class CosineSimilarity(Applied, of=F.cosine_similarity):
    dim: int = 1
    eps: float = 1e-8
