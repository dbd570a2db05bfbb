"""The two stages: what is trained, and how it is judged on held-out slides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from molf_engine.bundle.networks import build_vae, build_velocity
from molf_engine.config import RunConfig
from molf_engine.flow.losses import balance_loss, flow_matching_loss, masked_mse
from molf_engine.flow.path import end_point, interpolate
from molf_engine.nn.linear_vae import LinearVAE
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField
from molf_engine.training.feeding import in_order
from molf_engine.training.loop import Record, Stage
from molf_engine.training.objectives import FlowObjective, VAEObjective, column_weights
from molf_engine.training.slides import TrainingSlide, column_statistics, key_of

SMALLEST_SD = 0.1
"""Floor of the unit in which a column is learned: a gene seen in one spot must not outweigh all others."""

VALIDATION_TIMES = (0.0, 0.25, 0.5, 0.75)

Autoencoder = GeneVAE | LinearVAE


def fresh_vae(config: RunConfig, slides: Sequence[TrainingSlide]) -> Autoencoder:
    """Gene VAE for the columns of ``slides``, in units of their training mean and sd; principal components are ready for use."""
    columns = slides[0].targets.shape[1]
    torch.manual_seed(config.training.seed)
    vae = build_vae(config.vae, columns, config.flow.position)
    if config.vae.standardise or isinstance(vae, LinearVAE):
        mean, sd = column_statistics(slides)
        vae.centre.copy_(torch.from_numpy(mean))
        vae.scale.copy_(torch.from_numpy(sd.clip(min=SMALLEST_SD)))
    vae.to(slides[0].targets.device)
    if isinstance(vae, LinearVAE):
        weight = column_weights(vae, learns_depth(config), config.vae.depth_weight) * vae.scale.square()
        vae.fit(((slide.targets, slide.measured) for slide in slides), weight)
    return vae


def fresh_velocity(config: RunConfig, features: int, codes: int, unknown: int) -> VelocityField:
    """Velocity field with weights drawn from the run's seed."""
    torch.manual_seed(config.training.seed + 1)
    return build_velocity(config.flow, config.vae.latent, features, codes, unknown)


def learns_depth(config: RunConfig) -> bool:
    """Whether the last column is the log of the total count."""
    return config.data.units == "log1p-cp10k"


def vae_stage(config: RunConfig, vae: GeneVAE, held_out: Sequence[TrainingSlide]) -> Stage:
    """Stage 1: reconstruct expression through the latent space (paper, eq. 3)."""
    settings, depth = config.vae, learns_depth(config)

    @torch.no_grad()
    def validate(module: nn.Module, epoch: int) -> Record:
        assert isinstance(module, GeneVAE)
        errors, ceilings = [], []
        for slide in in_order(held_out, range(len(held_out))):
            mean, _ = module.encode(slide.targets, slide.measured.expand_as(slide.targets), slide.positions)
            decoded = module.decode(mean)
            weight = column_weights(module, depth, settings.depth_weight) * slide.measured
            errors.append(masked_mse(decoded, slide.targets, weight))
            ceilings.append(mean_correlation(decoded, slide.targets, slide.measured))
        return {"loss": float(torch.stack(errors).mean()), "oracle": float(torch.stack(ceilings).mean())}

    objective = VAEObjective(vae, settings, depth)
    groups = [(list(vae.parameters()), config.training.vae.learning_rate)]
    return Stage("vae", vae, objective, groups, validate)


def flow_stage(
    config: RunConfig, field: VelocityField, vae: Autoencoder, held_out: Sequence[TrainingSlide], unknown: int
) -> Stage:
    """Stage 2: flow matching in the latent space of the frozen VAE (paper, eq. 6-8)."""
    settings, training, depth = config.flow, config.training, learns_depth(config)
    vae = vae.eval()

    @torch.no_grad()
    def validate(module: nn.Module, epoch: int) -> Record:
        assert isinstance(module, VelocityField)
        records = []
        for slide in in_order(held_out, range(len(held_out))):
            z1, _ = vae.encode(slide.targets, slide.measured.expand_as(slide.targets), slide.positions)
            z0, times = _validation_draws(training.seed, training.validation, slide.id, epoch, z1)
            if settings.source == "matched":
                z0 = z0 * z1.std()
            context = module.context(slide.features, slide.positions, slide.code)
            # All times in one call: they share the context.
            count = len(times)
            t = times.repeat_interleave(len(z1))
            z = interpolate(z0.repeat(count, 1), z1.repeat(count, 1), t)
            velocity = module(z, t, context.repeat(count, 1), lengths=[len(z1)] * count)
            weight = column_weights(vae, depth, config.vae.depth_weight) * slide.measured
            ends = vae.decode(end_point(z, velocity.value, t))
            record = {
                "flow": flow_matching_loss(velocity.value, z0.repeat(count, 1), z1.repeat(count, 1)),
                "gene": masked_mse(ends, slide.targets.repeat(count, 1), weight),
            }
            if velocity.routing is not None:
                record["balance"] = balance_loss(velocity.routing.logits, velocity.routing.chosen, settings.balance)
                used = torch.bincount(velocity.routing.chosen.flatten(), minlength=settings.experts)
                share = used / used.sum()
                record |= {f"use_E{number + 1}": value for number, value in enumerate(share)}
            records.append(record)
        means = {name: float(torch.stack([record[name] for record in records]).mean()) for name in records[0]}
        if "balance" in means:
            means["balance_optimum"] = float(settings.active) if settings.balance == "switch" else 0.0
        return {"loss": means["flow"] + settings.gene_weight * means["gene"], **means}

    objective = FlowObjective(field, vae, settings, depth, config.vae.depth_weight, unknown)
    gate = list(field.gate.parameters()) if field.gate is not None else []
    others = [p for p in field.parameters() if all(p is not g for g in gate)]
    groups = [(others, training.flow.learning_rate)]
    if gate:
        groups.append((gate, training.flow.gate_learning_rate or training.flow.learning_rate))
    return Stage("flow", field, objective, groups, validate)


def _validation_draws(seed: int, kind: str, slide: str, epoch: int, z1: Tensor) -> tuple[Tensor, Tensor]:
    """Noise (P, L) and times: the same at every epoch, so that two losses differ by the weights alone, or drawn anew (published)."""
    key = key_of(seed, "validation", slide) if kind == "grid" else key_of(seed, "validation", slide, epoch)
    generator = torch.Generator().manual_seed(key)
    noise = torch.randn(z1.shape, generator=generator)
    times = torch.tensor(VALIDATION_TIMES) if kind == "grid" else torch.rand(1, generator=generator)
    return noise.to(z1.device), times.to(z1.device)


def mean_correlation(predicted: Tensor, measured: Tensor, mask: Tensor) -> Tensor:
    """Mean over the measured columns of their correlation over spots; columns that do not vary are left out.

    Parameters
    ----------
    predicted, measured : Tensor
        (S, G').
    mask : Tensor
        (G',), 1 where measured.
    """
    one, other = predicted - predicted.mean(0), measured - measured.mean(0)
    scale = one.norm(dim=0) * other.norm(dim=0)
    known = (mask > 0) & (scale > 1e-6)
    return ((one * other).sum(0)[known] / scale[known]).mean()
