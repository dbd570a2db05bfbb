"""The released network, plainly: one PyTorch module for each part, nothing folded, cached or sorted.

It is what the fast forms are held against.  Its ``state_dict`` has the names of a released checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    """Widths and counts; the letters are those of the paper."""

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


def layer(width: int, heads: int, feedforward: int) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(width, heads, feedforward, 0.1, activation="gelu", batch_first=True)


def stack(width: int, heads: int, feedforward: int) -> nn.TransformerEncoder:
    return nn.TransformerEncoder(layer(width, heads, feedforward), 1, enable_nested_tensor=False)


class Positions(nn.Module):
    """Adds row i of a table to patch i: sine and cosine of i / 10000^(2c/width) by turns."""

    def __init__(self, width: int, rows: int = 140) -> None:
        super().__init__()

        def entry(row: int, column: int) -> float:
            angle = row / 10_000 ** ((column - column % 2) / width)
            return math.cos(angle) if column % 2 else math.sin(angle)

        table = [[entry(row, column) for column in range(width)] for row in range(rows)]
        self.register_buffer("pe", torch.tensor(table)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[: x.shape[1], 0]


class PlainVAE(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.vae_width
        self.gene_input_proj = nn.Linear(sizes.genes, width)
        self.input_norm = nn.LayerNorm(width)
        self.pos_encoder = Positions(width)
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
        hidden = self.input_norm(self.input_proj(x))
        return self.output_proj(self.transformer(hidden[:, None])[:, 0])


class Gating(nn.Module):
    def __init__(self, joined: int, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(joined, experts)


class PlainMixture(nn.Module):
    def __init__(self, joined: int, sizes: Sizes) -> None:
        super().__init__()
        self.active = sizes.active
        self.experts = nn.ModuleList(PlainExpert(joined, sizes) for _ in range(sizes.experts))
        self.gating = Gating(joined, sizes.experts)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(P, joined) -> velocity (P, L), logits (P, E)."""
        logits = self.gating.linear(x)
        kept, chosen = logits.topk(self.active, dim=1)
        weights = kept.softmax(dim=1)
        outputs = []
        for number, expert in enumerate(self.experts):
            mine = (chosen == number).any(dim=1)
            share = torch.where(chosen == number, weights, 0.0).sum(dim=1)
            output = torch.zeros(len(x), expert.output_proj.out_features)
            output[mine] = expert(x[mine]) if mine.any() else output[mine]
            outputs.append(share[:, None] * output)
        return torch.stack(outputs).sum(dim=0), logits


class PlainMixer(nn.Module):
    """The control: one attention layer across patches."""

    def __init__(self, joined: int, sizes: Sizes) -> None:
        super().__init__()
        self.input_proj = nn.Linear(joined, sizes.expert_width)
        self.input_norm = nn.LayerNorm(sizes.expert_width)
        self.attn_layer = layer(sizes.expert_width, sizes.expert_heads, sizes.feedforward)
        self.output_proj = nn.Linear(sizes.expert_width, sizes.latent)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.output_proj(self.attn_layer(self.input_norm(self.input_proj(x))[None])[0]), None


class PlainModel(nn.Module):
    """VAE and velocity field; tensors have a leading axis of one slide."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        joined = sizes.latent + 1 + sizes.features
        self.unconditional_embedding = nn.Parameter(torch.zeros(1, 1, sizes.features))
        self.spatial_pos_encoder = Positions(sizes.features)
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
        return self.unconditional_embedding.expand_as(features)

    def sample(self, z: Tensor, features: Tensor, onehot: Tensor, scale: float, steps: int) -> Tensor:
        """End of ``steps`` guided Euler steps from ``z``, everything computed anew in each."""
        for step in range(steps):
            towards, _ = self.velocity(z, step / steps, features, onehot)
            away, _ = self.velocity(z, step / steps, self.without_image(features), onehot)
            z = z + (away + scale * (towards - away)) / steps
        return z


def random_model(sizes: Sizes, seed: int = 0) -> PlainModel:
    """A model in which no weight, bias or norm is at its usual starting value."""
    torch.manual_seed(seed)
    model = PlainModel(sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


@dataclass(frozen=True)
class Inputs:
    """Random input of one slide, each with a leading axis of one."""

    features: Tensor
    expression: Tensor
    mask: Tensor
    onehot: Tensor
    z0: Tensor


def random_inputs(sizes: Sizes, patches: int, seed: int = 1, unmeasured: int = 0, empty: int = 0) -> Inputs:
    """``unmeasured`` genes are missing everywhere; the last ``empty`` patches have no gene at all."""
    torch.manual_seed(seed)
    mask = torch.ones(1, patches, sizes.genes)
    mask[:, :, :unmeasured] = 0
    mask[:, patches - empty :] = 0
    counts = torch.randint(0, 30, mask.shape).float()
    onehot = F.one_hot(torch.tensor([[int(torch.randint(sizes.codes, ()))]]), sizes.codes).float()
    return Inputs(
        torch.randn(1, patches, sizes.features),
        counts.log1p() * mask,
        mask,
        onehot,
        torch.randn(1, patches, sizes.latent),
    )


def outputs(model: PlainModel, given: Inputs) -> dict[str, Tensor]:
    """What the reference vectors hold of one case, under their names, without losses."""
    mean, logvar = model.gene_autoencoder.encode(given.expression, given.mask)
    decode = model.gene_autoencoder.decoder
    found = {
        "vae_mean": mean,
        "vae_logvar": logvar,
        "decoded_from_mean": decode(mean) * given.mask,
        "decoded_from_mean_unmasked": decode(mean),
    }
    for t in (0.0, 0.3, 0.9):
        towards, logits = model.velocity(given.z0, t, given.features, given.onehot)
        away, _ = model.velocity(given.z0, t, model.without_image(given.features), given.onehot)
        found |= {f"velocity_cond_t{t}": towards, f"velocity_uncond_t{t}": away}
        if logits is not None:
            found[f"gate_logits_t{t}"] = logits
    for scale in (1.0, 2.0, 3.5):
        for steps in (1, 2, 4):
            latent = model.sample(given.z0, given.features, given.onehot, scale, steps)
            found[f"sample_latent_w{scale}_steps{steps}"] = latent
            found[f"sample_genes_w{scale}_steps{steps}"] = decode(latent) * given.mask
    return found
