"""What each stage learns from the slides of one step: the losses, and the random draws that they use.

Draws are made for each slide alone, from a generator of its own; the losses are means within a slide.  How slides are put together in
steps, and steps shared among processes, changes neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Generator, Tensor, nn

from molf_engine.config import FlowConfig, VAEConfig
from molf_engine.flow.losses import balance_loss, flow_matching_loss, kl_divergence, masked_mse
from molf_engine.flow.path import draw_times, end_point, interpolate
from molf_engine.nn.linear_vae import LinearVAE
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField
from molf_engine.training.slides import Batch, TrainingSlide


class Losses(NamedTuple):
    """``total`` (B,), one loss for each slide, and what it consists of."""

    total: Tensor
    parts: dict[str, Tensor]


class VAEDraws(NamedTuple):
    """Of S spots: ``kept`` (S, G') bool, ``latent`` (S, L) normal, ``noise`` (S, L) normal."""

    kept: Tensor
    latent: Tensor
    noise: Tensor


class FlowDraws(NamedTuple):
    """Of S spots: ``target``, ``start``, ``path`` (S, L) normal; ``time`` (S,); ``hidden``, ``nameless`` (S,) bool; ``gate`` (S, E)."""

    target: Tensor
    start: Tensor
    path: Tensor
    time: Tensor
    hidden: Tensor
    nameless: Tensor
    gate: Tensor


Draws = VAEDraws | FlowDraws


def join_draws(draws: Sequence[Draws], device: torch.device) -> Draws:
    """Draws of several slides as those of one batch."""
    kind = type(draws[0])
    return kind(*(torch.cat(column).to(device) for column in zip(*draws, strict=True)))


def column_weights(vae: GeneVAE | LinearVAE, depth: bool, depth_weight: float) -> Tensor:
    """Weight of each column in the loss, (G',): 1 / sd squared where columns are standardised."""
    weights = vae.scale.square().reciprocal()
    if depth:
        weights = weights.clone()
        weights[-1] *= depth_weight * (len(weights) - 1)
    return weights


class VAEObjective(nn.Module):
    """Stage 1: reconstruct expression through the latent space (paper, eq. 3)."""

    def __init__(self, vae: GeneVAE, settings: VAEConfig, depth: bool) -> None:
        super().__init__()
        self.vae = vae
        self.settings = settings
        self.depth = depth

    def draw(self, slide: TrainingSlide, generator: Generator) -> VAEDraws:
        """Random numbers for one slide."""
        shape = (len(slide.targets), self.settings.latent)
        return VAEDraws(
            torch.rand(slide.targets.shape, generator=generator) >= self.settings.gene_dropout,
            torch.randn(shape, generator=generator),
            torch.randn(shape, generator=generator),
        )

    def forward(self, batch: Batch, draws: VAEDraws) -> Losses:
        """Losses of each slide."""
        mean, logvar = self.vae.encode(batch.targets, batch.measured * draws.kept, batch.positions, batch.lengths)
        latent = mean + (0.5 * logvar).exp() * draws.latent + self.settings.latent_noise * draws.noise
        decoded = self.vae.decode(latent).float()
        weight = column_weights(self.vae, self.depth, self.settings.depth_weight) * batch.measured
        rows = [part.split(batch.lengths) for part in (decoded, batch.targets, weight, mean.float(), logvar.float())]
        reconstruction, divergence = [], []
        for predicted, measured, weights, centre, spread in zip(*rows, strict=True):
            reconstruction.append(masked_mse(predicted, measured, weights))
            divergence.append(kl_divergence(centre, spread))
        parts = {"reconstruction": torch.stack(reconstruction), "kl": torch.stack(divergence)}
        return Losses(parts["reconstruction"] + self.settings.kl_weight * parts["kl"], parts)


class FlowObjective(nn.Module):
    """Stage 2: flow matching in the latent space of the frozen VAE (paper, eq. 6-8).

    Parameters
    ----------
    field : VelocityField
        What is trained.
    vae : GeneVAE or LinearVAE
        Frozen.
    settings : FlowConfig
        Of stage 2.
    depth, depth_weight
        See :func:`column_weights`.
    unknown : int
        Row of the code `Unknown`.
    """

    def __init__(
        self,
        field: VelocityField,
        vae: GeneVAE | LinearVAE,
        settings: FlowConfig,
        depth: bool,
        depth_weight: float,
        unknown: int,
    ) -> None:
        super().__init__()
        self.field = field
        self.vae = vae.requires_grad_(False)
        self.settings = settings
        self.depth = depth
        self.depth_weight = depth_weight
        self.unknown = unknown

    def train(self, mode: bool = True) -> Self:
        """Switch the field; the VAE's dropout would blur the targets, and stays off unless asked for."""
        super().train(mode)
        self.vae.train(mode and self.settings.vae_dropout)
        return self

    def draw(self, slide: TrainingSlide, generator: Generator) -> FlowDraws:
        """Random numbers for one slide."""
        settings, count = self.settings, len(slide.features)
        shape = (count, self.field.latent)
        alone = settings.guidance_dropout == "patch-context"
        return FlowDraws(
            torch.randn(shape, generator=generator),
            torch.randn(shape, generator=generator),
            torch.randn(shape, generator=generator),
            draw_times(
                count,
                per_patch=settings.per_patch_time,
                zero_share=settings.zero_time_share,
                generator=generator,
            ),
            (torch.rand(count if alone else 1, generator=generator) < settings.guidance_dropout_rate).expand(count),
            (torch.rand(1, generator=generator) < settings.code_dropout_rate).expand(count),
            torch.randn(count, settings.experts if self.field.gate is not None else 0, generator=generator),
        )

    def forward(self, batch: Batch, draws: FlowDraws) -> Losses:
        """Losses of each slide."""
        settings, lengths = self.settings, batch.lengths
        with torch.no_grad():
            mean, logvar = self.vae.encode(batch.targets, batch.measured, batch.positions, lengths)
            z1 = mean.float() + (0.5 * logvar.float()).exp() * draws.target
        z0 = self._start(z1, draws.start, lengths)
        codes = torch.where(draws.nameless, self.unknown, batch.codes)
        context = self.field.context(batch.features, batch.positions, codes, draws.hidden, lengths)
        z = interpolate(z0, z1, draws.time)
        seen = z + settings.path_noise * draws.path if settings.path_noise else z
        noise = draws.gate if self.field.gate is not None else None
        velocity = self.field(seen, draws.time, context, noise, lengths)
        value = velocity.value.float()
        decoded = self.vae.decode(end_point(z, value, draws.time)).float()
        weight = column_weights(self.vae, self.depth, self.depth_weight) * batch.measured

        rows = [part.split(lengths) for part in (value, z0, z1, decoded, batch.targets, weight)]
        flow, gene = [], []
        for moved, start, end, predicted, measured, weights in zip(*rows, strict=True):
            flow.append(flow_matching_loss(moved, start, end))
            gene.append(masked_mse(predicted, measured, weights))
        parts = {"flow": torch.stack(flow), "gene": torch.stack(gene)}
        total = parts["flow"] + settings.gene_weight * parts["gene"]
        if velocity.routing is not None:
            routed = zip(velocity.routing.logits.split(lengths), velocity.routing.chosen.split(lengths), strict=True)
            parts["balance"] = torch.stack(
                [balance_loss(logits, chosen, settings.balance) for logits, chosen in routed]
            )
            total = total + settings.balance_weight * parts["balance"]
        return Losses(total, parts)

    def _start(self, z1: Tensor, noise: Tensor, lengths: Sequence[int]) -> Tensor:
        if self.settings.source == "unit":
            return noise
        pairs = zip(noise.split(list(lengths)), z1.split(list(lengths)), strict=True)
        return torch.cat([part * ends.std() for part, ends in pairs])
