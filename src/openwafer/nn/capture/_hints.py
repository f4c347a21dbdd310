"""What to do about operators that users have and the wafer has not."""

from __future__ import annotations

from collections.abc import Iterable

from openwafer.diag import suggest

RECURRENT = "single cells are not supported; `torch.nn.LSTM`, `GRU` and `RNN` are, for short sequences"
CONVOLUTION = "convolutions in one group, of one and two dimensions, are supported"
POOLING = "`max_pool2d`, `avg_pool2d`, and `x.mean(dim)` over tokens are supported"
BATCH = "in training the nearest is `torch.nn.LayerNorm`"
DYNAMIC = "what depends on values is decided on the host: return the tensor, and do this with the result"
COMPARING = (
    "numbers are not compared on the wafer: masks of constants are computed by the compiler, those of inputs "
    "can be made on the host and multiplied"
)
RANDOM = (
    "the wafer draws no random numbers but those of dropout: make them on the host and give them as an input"
)

HINTS: dict[str, str] = {
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), RECURRENT),
    **dict.fromkeys(("conv3d", "convolution", "conv_transpose1d", "conv_transpose2d"), CONVOLUTION),
    **dict.fromkeys(("max_pool3d", "avg_pool3d", "adaptive_max_pool2d", "max_pool2d_with_indices"), POOLING),
    **dict.fromkeys(("batch_norm", "instance_norm", "_native_batch_norm_legit"), BATCH),
    **dict.fromkeys(
        (
            "argmax",
            "argmin",
            "topk",
            "sort",
            "argsort",
            "multinomial",
            "nonzero",
            "max",
            "min",
            "unique",
            "item",
        ),
        DYNAMIC,
    ),
    **dict.fromkeys(("rand", "randn", "rand_like", "randn_like", "bernoulli", "normal"), RANDOM),
    **dict.fromkeys(("eq", "ne", "gt", "ge", "lt", "le", "logical_not", "logical_and"), COMPARING),
    **dict.fromkeys(("amax", "amin", "max", "min"), "`mean` and `sum` over tokens or features are supported"),
    **dict.fromkeys(("sin", "cos"), "sines and cosines of constants are computed by the compiler"),
    "_weight_norm": "`torch.nn.utils.parametrize.remove_parametrizations` makes it a weight",
    "embedding_bag": "`torch.nn.Embedding` and `mean(1)` are the same",
    "linalg_vector_norm": "`x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)` is the same",
    "group_norm": "`torch.nn.LayerNorm` over the last dimension is supported",
}
"""By the first part of the operator's name."""


def hint(name: str, known: Iterable[str]) -> str:
    """What is nearest to the operator `name`, of those known (both with their overloads)."""
    base = name.split(".")[0]
    known = set(known)
    overloads = sorted(k for k in known if k.split(".")[0] == base)
    if overloads:
        return f"supported: {', '.join(f'`{o}`' for o in overloads)}"
    if base in HINTS:
        return HINTS[base]
    names = sorted({k.split(".")[0] for k in known})
    return suggest(base, names) or "docs/operators.md lists what is supported"
