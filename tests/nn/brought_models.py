"""Models as people bring them: written for PyTorch alone, in the ways that are common."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Tensor = torch.Tensor


class Classifier(nn.Module):
    """The first tutorial: flattened pictures, dropout, logarithms of probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 48), nn.Linear(48, 32), nn.Linear(32, 10)
        self.dropout = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.fc1(self.flatten(x)), inplace=True)
        x = F.relu(self.fc2(self.dropout(x)))
        return F.log_softmax(self.fc3(x), dim=1)


class ResidualMlp(nn.Module):
    """Regression to one number."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.inner = nn.Linear(13, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
            )
            for _ in range(2)
        )
        self.gain = nn.Parameter(torch.tensor(0.7))
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x)
        for block in self.blocks:
            x = x + self.gain * block(x)
        return self.out(x).squeeze(-1)


class MixerBlock(nn.Module):
    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(tokens, 8), nn.GELU(), nn.Linear(8, tokens))
        self.channels = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """Patches of pictures; linear layers along the tokens; a mean over them."""

    def __init__(self, patch: int = 2, size: int = 8, width: int = 16) -> None:
        super().__init__()
        self.patch = patch
        tokens = (size // patch) ** 2
        self.embed = nn.Linear(patch * patch, width)
        self.blocks = nn.Sequential(*(MixerBlock(tokens, width) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        p = self.patch
        x = x.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * p * p)
        return self.head(self.norm(self.blocks(self.embed(x))).mean(dim=1))


class CausalSelfAttention(nn.Module):
    """nanoGPT's, with and without the fused operator."""

    def __init__(self, width: int, heads: int, block_size: int, *, flash: bool) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.width, self.flash = heads, width, flash
        mask = torch.tril(torch.ones(block_size, block_size)).view(1, 1, block_size, block_size)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.size()
        q, k, v = self.c_attn(x).split(self.width, dim=2)
        q, k, v = (z.view(b, t, self.heads, c // self.heads).transpose(1, 2) for z in (q, k, v))
        if self.flash:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            scores = scores.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf"))
            y = F.softmax(scores, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c))


class NanoGpt(nn.Module):
    """Tied weights, learned positions; logits of the last token, or a loss."""

    def __init__(self, vocabulary: int = 29, width: int = 16, *, flash: bool = True) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(16, width)
        self.drop = nn.Dropout(0.0)
        self.ln_1, self.attn = nn.LayerNorm(width), CausalSelfAttention(width, 4, 16, flash=flash)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.wte.weight = self.lm_head.weight

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        x = x + self.attn(self.ln_1(x))
        x = self.ln_f(x + self.mlp(self.ln_2(x)))
        if targets is None:
            return self.lm_head(x[:, [-1], :]), None
        logits = self.lm_head(x)
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss


class Head(nn.Module):
    """One head as a module of its own."""

    def __init__(self, width: int, size: int, block_size: int) -> None:
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(width, size, bias=False) for _ in range(3))
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))

    def forward(self, x: Tensor) -> Tensor:
        t = x.shape[1]
        k, q = self.key(x), self.query(x)
        weights = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        weights = weights.masked_fill(self.tril[:t, :t] == 0, float("-inf"))
        return F.softmax(weights, dim=-1) @ self.value(x)


class LectureGpt(nn.Module):
    """Heads side by side, put together by `cat`."""

    def __init__(self, vocabulary: int = 29, width: int = 16, heads: int = 4) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(16, width)
        self.heads = nn.ModuleList(Head(width, width // heads, 16) for _ in range(heads))
        self.proj = nn.Linear(width, width)
        self.ff = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(inplace=True), nn.Linear(2 * width, width)
        )
        self.ln1, self.ln2, self.head = nn.LayerNorm(width), nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def forward(self, idx: Tensor) -> Tensor:
        x = self.tokens(idx) + self.positions(torch.arange(idx.shape[1]))
        y = self.ln1(x)
        x = x + self.proj(torch.cat([h(y) for h in self.heads], dim=-1))
        return self.head(x + self.ff(self.ln2(x)))


class MetaNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        x32 = x.float()
        return (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + 1e-5)).type_as(x) * self.weight


def turn_complex(x: Tensor, angles: Tensor) -> Tensor:
    """Meta's Llama: pairs of neighbours as complex numbers."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    freqs = torch.polar(torch.ones_like(angles), angles).view(1, x.shape[1], 1, -1)
    return torch.view_as_real(pairs * freqs).flatten(3).type_as(x)


def turn_real(x: Tensor, angles: Tensor) -> Tensor:
    """The same with real numbers."""
    re, im = x.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
    cos, sin = (f(angles).view(1, x.shape[1], 1, -1) for f in (torch.cos, torch.sin))
    return torch.stack([re * cos - im * sin, re * sin + im * cos], dim=-1).flatten(3).type_as(x)


def turn_strided(x: Tensor, angles: Tensor) -> Tensor:
    """The same with slices in steps of two; sums in another order."""
    re, im = x[..., ::2], x[..., 1::2]
    cos, sin = angles.cos()[:, None, :], angles.sin()[:, None, :]
    return torch.stack((re * cos - im * sin, im * cos + re * sin), dim=-1).flatten(-2)


def turn_halves(x: Tensor, angles: Tensor) -> Tensor:
    """The halves of a head, one by one."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos()[:, None, :], angles.sin()[:, None, :]
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


TURNS = {"complex": turn_complex, "real": turn_real, "strided": turn_strided, "halves": turn_halves}


class MetaBlock(nn.Module):
    def __init__(self, width: int, heads: int, kv_heads: int, turn: str) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.dim, self.turn = heads, kv_heads, width // heads, TURNS[turn]
        self.wq = nn.Linear(width, heads * self.dim, bias=False)
        self.wk, self.wv = (nn.Linear(width, kv_heads * self.dim, bias=False) for _ in range(2))
        self.wo = nn.Linear(heads * self.dim, width, bias=False)
        self.w1, self.w3 = (nn.Linear(width, 24, bias=False) for _ in range(2))
        self.w2 = nn.Linear(24, width, bias=False)
        self.attention_norm, self.ffn_norm = MetaNorm(width), MetaNorm(width)

    def repeat(self, x: Tensor) -> Tensor:
        b, s, heads, dim = x.shape
        share = self.heads // self.kv_heads
        return x[:, :, :, None, :].expand(b, s, heads, share, dim).reshape(b, s, heads * share, dim)

    def forward(self, x: Tensor, angles: Tensor, mask: Tensor | None) -> Tensor:
        b, s, _ = x.shape
        y = self.attention_norm(x)
        q = self.turn(self.wq(y).view(b, s, self.heads, self.dim), angles)
        k = self.turn(self.wk(y).view(b, s, self.kv_heads, self.dim), angles)
        v = self.wv(y).view(b, s, self.kv_heads, self.dim)
        q, k, v = (z.transpose(1, 2) for z in (q, self.repeat(k), self.repeat(v)))
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(self.dim)
        if mask is not None:
            scores = scores + mask
        y = torch.matmul(F.softmax(scores.float(), dim=-1).type_as(q), v)
        x = x + self.wo(y.transpose(1, 2).contiguous().view(b, s, -1))
        y = self.ffn_norm(x)
        return x + self.w2(F.silu(self.w1(y)) * self.w3(y))


class MetaLlama(nn.Module):
    """A mask made in `forward`, tables that are no buffers."""

    def __init__(self, turn: str, vocabulary: int = 29, width: int = 16) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList([MetaBlock(width, 4, 2, turn)])
        self.norm, self.output = MetaNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.angles = torch.outer(torch.arange(32), 10000.0 ** -(torch.arange(0, 4, 2) / 4))

    def forward(self, tokens: Tensor) -> Tensor:
        s = tokens.shape[1]
        mask = torch.triu(torch.full((s, s), float("-inf")), diagonal=1) if s > 1 else None
        h = self.tok_embeddings(tokens)
        for layer in self.layers:
            h = layer(h, self.angles[:s], mask)
        return self.output(self.norm(h)).float()


class Attending(nn.Module):
    """`nn.MultiheadAttention`, whose weights nobody reads."""

    def __init__(self, *, is_causal: bool) -> None:
        super().__init__()
        self.is_causal = is_causal
        self.norm, self.out = nn.LayerNorm(24), nn.Linear(24, 5)
        self.attention = nn.MultiheadAttention(24, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.size(1)) if self.is_causal else None
        found, _ = self.attention(y, y, y, attn_mask=mask, need_weights=not self.is_causal)
        return self.out(x + found)


class Encoder(nn.Module):
    """`nn.TransformerEncoder`; the class is read from the first token."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.embed = nn.Embedding(29, 24)
        layer = nn.TransformerEncoderLayer(24, 3, 48, dropout=0.0, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(24, 4)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(ids) * math.sqrt(24))[:, 0])


class Vit(nn.Module):
    """A token of its own for the class, in front of the patches."""

    def __init__(self) -> None:
        super().__init__()
        self.proj, self.head = nn.Linear(4, 24), nn.Linear(24, 10)
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, 24)), nn.Parameter(torch.randn(1, 17, 24))
        self.block = nn.TransformerEncoderLayer(24, 3, 48, 0.0, "gelu", batch_first=True, norm_first=True)

    def forward(self, x: Tensor) -> Tensor:
        b = x.shape[0]
        x = self.proj(x.reshape(b, 4, 2, 4, 2).transpose(2, 3).reshape(b, 16, 4))
        x = torch.cat((self.cls.expand(b, -1, -1), x), 1) + self.pos
        return self.head(self.block(x)[:, 0])


class WideAndDeep(nn.Module):
    """Three inputs put together, two results by name."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.user = nn.Linear(8, 16), nn.Linear(6, 16), nn.Embedding(11, 4)
        self.mix, self.value, self.logits = nn.Linear(36, 8), nn.Linear(8, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor, y: Tensor, user: Tensor) -> dict[str, Tensor]:
        z = torch.cat([F.relu(self.a(x)), torch.tanh(self.b(y)), self.user(user)], dim=-1)
        z = F.silu(self.mix(z))
        return {"value": self.value(z), "logits": self.logits(z)}


class Functions(nn.Module):
    """Functions that are made of others, and parameters that are one number or one a token."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(9, 9), nn.Linear(9, 9), nn.Linear(9, 9)
        self.shift, self.slope = nn.Parameter(torch.rand(5, 1)), nn.Parameter(torch.tensor([0.2]))

    def forward(self, x: Tensor) -> Tensor:
        y, z = self.a(x) + self.shift, self.b(x) * self.slope
        y = F.mish(y) * F.hardswish(z) + F.elu(y) / (2 + torch.exp(z)) + torch.maximum(y, z) ** 3
        y = y - F.logsigmoid(z) + F.leaky_relu(y, 0.1) + F.hardtanh(z) + abs(y) + F.softplus(z)
        return torch.softmax(self.c(y), -1) + x.clamp(min=0).minimum(z)


class TiedAutoencoder(nn.Module):
    """One weight, used both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(7, 13) / 4)
        self.inner, self.outer = nn.Parameter(torch.zeros(7)), nn.Parameter(torch.zeros(13))

    def forward(self, x: Tensor) -> Tensor:
        code = torch.relu(F.linear(x, self.weight, self.inner))
        return code @ self.weight + self.outer


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(29, 16), nn.LSTM(16, 24, batch_first=True)

    def forward(self, ids: Tensor) -> Tensor:
        return self.lstm(self.embed(ids))[0]


class Cells(nn.Module):
    """A recurrent layer written as a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cell = nn.Embedding(29, 16), nn.LSTMCell(16, 24)

    def forward(self, ids: Tensor) -> Tensor:
        x, states = self.embed(ids), None
        for i in range(ids.shape[1]):
            states = self.cell(x[:, i], states)
        assert states is not None
        return states[0]


class SquaredRelu(nn.Module):
    """relu² in the middle, a table with a row for padding that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(29, 9, padding_idx=3)
        self.up, self.down = nn.Linear(9, 13), nn.Linear(13, 5)

    def forward(self, ids: Tensor) -> Tensor:
        return self.down(F.relu(self.up(self.table(ids))) ** 2)
