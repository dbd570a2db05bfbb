"""The released network, plainly: one PyTorch module for each part, nothing folded, cached or sorted.

It is what the fast forms are held against, in tests and in benchmarks: what anyone would write from the paper and the shapes of a
released checkpoint, whose names its ``state_dict`` has.  Tensors have a leading axis of one slide.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    """Widths and counts; ``rows`` is the length of the tables of positions, the largest slide."""

    genes: int = 11
    features: int = 24
    latent: int = 6
    codes: int = 3
    experts: int = 4
    active: int = 2
    vae_width: int = 16
    expert_width: int = 12
    feedforward: int = 20
    context_heads: int = 3
    vae_heads: int = 2
    expert_heads: int = 4
    cancer_heads: int = 2
    mixer: bool = False
    rows: int = 140


RELEASED = Sizes(
    genes=1386,
    features=1536,
    latent=128,
    codes=29,
    experts=6,
    active=2,
    vae_width=512,
    expert_width=256,
    feedforward=2048,
    context_heads=12,
    vae_heads=4,
    expert_heads=4,
    cancer_heads=4,
    rows=21_000,
)
"""The released network at its own size."""

GATE_NOISE = 0.01


def layer(width: int, heads: int, feedforward: int) -> nn.TransformerEncoderLayer:
    """Post-norm layer with exact GELU."""
    return nn.TransformerEncoderLayer(width, heads, feedforward, 0.1, activation="gelu", batch_first=True)


def stack(width: int, heads: int, feedforward: int) -> nn.TransformerEncoder:
    """An encoder of one layer."""
    return nn.TransformerEncoder(layer(width, heads, feedforward), 1, enable_nested_tensor=False)


class Positions(nn.Module):
    """Adds row i of a table to patch i: sine and cosine of i / 10000^(2c/width) by turns."""

    def __init__(self, width: int, rows: int) -> None:
        super().__init__()
        column = torch.arange(width)
        exponent = (column - column % 2).double() / width
        angle = torch.arange(rows)[:, None] / 10_000**exponent
        table = torch.where(column % 2 == 1, angle.cos(), angle.sin())
        self.register_buffer("pe", table.float()[:, None])
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(1, P, width) -> (1, P, width)."""
        return self.drop(x + self.pe[: x.shape[1], 0])


class PlainVAE(nn.Module):
    """Gene VAE."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.vae_width
        self.gene_input_proj = nn.Linear(sizes.genes, width)
        self.input_norm = nn.LayerNorm(width)
        self.pos_encoder = Positions(width, sizes.rows)
        self.transformer_encoder = stack(width, sizes.vae_heads, sizes.feedforward)
        self.latent_head = nn.Linear(width, 2 * sizes.latent)
        self.latent_norm = nn.LayerNorm(sizes.latent)
        self.decoder = nn.Sequential(
            nn.Linear(sizes.latent, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, 2 * width),
            nn.LayerNorm(2 * width),
            nn.GELU(),
            nn.Linear(2 * width, sizes.genes),
            nn.GELU(),
        )

    def encode(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(1, P, G) twice -> (1, P, L) twice."""
        tokens = self.pos_encoder(self.input_norm(self.gene_input_proj(x * mask)))
        empty = mask.sum(dim=2) == 0
        mean, logvar = self.latent_head(self.transformer_encoder(tokens, src_key_padding_mask=empty)).chunk(2, dim=2)
        return self.latent_norm(mean), logvar


class Conditioner(nn.Module):
    """Patches ask, the one token of the cancer code answers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, patches: Tensor, token: Tensor) -> Tensor:
        """(1, P, D) and (1, 1, D) -> (1, P, D)."""
        return self.norm(patches + self.attention(patches, token, token)[0])


class PlainExpert(nn.Module):
    """Each patch is a sequence of its own."""

    def __init__(self, joined: int, sizes: Sizes) -> None:
        super().__init__()
        self.input_proj = nn.Linear(joined, sizes.expert_width)
        self.input_norm = nn.LayerNorm(sizes.expert_width)
        self.transformer = stack(sizes.expert_width, sizes.expert_heads, sizes.feedforward)
        self.output_proj = nn.Linear(sizes.expert_width, sizes.latent)

    def forward(self, x: Tensor) -> Tensor:
        """(P, joined) -> (P, L)."""
        hidden = self.input_norm(self.input_proj(x))
        return self.output_proj(self.transformer(hidden[:, None])[:, 0])


class Gating(nn.Module):
    """Linear gate."""

    def __init__(self, joined: int, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(joined, experts)


class PlainMixture(nn.Module):
    """Each expert works on the patches that a mask picks for it."""

    def __init__(self, joined: int, sizes: Sizes) -> None:
        super().__init__()
        self.active = sizes.active
        self.experts = nn.ModuleList(PlainExpert(joined, sizes) for _ in range(sizes.experts))
        self.gating = Gating(joined, sizes.experts)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(P, joined) -> velocity (P, L), logits (P, E)."""
        logits = self.gating.linear(x)
        if self.training:
            logits = logits + GATE_NOISE * torch.randn_like(logits)
        kept, chosen = logits.topk(self.active, dim=1)
        weights = kept.softmax(dim=1)
        result = torch.zeros(len(x), self.experts[0].output_proj.out_features)
        for number, expert in enumerate(self.experts):
            mine = (chosen == number).any(dim=1)
            if mine.any():
                share = torch.where(chosen == number, weights, 0.0).sum(dim=1)
                result[mine] += share[mine, None] * expert(x[mine])
        return result, logits


class PlainMixer(nn.Module):
    """The control: one attention layer across patches."""

    def __init__(self, joined: int, sizes: Sizes) -> None:
        super().__init__()
        self.input_proj = nn.Linear(joined, sizes.expert_width)
        self.input_norm = nn.LayerNorm(sizes.expert_width)
        self.attn_layer = layer(sizes.expert_width, sizes.expert_heads, sizes.feedforward)
        self.output_proj = nn.Linear(sizes.expert_width, sizes.latent)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(P, joined) -> velocity (P, L)."""
        return self.output_proj(self.attn_layer(self.input_norm(self.input_proj(x))[None])[0]), None


class PlainModel(nn.Module):
    """VAE and velocity field."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        joined = sizes.latent + 1 + sizes.features
        self.unconditional_embedding = nn.Parameter(torch.zeros(1, 1, sizes.features))
        self.spatial_pos_encoder = Positions(sizes.features, sizes.rows)
        self.spatial_transformer = stack(sizes.features, sizes.context_heads, sizes.feedforward)
        self.gene_autoencoder = PlainVAE(sizes)
        self.onco_embedder = nn.Linear(sizes.codes, sizes.features)
        self.conditioner = Conditioner(sizes.features, sizes.cancer_heads)
        self.velocity_input_norm = nn.LayerNorm(joined)
        self.velocity_predictor = PlainMixer(joined, sizes) if sizes.mixer else PlainMixture(joined, sizes)

    def context(self, features: Tensor, onehot: Tensor) -> Tensor:
        """(1, P, D) and (1, 1, K) -> (1, P, D)."""
        local = self.spatial_transformer(self.spatial_pos_encoder(features))
        return self.conditioner(local, self.onco_embedder(onehot))

    def velocity(self, z: Tensor, t: float, features: Tensor, onehot: Tensor) -> tuple[Tensor, Tensor | None]:
        """(1, P, L) -> velocity (1, P, L), and gate logits (P, E) where there are experts."""
        time = torch.full((*z.shape[:2], 1), t)
        joined = self.velocity_input_norm(torch.cat([z, time, self.context(features, onehot)], dim=2))
        value, logits = self.velocity_predictor(joined[0])
        return value[None], logits

    def without_image(self, features: Tensor) -> Tensor:
        """What the unconditional branch gets in place of the features."""
        return self.unconditional_embedding.expand_as(features)

    def sample(self, z: Tensor, features: Tensor, onehot: Tensor, scale: float, steps: int) -> Tensor:
        """End of ``steps`` guided Euler steps from ``z``, everything computed anew in each."""
        for step in range(steps):
            towards, _ = self.velocity(z, step / steps, features, onehot)
            away, _ = self.velocity(z, step / steps, self.without_image(features), onehot)
            z = z + (away + scale * (towards - away)) / steps
        return z


def training_loss(model: PlainModel, features: Tensor, expression: Tensor, mask: Tensor, onehot: Tensor) -> Tensor:
    """Flow, gene and balance loss of one slide; the VAE is frozen."""
    vae = model.gene_autoencoder
    with torch.no_grad():
        mean, logvar = vae.encode(expression, mask)
        z1 = mean + (logvar / 2).exp() * torch.randn_like(mean)
    z0 = torch.randn_like(z1) * z1.std()
    t = float(torch.rand(()))
    z = (1 - t) * z0 + t * z1
    seen = z + 0.001 * torch.randn_like(z)
    shown = model.without_image(features) if torch.rand(()) < 0.1 else features
    value, logits = model.velocity(seen, t, shown, onehot)
    decoded = vae.decoder(z + (1 - t) * value)
    flow = (value - (z1 - z0)).square().mean()
    gene = ((decoded - expression).square() * mask).sum() / mask.sum()
    if logits is None:
        return flow + gene
    experts = logits.shape[1]
    chosen = logits.topk(model.velocity_predictor.active, dim=1).indices
    share = nn.functional.one_hot(chosen, experts).sum(dim=1).float().mean(dim=0)
    return flow + gene + experts * (logits.softmax(dim=1).mean(dim=0) * share).sum()
