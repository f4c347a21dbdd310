"""The operators of the graph, by name: placement, instructions, gradient."""

from openwafer.nn.ops._attention import Attention, AttentionGrad, Rope, RopeAt, RopeGrad, RopeTables
from openwafer.nn.ops._convolution import Fold, MaxPool, MaxPoolGrad, MeanPool, MeanPoolGrad, Unfold
from openwafer.nn.ops._copy_features import CopyFeatures
from openwafer.nn.ops._dropout import Dropout
from openwafer.nn.ops._elementwise import (
    Add,
    Affine,
    Bias,
    BiasGrad,
    Mul,
    MulTable,
    Scale,
    ScaleGrad,
    Sub,
    Unary,
    UnaryGrad,
)
from openwafer.nn.ops._linear import Linear, LinearGradInput, LinearGradWeight
from openwafer.nn.ops._loss import CrossEntropy, MseLoss
from openwafer.nn.ops._mix import (
    MixTokens,
    MixTokensGradInput,
    MixTokensGradWeight,
    ScaleAll,
    ScaleAllGrad,
    TokenBias,
    TokenBiasGrad,
)
from openwafer.nn.ops._norm import LayerNorm, LayerNormGrad, RmsNorm, RmsNormGrad
from openwafer.nn.ops._number import Fill, Number, SpreadNumber, SumAll
from openwafer.nn.ops._operator import Operator
from openwafer.nn.ops._optimizer import AdamW, Sgd
from openwafer.nn.ops._softmax import LogSoftmax, LogSoftmaxGrad, Softmax, SoftmaxGrad
from openwafer.nn.ops._token_loss import Counted, ScaleTokens, TokenCrossEntropy
from openwafer.nn.ops._tokens import (
    ConstantIds,
    Embedding,
    EmbeddingGrad,
    JoinTokens,
    LastToken,
    Move,
    PutTokens,
    TakeTokens,
    TurnTokens,
)

_ALL: tuple[Operator, ...] = (
    Add(), Affine(), Attention(), AttentionGrad(), Bias(), BiasGrad(), ConstantIds(), CrossEntropy(),
    Embedding(), EmbeddingGrad(), LayerNorm(), LayerNormGrad(), Linear(), LinearGradInput(),
    LinearGradWeight(), Move(), MseLoss(), Mul(), MulTable(), PutTokens(), RmsNorm(), RmsNormGrad(), Rope(),
    RopeAt(), RopeGrad(), RopeTables(), LastToken(),
    LogSoftmax(), LogSoftmaxGrad(), Softmax(), SoftmaxGrad(), MixTokens(), MixTokensGradInput(),
    MixTokensGradWeight(), TokenBias(), TokenBiasGrad(), ScaleAll(), ScaleAllGrad(), CopyFeatures(),
    JoinTokens(), TurnTokens(), Unfold(), Fold(), MaxPool(), MaxPoolGrad(), MeanPool(), MeanPoolGrad(),
    Dropout(), Number(), Fill(), SumAll(), SpreadNumber(), TokenCrossEntropy(), ScaleTokens(), Counted(),
    Scale(), ScaleGrad(), Sgd(), AdamW(), Sub(), TakeTokens(), Unary(), UnaryGrad(),
)  # fmt: skip

OPERATORS: dict[str, Operator] = {operator.name: operator for operator in _ALL}

__all__ = ["OPERATORS", "Operator"]
