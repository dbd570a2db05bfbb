"""The whole analysis of one model, and of a second one beside it, on the same sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from molf_engine.bundle import Bundle
from molf_engine.data.sections import UNKNOWN, Section
from molf_engine.data.spots import SpotSource, Symbols
from molf_engine.errors import ConfigError, DataError
from molf_engine.evaluation.routing.comparison import Comparison, compare
from molf_engine.evaluation.routing.effect_table import effect_table
from molf_engine.evaluation.routing.exemplars import (
    Exemplar,
    Images,
    exemplars,
    read_images,
    section_limit,
)
from molf_engine.evaluation.routing.latent_space import (
    PER_TYPE,
    Embedding,
    LatentSample,
    Purity,
    embed,
    neighbour_purity,
    sample_latents,
)
from molf_engine.evaluation.routing.observe import RoutedSection, observe
from molf_engine.evaluation.routing.transport import STEPS, SectionPaths, choose_sections, follow
from molf_engine.evaluation.routing.type_test import PERMUTATIONS, TypeTest, compare_types
from molf_engine.evaluation.routing.usage import SectionUse, section_use
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Options:
    """How much is looked at."""

    seed: int = 0
    """Of noise, permutations, bootstraps, choices of spots and UMAP."""
    per_type: int = PER_TYPE
    """Spots of each cancer type in the picture of the latent space, at most."""
    permutations: int = PERMUTATIONS
    steps: int = STEPS
    """Of the paths."""
    symbols: Symbols | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be looked at."""
        least = {"seed": 0, "per_type": 20, "permutations": 99, "steps": 16}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(f"{name.replace('_', ' ')} must be {value} or more, not {getattr(self, name)}.")


@dataclass(frozen=True)
class ModelUse:
    """Expert use of one model with experts."""

    bundle: Bundle
    uses: tuple[SectionUse, ...]
    """With the code that the network is given for each section."""
    nameless: tuple[SectionUse, ...]
    """With the code `Unknown` for every section; empty where the model has not learned it."""
    test: TypeTest
    nameless_test: TypeTest | None

    @property
    def experts(self) -> tuple[str, ...]:
        """Names."""
        return self.bundle.config.expert_names

    @property
    def typed(self) -> tuple[SectionUse, ...]:
        """Sections whose cancer type is known."""
        return tuple(use for use in self.uses if use.type != UNKNOWN)


@dataclass(frozen=True)
class Montage:
    """Patches that each expert is surest of."""

    limited: tuple[list[Exemplar], ...]
    """One list per expert, at most ``per_section`` of one section."""
    unlimited: tuple[list[Exemplar], ...]
    """One list per expert, whatever the section, as in the paper."""
    per_section: int
    images: Images


@dataclass(frozen=True)
class RoutingStudy:
    """Everything that was found."""

    bundle: Bundle
    options: Options
    routed: tuple[RoutedSection, ...]
    use: ModelUse | None
    """None: the model has no experts."""
    sample: LatentSample
    measured: Embedding
    predicted: Embedding
    purity: tuple[Purity, ...]
    paths: tuple[SectionPaths, ...]
    montage: Montage | None
    effects: pd.DataFrame | None
    other: ModelUse | None = None
    comparison: Comparison | None = None

    @cached_property
    def types(self) -> tuple[str, ...]:
        """Cancer types, in order of name; `Unknown` last."""
        return tuple(sorted({section.type for section in self.routed}, key=lambda name: (name == UNKNOWN, name)))


def run_study(
    bundle: Bundle,
    source: SpotSource,
    sections: Sequence[Section],
    *,
    options: Options | None = None,
    other: tuple[Bundle, SpotSource] | None = None,
    progress: ProgressCallback = silent,
) -> RoutingStudy:
    """Route the sections, and answer every question that they and the model allow.

    Parameters
    ----------
    bundle : Bundle
        A model; without experts, only its latent space and paths are looked at.
    source : SpotSource
        Of its encoder's features.
    sections : sequence of Section
        At least one, all of the source.
    options : Options, optional
        How much is looked at.
    other : tuple of Bundle and SpotSource, optional
        A second model with experts, and where its features of the same sections come from.
    progress : callable
        Told about each phase.

    Raises
    ------
    MolfError
        If a section cannot be read, an encoder does not fit, or two models are to be compared and one has no experts.
    """
    options = options or Options()
    if not sections:
        raise DataError("There is no section to route.")
    moe = bundle.config.flow.velocity == "moe"
    if other is not None and not (moe and other[0].config.flow.velocity == "moe"):
        which = bundle.id if not moe else other[0].id
        raise ConfigError(f"--compare needs two models with experts, and {which} has none. Leave --compare out.")
    symbols = options.symbols
    routed = observe(bundle, source, sections, seed=options.seed, symbols=symbols, progress=progress)
    use = _model_use(bundle, routed, options) if moe else None
    other_use = comparison = None
    if other is not None:
        others = observe(other[0], other[1], sections, seed=options.seed, symbols=symbols, progress=progress)
        other_use, comparison = _model_use(other[0], others, options), compare(routed, others)
        del others
    paths = follow(
        bundle,
        source,
        choose_sections(sections),
        steps=options.steps,
        seed=options.seed,
        symbols=symbols,
        progress=progress,
    )
    progress(Progress("Placing latents", 0, 0))
    sample = sample_latents(routed, options.per_type, options.seed)
    return RoutingStudy(
        bundle=bundle,
        options=options,
        routed=tuple(routed),
        use=use,
        sample=sample,
        measured=embed(sample.measured, options.seed),
        predicted=embed(sample.predicted, options.seed),
        purity=tuple(neighbour_purity(sample)),
        paths=tuple(paths),
        montage=_montage(bundle, routed, progress) if moe else None,
        effects=_effect_table(bundle, routed, options.seed) if moe else None,
        other=other_use,
        comparison=comparison,
    )


def _model_use(bundle: Bundle, routed: Sequence[RoutedSection], options: Options) -> ModelUse:
    uses = tuple(use for section in routed if (use := section_use(section)) is not None)
    nameless = tuple(use for section in routed if (use := section_use(section, "unknown")) is not None)
    whole = len(nameless) == len(uses)
    return ModelUse(
        bundle,
        uses,
        nameless if whole else (),
        compare_types(uses, options.seed, options.permutations),
        compare_types(nameless, options.seed, options.permutations) if whole else None,
    )


def _montage(bundle: Bundle, routed: Sequence[RoutedSection], progress: ProgressCallback) -> Montage:
    experts = range(len(bundle.config.expert_names))
    limit = section_limit(len(routed))
    limited = tuple(exemplars(routed, expert, per_section=limit) for expert in experts)
    unlimited = tuple(exemplars(routed, expert) for expert in experts)
    wanted = [exemplar for of_expert in (*limited, *unlimited) for exemplar in of_expert]
    return Montage(limited, unlimited, limit, read_images(routed, wanted, bundle.config.patch.size_um, progress))


def _effect_table(bundle: Bundle, routed: Sequence[RoutedSection], seed: int) -> pd.DataFrame:
    known = [(section.effects, section.patient) for section in routed if section.effects is not None]
    effects, patients = zip(*known, strict=True)
    return effect_table(effects, patients, list(bundle.genes.index), bundle.config.expert_names, seed)
