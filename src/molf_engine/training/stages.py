"""The two stages: what is learned from one slide, and how it is judged on held-out slides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from molf_engine.bundle.networks import build_vae, build_velocity
from molf_engine.config import FlowConfig, RunConfig
from molf_engine.flow.losses import balance_loss, flow_matching_loss, kl_divergence, masked_mse
from molf_engine.flow.path import draw_times, end_point, interpolate
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField
from molf_engine.training.loop import Record, Stage
from molf_engine.training.slides import TrainingSlide, column_statistics

SMALLEST_SD = 0.1
"""Floor of the unit in which a column is learned: a gene seen in one spot must not outweigh all others."""

VALIDATION_TIMES = (0.0, 0.25, 0.5, 0.75)


def column_weights(vae: GeneVAE, depth: bool, depth_weight: float) -> Tensor:
    """Weight of each column in the loss, (G',): 1 / sd squared where columns are standardised."""
    weights = vae.scale.square().reciprocal()
    if depth:
        weights = weights.clone()
        weights[-1] *= depth_weight * (len(weights) - 1)
    return weights


def vae_stage(config: RunConfig, slides: Sequence[TrainingSlide], held_out: Sequence[TrainingSlide]) -> Stage:
    """Stage 1: reconstruct expression through the latent space (paper, eq. 3)."""
    settings = config.vae
    columns = slides[0].targets.shape[1]
    depth = config.data.units == "log1p-cp10k"
    vae = build_vae(settings, columns, config.flow.position)
    if settings.standardise:
        mean, sd = column_statistics(list(slides))
        vae.centre.copy_(torch.from_numpy(mean))
        vae.scale.copy_(torch.from_numpy(sd.clip(min=SMALLEST_SD)))
    vae.to(slides[0].targets.device)

    def loss(slide: TrainingSlide) -> tuple[Tensor, Record]:
        weight = column_weights(vae, depth, settings.depth_weight) * slide.measured
        kept = torch.rand(slide.targets.shape) >= settings.gene_dropout
        mean, logvar = vae.encode(slide.targets, slide.measured * kept.to(slide.targets.device), slide.positions)
        latent = mean + (0.5 * logvar).exp() * torch.randn(mean.shape).to(mean.device)
        latent = latent + settings.latent_noise * torch.randn(mean.shape).to(mean.device)
        reconstruction = masked_mse(vae.decode(latent), slide.targets, weight)
        divergence = kl_divergence(mean, logvar)
        return reconstruction + settings.kl_weight * divergence, {
            "reconstruction": float(reconstruction.detach()),
            "kl": float(divergence.detach()),
        }

    @torch.no_grad()
    def validate(module: nn.Module) -> Record:
        assert isinstance(module, GeneVAE)
        errors = []
        for slide in held_out:
            mean, _ = module.encode(slide.targets, slide.measured, slide.positions)
            weight = column_weights(module, depth, settings.depth_weight) * slide.measured
            errors.append(float(masked_mse(module.decode(mean), slide.targets, weight)))
        return {"loss": sum(errors) / len(errors)}

    return Stage("vae", vae, [(list(vae.parameters()), config.training.vae.learning_rate)], loss, validate)


def flow_stage(
    config: RunConfig,
    vae: GeneVAE,
    slides: Sequence[TrainingSlide],
    held_out: Sequence[TrainingSlide],
    codes: Sequence[str],
    unknown: int,
) -> Stage:
    """Stage 2: flow matching in the latent space of the frozen VAE (paper, eq. 6-8)."""
    settings, training = config.flow, config.training.flow
    depth = config.data.units == "log1p-cp10k"
    # Evaluation mode throughout: the VAE's own dropout would only blur the targets.
    vae = vae.eval().requires_grad_(False)
    features = slides[0].features.shape[1]
    field = build_velocity(settings, config.vae.latent, features, len(codes)).to(slides[0].features.device)

    def weight_of(slide: TrainingSlide) -> Tensor:
        return column_weights(vae, depth, config.vae.depth_weight) * slide.measured

    def loss(slide: TrainingSlide) -> tuple[Tensor, Record]:
        count, device = slide.features.shape[0], slide.features.device
        mean, logvar = vae.encode(slide.targets, slide.measured, slide.positions)
        z1 = mean + (0.5 * logvar).exp() * torch.randn(mean.shape).to(device)
        z0 = torch.randn(z1.shape).to(device) * (z1.std() if settings.source == "matched" else 1.0)
        t = draw_times(
            count,
            per_patch=settings.per_patch_time,
            zero_share=settings.zero_time_share,
            generator=torch.default_generator,
        ).to(device)
        code = unknown if float(torch.rand(())) < settings.code_dropout_rate else slide.code
        context = field.context(slide.features, slide.positions, code, _hidden(settings, count).to(device))
        z = interpolate(z0, z1, t)
        noise = torch.randn(count, settings.experts).to(device) if settings.velocity == "moe" else None
        velocity = field(z, t, context, noise)
        flow = flow_matching_loss(velocity.value, z0, z1)
        gene = masked_mse(vae.decode(end_point(z, velocity.value, t)), slide.targets, weight_of(slide))
        total = flow + settings.gene_weight * gene
        parts = {"flow": float(flow.detach()), "gene": float(gene.detach())}
        if velocity.routing is not None:
            balance = balance_loss(velocity.routing.logits, velocity.routing.chosen, settings.balance)
            total = total + settings.balance_weight * balance
            parts["balance"] = float(balance.detach())
        return total, parts

    @torch.no_grad()
    def validate(module: nn.Module) -> Record:
        assert isinstance(module, VelocityField)
        records = []
        for slide in held_out:
            z1, _ = vae.encode(slide.targets, slide.measured, slide.positions)
            # The same noise at every epoch: two losses differ by the weights alone.
            noise = torch.randn(z1.shape, generator=torch.Generator().manual_seed(config.training.seed))
            z0 = noise.to(z1.device) * (z1.std() if settings.source == "matched" else 1.0)
            context = module.context(slide.features, slide.positions, slide.code)
            for time in VALIDATION_TIMES:
                t = torch.full((len(z1),), time, device=z1.device)
                z = interpolate(z0, z1, t)
                value = module(z, t, context).value
                gene = masked_mse(vae.decode(end_point(z, value, t)), slide.targets, weight_of(slide))
                records.append((float(flow_matching_loss(value, z0, z1)), float(gene)))
        mean_flow, mean_gene = (sum(values) / len(records) for values in zip(*records, strict=True))
        return {"loss": mean_flow + settings.gene_weight * mean_gene, "flow": mean_flow, "gene": mean_gene}

    gate = list(field.gate.parameters()) if field.gate is not None else []
    others = [p for p in field.parameters() if all(p is not g for g in gate)]
    groups = [(others, training.learning_rate)]
    if gate:
        groups.append((gate, training.gate_learning_rate or training.learning_rate))
    return Stage("flow", field, groups, loss, validate)


def _hidden(settings: FlowConfig, count: int) -> Tensor:
    """Patches whose image is withheld in one step, (P,) bool: each by itself, or all at once (published)."""
    draws = torch.rand(count if settings.guidance_dropout == "patch-context" else 1)
    return (draws < settings.guidance_dropout_rate).expand(count)
