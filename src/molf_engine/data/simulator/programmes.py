"""Which genes each simulated tissue expresses, and how strongly.

A programme is a probability for each gene of the panel: a baseline of its own for every gene, multiplied up for the
Hallmark sets and marker genes of the tissue.  Each tissue has one for either end of its zone; what a place expresses is
their mixture in the proportions of :func:`.fields.abundance`, so expected counts are linear in them.

The sets and markers here are those that all simulated codes share; :mod:`.identities` adds what a code has of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from molf_engine.data.simulator.architecture import TISSUES, architecture
from molf_engine.data.simulator.identities import IDENTITIES
from molf_engine.data.simulator.noise import salt_of
from molf_engine.errors import DataError
from molf_engine.genes import hallmark_sets, panel

PANEL = "molf-1386"

_COUNTS_PER_UM2 = 0.9
_SEED = 20_26

# Counts in relation to those of the same area of crowded tumour, at zone 0 and zone 1.
_CELLULARITY = {
    "tumour": (1.00, 0.55),
    "stroma": (0.16, 0.42),
    "lymphoid": (0.80, 1.05),
    "adipose": (0.07, 0.17),
    "epithelium": (0.75, 0.95),
    "necrosis": (0.05, 0.12),
}

# Log fold change of a set's genes (times a weight that each gene has within the set), at zone 0 and zone 1.
_SETS: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "tumour": (
        {"E2F_TARGETS": 1.6, "G2M_CHECKPOINT": 1.4, "MYC_TARGETS_V1": 1.0, "MYC_TARGETS_V2": 0.9, "DNA_REPAIR": 0.5,
         "OXIDATIVE_PHOSPHORYLATION": 0.5},
        {"HYPOXIA": 1.6, "GLYCOLYSIS": 1.2, "UNFOLDED_PROTEIN_RESPONSE": 0.7, "MTORC1_SIGNALING": 0.7,
         "P53_PATHWAY": 0.4},
    ),
    "stroma": (
        {"COAGULATION": 0.8, "COMPLEMENT": 0.5, "MYOGENESIS": 0.9, "UV_RESPONSE_DN": 0.6},
        {"EPITHELIAL_MESENCHYMAL_TRANSITION": 1.7, "TGF_BETA_SIGNALING": 1.0, "ANGIOGENESIS": 1.1,
         "APICAL_JUNCTION": 0.4},
    ),
    "lymphoid": (
        {"ALLOGRAFT_REJECTION": 1.6, "INTERFERON_GAMMA_RESPONSE": 1.2, "IL2_STAT5_SIGNALING": 0.9,
         "INTERFERON_ALPHA_RESPONSE": 0.8},
        {"ALLOGRAFT_REJECTION": 1.0, "E2F_TARGETS": 0.9, "G2M_CHECKPOINT": 0.7, "PI3K_AKT_MTOR_SIGNALING": 0.7,
         "IL6_JAK_STAT3_SIGNALING": 0.6},
    ),
    "adipose": (
        {"ADIPOGENESIS": 1.7, "FATTY_ACID_METABOLISM": 1.3, "PEROXISOME": 0.6},
        {"ADIPOGENESIS": 1.0, "CHOLESTEROL_HOMEOSTASIS": 0.8, "INFLAMMATORY_RESPONSE": 0.7, "COMPLEMENT": 0.5},
    ),
    "epithelium": (
        {"APICAL_SURFACE": 1.0, "XENOBIOTIC_METABOLISM": 0.9, "ESTROGEN_RESPONSE_EARLY": 0.9},
        {"PROTEIN_SECRETION": 1.2, "UNFOLDED_PROTEIN_RESPONSE": 0.5, "ESTROGEN_RESPONSE_LATE": 1.1,
         "ANDROGEN_RESPONSE": 0.7},
    ),
    "necrosis": (
        {"HYPOXIA": 1.3, "REACTIVE_OXYGEN_SPECIES_PATHWAY": 0.9, "HEME_METABOLISM": 0.9},
        {"HYPOXIA": 0.9, "APOPTOSIS": 1.2, "TNFA_SIGNALING_VIA_NFKB": 1.1, "INFLAMMATORY_RESPONSE": 0.8},
    ),
}  # fmt: skip

MARKERS = {
    "tumour": (
        "EPCAM CDH1 CLDN7 TACSTD2 MUC1 MAL2 DSP MKI67 TOP2A",
        "EPCAM CDH1 CLDN7 TACSTD2 NDRG1 SLC2A1 EGLN3 NDUFA4L2",
    ),
    "stroma": ("ELN FBLN5 MFAP4 OGN MGP PRELP FMOD", "POSTN FAP THY1 CTHRC1 COL11A1 COL5A1 COL5A2 SFRP4 PDGFRB"),
    "lymphoid": (
        "PTPRC CD3E CD2 TRAC TRBC1 TRBC2 CCL5 GZMK IL7R CCR7 CD52",
        "MS4A1 CD19 CD79A CD79B CD22 CXCL13 TCL1A BANK1 FCRL1",
    ),
    "adipose": ("ADIPOQ FABP4 LPL PLIN2 CD36 ADH1B LEPR", "ADIPOQ FABP4 LPL PLIN2 CD163 MSR1"),
    "epithelium": ("EPCAM CDH1 KIT AQP3 ANPEP", "EPCAM CDH1 PIGR SLPI LCN2 SCGB2A1 CLU"),
    "necrosis": ("HMOX1 CHI3L1 SPP1 GPNMB", "S100A9 LYZ CXCL8 HMOX1 IL1B"),
}
"""Marker genes of each tissue at zone 0 and zone 1, in every code."""


@dataclass(frozen=True)
class Programmes:
    """The programmes of one simulated cancer code, over G genes and T tissues."""

    genes: tuple[str, ...]
    profile: np.ndarray
    """Share of the counts that each gene gets, (T, 2, G), at zone 0 and zone 1; sums to 1 over the genes."""
    counts_per_um2: np.ndarray
    """Expected counts, (T, 2), in a um2 of that tissue."""

    def expected(self, abundance: np.ndarray, area_um2: float) -> np.ndarray:
        """Return expected counts (P, G) of patches holding the tissues in the shares ``abundance`` (P, T, 2)."""
        counts = abundance * self.counts_per_um2 * area_um2
        tissues = self.profile.shape[0] * 2
        result: np.ndarray = counts.reshape(-1, tissues) @ self.profile.reshape(tissues, -1)
        return result

    def columns(self, genes: tuple[str, ...] | list[str]) -> np.ndarray:
        """Return where genes are; :class:`DataError` names those that have no simulated expression."""
        place = {gene: index for index, gene in enumerate(self.genes)}
        unknown = [gene for gene in genes if gene not in place]
        if unknown:
            raise DataError(
                f"Simulated tissue has no expression for {', '.join(unknown[:5])}"
                f"{' and others' if len(unknown) > 5 else ''}. Choose genes of the panel {PANEL}."
            )
        return np.array([place[gene] for gene in genes], dtype=np.int64)


@lru_cache(maxsize=16)
def programmes(kind: str) -> Programmes:
    """Return the programmes of a simulated cancer code: the same on every machine, whatever the slide."""
    architecture(kind)
    genes = panel(PANEL)
    sets = hallmark_sets()
    baseline = np.random.default_rng(_SEED).normal(0, 1.1, len(genes))
    profile = np.empty((len(TISSUES), 2, len(genes)))
    for t, tissue in enumerate(TISSUES):
        for end in (0, 1):
            log_fold = dict(_SETS[tissue][end])
            markers = MARKERS[tissue][end].split()
            if tissue in IDENTITIES[kind]:
                own = IDENTITIES[kind][tissue][end]
                log_fold = {name: log_fold.get(name, 0) + own.sets.get(name, 0) for name in {**log_fold, **own.sets}}
                markers += own.markers.split()
            profile[t, end] = _profile(genes, sets, baseline, log_fold, markers, (kind, tissue, end))
    density = _COUNTS_PER_UM2 * np.array([_CELLULARITY[tissue] for tissue in TISSUES])
    return Programmes(genes, profile, density)


def _profile(
    genes: tuple[str, ...],
    sets: Mapping[str, tuple[str, ...]],
    baseline: np.ndarray,
    log_fold: dict[str, float],
    markers: list[str],
    name: tuple[str, str, int],
) -> np.ndarray:
    # Every gene is a little different in every tissue, also those that no set names.
    level = baseline + np.random.default_rng(salt_of(_SEED, *name)).normal(0, 0.2, len(genes))
    for hallmark, fold in log_fold.items():
        weight = np.random.default_rng(salt_of(_SEED, hallmark)).uniform(0.3, 1.3, len(genes))
        level += fold * weight * np.isin(genes, sets[hallmark])
    marker = np.isin(genes, markers)
    level[marker] = np.maximum(level[marker], 0.4) + 2.2
    share: np.ndarray = np.exp(level)
    share /= share.sum()
    return share
