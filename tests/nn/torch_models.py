"""Models as users write them, for tests of the compiler."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


class Mlp(nn.Module):
    """Sizes that no mesh divides evenly; every activation function."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(10, 17), nn.ReLU(), nn.Linear(17, 9), nn.GELU(), nn.Linear(9, 5), nn.Tanh(),
            nn.Linear(5, 6), nn.Sigmoid(), nn.Linear(6, 4), nn.SiLU(), nn.Linear(4, 3),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x.flatten(1))


class Residual(nn.Module):
    """One linear layer a branch: the sum needs a move from one axis to the other."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(7, 7)
        self.b = nn.Linear(7, 7)
        self.scale = nn.Parameter(torch.rand(7))
        self.norm = nn.LayerNorm(7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + torch.relu(self.a(x))
        return self.norm(x * self.scale - 0.5 * self.b(x).tanh() + 1)


def rotate_half(x: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((-second, first), -1)


class RmsNorm(nn.Module):
    """Written by hand."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


class LlamaBlock(nn.Module):
    """Grouped heads, rotary embedding, gated MLP."""

    def __init__(
        self, width: int, heads: int, kv_heads: int, hidden: int, *, head_norm: bool = False
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.dim = heads, kv_heads, width // heads
        self.norm1, self.norm2 = RmsNorm(width), nn.RMSNorm(width, eps=1e-6)
        self.q = nn.Linear(width, width, bias=head_norm)
        self.k = nn.Linear(width, kv_heads * self.dim, bias=head_norm)
        self.v = nn.Linear(width, kv_heads * self.dim, bias=head_norm)
        self.o = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.q_norm = nn.RMSNorm(self.dim) if head_norm else nn.Identity()
        self.k_norm = nn.RMSNorm(self.dim) if head_norm else nn.Identity()

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        batch, seq, width = x.shape
        y = self.norm1(x)
        q = self.q_norm(self.q(y).view(batch, seq, self.heads, self.dim)).transpose(1, 2)
        k = self.k_norm(self.k(y).view(batch, seq, self.kv_heads, self.dim)).transpose(1, 2)
        v = self.v(y).view(batch, seq, self.kv_heads, self.dim).transpose(1, 2)
        q, k = (z * cos + rotate_half(z) * sin for z in (q, k))
        share = self.heads // self.kv_heads
        k, v = (z.repeat_interleave(share, 1) for z in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(batch, seq, width))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    """Logits of a small model with tied embeddings."""

    def __init__(
        self, vocabulary: int = 19, width: int = 12, heads: int = 3, kv_heads: int = 3, hidden: int = 10,
        layers: int = 1, *, head_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        blocks = (LlamaBlock(width, heads, kv_heads, hidden, head_norm=head_norm) for _ in range(layers))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embed.weight
        half = width // heads // 2
        self.register_buffer("frequencies", 10000.0 ** -(torch.arange(half) / half))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        angles = torch.arange(ids.shape[1])[:, None] * self.frequencies
        angles = torch.cat((angles, angles), -1)
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, angles.cos(), angles.sin())
        return self.head(self.norm(x))


class GptBlock(nn.Module):
    """Fused projection, biases, attention written out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.fc = nn.Linear(width, 4 * width)
        self.proj = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, seq, width = x.shape
        parts = self.qkv(self.norm1(x)).split(width, 2)
        q, k, v = (p.view(batch, seq, self.heads, width // self.heads).transpose(1, 2) for p in parts)
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(torch.tril(torch.ones(seq, seq)) == 0, float("-inf"))
        y = F.softmax(scores, -1) @ v
        x = x + self.out(y.transpose(1, 2).contiguous().view(batch, seq, width))
        return x + self.proj(F.gelu(self.fc(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """Learned positions, LayerNorm, an output layer of its own."""

    def __init__(self, vocabulary: int = 13, width: int = 8, heads: int = 2, positions: int = 16) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.block = GptBlock(width, heads)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.block(x)))


def next_token_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1))
