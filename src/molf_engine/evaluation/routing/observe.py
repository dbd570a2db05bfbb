"""Routing of measured sections: the gate at t = 0, z0 = 0, on the conditional branch, without noise.

The released analysis evaluates the gate at fresh noise z0 instead, so that a spot's expert changes from run to run; how often the
two agree is kept beside each section.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.bundle.latents import Branches, centred, slide_latents
from molf_engine.data.sections import UNKNOWN, Section
from molf_engine.data.spots import Spots, SpotSource
from molf_engine.errors import BundleError, DataError
from molf_engine.evaluation.routing.effects import Effects, section_effects, used_by
from molf_engine.evaluation.scoring import role_of
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from molf_engine.nn.linear_vae import LinearVAE
    from molf_engine.nn.vae import GeneVAE
    from molf_engine.nn.velocity import VelocityField

LATENTS_PER_SECTION = 400
"""Spots of a section whose latents are kept: enough for a picture of many sections, and little memory for hundreds."""


@dataclass(frozen=True)
class RoutedSection:
    """One section after the gate: ``P`` spots, ``E`` experts of which each spot uses ``k``, ``L`` latent dimensions."""

    section: Section
    role: str
    """What the section was to the model: ``training``, ``validation``, ``test`` or ``new``."""
    told: str
    """The cancer code that the network was given."""
    centres: np.ndarray
    """``(P, 2)`` float64, x and y in level-0 pixels."""
    logits: np.ndarray | None
    """``(P, E)`` float32; none: the model has no experts."""
    nameless: np.ndarray | None
    """``(P, E)`` float32, the same had the network been given the code ``Unknown``; none: it has not learned that code."""
    from_noise: np.ndarray | None
    """``(P,)`` int, first expert where the gate starts from noise, as in the released analysis."""
    active: int
    """``k``."""
    rows: np.ndarray
    """``(Q,)`` spots whose latents are kept."""
    predicted: np.ndarray
    """``(Q, L)`` float32, end latents of one Euler step from z0 = 0."""
    measured: np.ndarray
    """``(Q, L)`` float32, means of the VAE's latents of what was measured."""
    effects: Effects | None
    """What is expressed differently where an expert is used; none without experts."""

    @property
    def id(self) -> str:
        """Name of the section."""
        return self.section.id

    @property
    def type(self) -> str:
        """Cancer type: its code in the data, whatever the network was told."""
        return self.section.code

    @property
    def patient(self) -> str:
        """Patient, or the section where the patient is not known: what counts once in a test."""
        return self.section.patient if self.section.patient != UNKNOWN else f"section {self.id}"

    @property
    def chosen(self) -> np.ndarray:
        """``(P, k)`` experts of each spot, best first.  Raises :class:`BundleError` without experts."""
        return best_experts(self.require_logits(), self.active)

    def require_logits(self) -> np.ndarray:
        """Gate logits.  Raises :class:`BundleError` if the model has no experts."""
        if self.logits is None:
            raise BundleError(NO_EXPERTS)
        return self.logits

    def __len__(self) -> int:
        """Count the spots."""
        return len(self.centres)


NO_EXPERTS = (
    "This model has no experts: its velocity field is dense or attends across patches, so there is no routing to analyse. "
    "Its latent space and its paths are shown. For the rest give a model with `velocity: moe`."
)


def best_experts(logits: np.ndarray, active: int) -> np.ndarray:
    """Experts with the ``active`` highest logits, best first; the lower number where two are equal, ``(P, k)`` int."""
    return np.argsort(-logits, axis=1, kind="stable")[:, :active]


def code_for(bundle: Bundle, section: Section) -> str:
    """Cancer code that a model is given for a section: its own, or `Unknown` where the model has not learned it."""
    return section.code if section.code in bundle.config.trained_codes else UNKNOWN_CODE


def check_source(bundle: Bundle, source: SpotSource) -> None:
    """Raise :class:`DataError` if the features of ``source`` are not those that ``bundle`` was trained on."""
    if source.encoder != bundle.config.encoder:
        raise DataError(
            f"The features were made by the encoder {source.encoder or 'that is not named'}, but {bundle.id} was trained on those "
            f"of {bundle.config.encoder}. Prepare the data again with that encoder, or give the HEST-layout folder itself."
        )


def observe(
    bundle: Bundle,
    source: SpotSource,
    sections: Sequence[Section],
    *,
    seed: int = 0,
    symbols: Literal["human_symbol"] | None = None,
    progress: ProgressCallback = silent,
) -> list[RoutedSection]:
    """Route every section, one at a time; nothing that grows with genes or features is kept.

    Parameters
    ----------
    bundle : Bundle
        With or without experts.
    source : SpotSource
        Its features are those of the bundle's encoder, see :func:`check_source`.
    sections : sequence of Section
        Of the source.
    seed : int
        Of the noise, and of the choice of spots whose latents are kept.
    symbols : str, optional
        `human_symbol`: match mouse genes by their human ortholog.
    progress : callable
        Told about each section.

    Raises
    ------
    MolfError
        If a section cannot be read, or the encoder or the cancer code does not fit.
    """
    check_source(bundle, source)
    genes = tuple(bundle.genes.index)
    field, vae = bundle.velocity(), bundle.vae()
    routed = []
    for place, section in enumerate(sections):
        progress(Progress("Routing sections", place, len(sections), "sections"))
        spots = source.read(section, genes, bundle.config.min_counts, symbols, progress)
        routed.append(_route(bundle, field, vae, spots, seed))
    progress(Progress("Routing sections", len(sections), len(sections), "sections"))
    return routed


def _route(bundle: Bundle, field: VelocityField, vae: GeneVAE | LinearVAE, spots: Spots, seed: int) -> RoutedSection:
    section, told = spots.section, code_for(bundle, spots.section)
    code = bundle.code_index(told)
    branches = Branches(field, spots.features, spots.positions_um, code)
    latents = slide_latents(field, spots.features, spots.positions_um, code, branches=branches)
    logits, active = (None, 0) if field.gate is None else (latents.gate_logits, field.gate.active)
    rows = _kept_rows(section.id, len(spots.features), seed)
    return RoutedSection(
        section=section,
        role=role_of(bundle, section.id),
        told=told,
        centres=spots.expression.positions,
        logits=logits,
        nameless=None if logits is None else _nameless(bundle, field, spots, told, logits),
        from_noise=None if logits is None else _from_noise(field, branches, seed),
        active=active,
        rows=rows,
        predicted=latents.conditional[rows],
        measured=_measured_latents(bundle, vae, spots)[rows],
        effects=None if logits is None else _effects(bundle, spots, best_experts(logits, active), logits.shape[1]),
    )


def _effects(bundle: Bundle, spots: Spots, chosen: np.ndarray, experts: int) -> Effects:
    return section_effects(spots.expression, used_by(chosen, experts), bundle.genes)


def _kept_rows(section: str, count: int, seed: int) -> np.ndarray:
    if count <= LATENTS_PER_SECTION:
        return np.arange(count)
    # The section's name is part of the seed: its spots do not depend on what else is looked at.
    generator = np.random.default_rng([seed, *section.encode()])
    return np.sort(generator.choice(count, LATENTS_PER_SECTION, replace=False))


def _nameless(bundle: Bundle, field: VelocityField, spots: Spots, told: str, logits: np.ndarray) -> np.ndarray | None:
    if told == UNKNOWN_CODE:
        return logits
    try:
        unknown = bundle.code_index(UNKNOWN_CODE)
    except BundleError:
        return None
    return slide_latents(field, spots.features, spots.positions_um, unknown).gate_logits


def _from_noise(field: VelocityField, branches: Branches, seed: int) -> np.ndarray:
    import torch

    from molf_engine.flow.solver import keyed_noise

    with torch.inference_mode():
        start = keyed_noise(seed, range(len(branches.conditional)), field.latent)
        routing = field(start.to(branches.device), 0.0, branches.conditional).routing
    assert routing is not None
    first: np.ndarray = routing.chosen[:, 0].cpu().numpy()
    return first


def _measured_latents(bundle: Bundle, vae: GeneVAE | LinearVAE, spots: Spots) -> np.ndarray:
    """Means of the VAE's latents, (P, L)."""
    import torch

    expression = spots.expression
    columns, measured = expression.in_units(bundle.config.units), expression.measured
    if bundle.config.depth:
        columns, measured = np.column_stack([columns, np.log1p(expression.total)]), np.append(measured, True)
    with torch.inference_mode():
        mean, _ = vae.encode(
            torch.from_numpy(np.ascontiguousarray(columns, dtype=np.float32)),
            torch.from_numpy(measured.astype(np.float32)),
            torch.from_numpy(centred(spots.positions_um)),
        )
    return np.asarray(mean.numpy(), dtype=np.float32)
