"""What tells the expression of one simulated cancer code from that of another.

All codes share the programmes of :mod:`.programmes`: proliferation at the rim of a tumour and hypoxia in its core,
immune cells, stroma, fat, dead cells.  Whoever learns them from one code knows them for all.  On top of them

- the tumour of a code raises one or two Hallmark sets and a handful of marker genes that are its own.  A set is
  raised in two or three codes, so related codes share part of what they have of their own; a marker in one, or two;
- in the codes from ``SIM_D`` on, the tumour's rim and core raise different sets and markers, and which ones depends on
  the code: what a pale core means for expression cannot be known without the code, or without recognising it;
- in these codes normal epithelium, and in some the stroma, has markers of its organ.

Tumour, epithelium and stroma of different codes are stained alike, cell by cell: only how they lie to each other tells
the codes apart in the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Own:
    """What one end of a tissue's zone expresses more of than in other codes."""

    sets: Mapping[str, float] = field(default_factory=dict)
    """Hallmark set -> log fold change, added to the shared one."""
    markers: str = ""
    """Genes, separated by spaces."""


def _throughout(sets: Mapping[str, float], markers: str) -> tuple[Own, Own]:
    own = Own(sets, markers)
    return own, own


IDENTITIES: dict[str, dict[str, tuple[Own, Own]]] = {
    "SIM_A": {
        "tumour": _throughout(
            {"ESTROGEN_RESPONSE_EARLY": 1.1, "ESTROGEN_RESPONSE_LATE": 0.8}, "ESR1 GATA3 ERBB2 ANKRD30A MLPH XBP1"
        ),
    },
    "SIM_B": {
        "tumour": _throughout(
            {"WNT_BETA_CATENIN_SIGNALING": 1.0, "KRAS_SIGNALING_UP": 0.7}, "CEACAM6 OLFM4 TFF3 REEP6 SOX9 AREG"
        ),
    },
    "SIM_C": {
        "tumour": _throughout(
            {"P53_PATHWAY": 0.7, "NOTCH_SIGNALING": 0.8}, "KRT5 KRT14 KRT6B KRT16 TP63 SOX2 PI3 DSC1"
        ),
    },
    "SIM_D": {
        "tumour": (
            Own({"MITOTIC_SPINDLE": 1.0, "P53_PATHWAY": 0.7}, "TYRP1 MCAM GPNMB RAB38 SCG2"),
            Own({"UV_RESPONSE_UP": 1.0, "P53_PATHWAY": 0.7}, "TYRP1 MCAM MT1X MT1E ENPP2"),
        ),
        "epithelium": _throughout({}, "DSC1 KRT2 SBSN KRTDAP LY6D"),
    },
    "SIM_E": {
        "tumour": (
            Own({"IL6_JAK_STAT3_SIGNALING": 0.9, "NOTCH_SIGNALING": 0.8}, "CCL20 CD274 IDO1 UBD SERPINB2"),
            Own({"INTERFERON_ALPHA_RESPONSE": 1.1, "NOTCH_SIGNALING": 0.8}, "CXCL9 CXCL10 CXCL11 IFI44L RSAD2"),
        ),
        "epithelium": _throughout({}, "CD177 DUOX2 CTSE CAPN8"),
        "stroma": _throughout({"INFLAMMATORY_RESPONSE": 0.6}, "CCL19 CCL21 CXCL12"),
    },
    "SIM_F": {
        "tumour": (
            Own({"ESTROGEN_RESPONSE_LATE": 1.1, "PI3K_AKT_MTOR_SIGNALING": 0.8}, "ESR1 PRLR SERHL2 CLIC6 INPP4B"),
            Own({"ESTROGEN_RESPONSE_LATE": 1.1, "CHOLESTEROL_HOMEOSTASIS": 0.9}, "ESR1 CYP4Z1 OPRPN SCD FASN"),
        ),
        "epithelium": _throughout({"ESTROGEN_RESPONSE_EARLY": 0.5}, "KRT17 OXTR MYBPC1 FOXC1"),
    },
    "SIM_G": {
        "tumour": (
            Own({"ANDROGEN_RESPONSE": 1.3, "FATTY_ACID_METABOLISM": 0.6}, "AMACR TSPAN13 DHCR24 ICA1 CPE"),
            Own({"ANDROGEN_RESPONSE": 1.3, "UNFOLDED_PROTEIN_RESPONSE": 0.7}, "AMACR STEAP4 ERBB3 SEC11C CREBBP"),
        ),
        "epithelium": _throughout({"ANDROGEN_RESPONSE": 0.6}, "DPP4 NDRG2 MAOA AOC3"),
        "stroma": _throughout({"MYOGENESIS": 0.7}, "MYH11 CNN1 SMTN"),
    },
    "SIM_H": {
        "tumour": (
            Own({"KRAS_SIGNALING_UP": 1.1, "GLYCOLYSIS": 0.6}, "CEACAM6 MUC6 CTSE TNFRSF21 LAMC2"),
            Own({"KRAS_SIGNALING_UP": 1.1, "COAGULATION": 0.7}, "CEACAM6 PLAUR PLAU MMP7 CLDN7"),
        ),
        "epithelium": _throughout({"PANCREAS_BETA_CELLS": 1.2}, "GCG SCGN PCSK2 CHGB"),
        "stroma": _throughout({"TGF_BETA_SIGNALING": 0.5}, "GREM1 TNC COL7A1"),
    },
    "SIM_I": {
        "tumour": (
            Own({"WNT_BETA_CATENIN_SIGNALING": 1.0, "HEDGEHOG_SIGNALING": 1.0}, "CHGA CHGB SCG2 PCSK2 FEZ1"),
            Own({"XENOBIOTIC_METABOLISM": 0.9, "ANGIOGENESIS": 0.8}, "CA2 CA4 CP AQP1 VLDLR"),
        ),
        "epithelium": _throughout({}, "ENPEP TMIGD1 SLC22A5 BBOX1"),
        "stroma": _throughout({"ANGIOGENESIS": 0.6}, "PLVAP VWF PECAM1"),
    },
    "SIM_J": {
        "tumour": (
            Own({"BILE_ACID_METABOLISM": 1.2, "MTORC1_SIGNALING": 0.6}, "UGT2B17 CYP2E1 HAMP ALDH1A3 AKR1C3"),
            Own({"CHOLESTEROL_HOMEOSTASIS": 0.9, "XENOBIOTIC_METABOLISM": 0.9}, "LCAT CYP27A1 FBP1 SERPINA3 HPGDS"),
        ),
        "epithelium": _throughout({"BILE_ACID_METABOLISM": 0.6}, "ITLN1 CLCA1 RETNLB GUCA2A AQP8"),
    },
}
"""Code -> tissue -> what it has of its own, at zone 0 and zone 1."""
