# SPDX-License-Identifier: BSD-3-Clause
"""The GPTs of bench/subjects/gpt.h in PyTorch, with explicit attention: pre-norm blocks, causal, GELU by tanh.

Fast where PyTorch lets one choose: one product for query, key and value, the scale on the queries instead of on the
scores, which are more, a mask that is made once.
"""

import torch
from torch import nn
from torch.nn import functional


def attend(q, k, v, hidden=None):
    """[batch, heads, tokens, size] each; hidden: True where a query must not see a key."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if hidden is not None:
        scores = scores.masked_fill(hidden, float("-inf"))
    return torch.softmax(scores, dim=-1) @ v


def multi_head(x, projections, heads, hidden=None):
    """x [batch, tokens, width] -> [batch, tokens, width]. projections: (weight, bias), three of width in one."""
    batch, tokens, width = x.shape
    qkv = functional.linear(x, *projections).view(batch, tokens, 3, heads, width // heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    return attend(q, k, v, hidden).transpose(1, 2).reshape(batch, tokens, width)


class Norm(nn.Module):
    """nn.LayerNorm, which has either no bias or no gain only in later versions."""

    def __init__(self, width, bias):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x):
        return functional.layer_norm(x, self.gain.shape, self.gain, self.bias, 1e-5)


class Block(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = Norm(width, bias), Norm(width, bias)
        self.projections = nn.Linear(width, 3 * width, bias=bias)
        self.end = nn.Linear(width, width, bias=bias)
        self.up = nn.Linear(width, 4 * width, bias=bias)
        self.down = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x, hidden):
        projections = (self.projections.weight, self.projections.bias)
        x = x + self.end(multi_head(self.norm1(x), projections, self.heads, hidden))
        return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    """sizes: those of workloads.py. tied: the matrix of the logits is the table of words, as in hl-bench step."""

    def __init__(self, sizes, tied=True):
        super().__init__()
        width, vocabulary, tokens, bias = (sizes[name] for name in ("width", "vocabulary", "tokens", "bias"))
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(tokens, width))
        self.blocks = nn.ModuleList(Block(width, sizes["heads"], bias) for _ in range(sizes["layers"]))
        self.norm = Norm(width, bias)
        self.logits = nn.Linear(width, vocabulary, bias=False)
        for weight in (self.words.weight, self.positions, self.logits.weight):
            nn.init.normal_(weight, std=0.02)
        if tied:
            self.logits.weight = self.words.weight
        hidden = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
        self.register_buffer("hidden", hidden, persistent=False)

    def forward(self, words, labels):
        """The mean cross-entropy over all positions."""
        x = self.words(words) + self.positions
        for block in self.blocks:
            x = block(x, self.hidden)
        logits = self.logits(self.norm(x))
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
