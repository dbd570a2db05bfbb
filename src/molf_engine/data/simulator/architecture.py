"""What a simulated organ is built like: the tissue types, and how much of each a cancer code has.

The codes are made up, and named so that nobody takes them for real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from molf_engine.errors import DataError

TISSUES = ("tumour", "stroma", "lymphoid", "adipose", "epithelium", "necrosis")
"""The T tissue types, in the order of every ``(P, T)`` array. What is in none of them is lumen or bare glass."""

TUMOUR, STROMA, LYMPHOID, ADIPOSE, EPITHELIUM, NECROSIS = range(len(TISSUES))


@dataclass(frozen=True)
class Architecture:
    """How the tissues of one simulated cancer code lie to each other. Lengths in um, levels in units of the noise."""

    nest_um: float
    """Width of a tumour nest, a cord or a tumour gland's group."""
    nest_level: float
    """Threshold of the nest field: higher means less tumour."""
    growth: str
    """``nests``: solid, rounded; ``cords``: winding bands; ``glands``: rings of tumour cells around a lumen."""
    necrosis_um: float
    """Depth inside a nest beyond which it is necrotic."""
    adipose_level: float
    gland_level: float
    """Threshold of the field of normal glands: higher means fewer of them."""
    gland_um: float
    """Distance between the centres of neighbouring glands."""
    lymphoid_share: float
    """Share of the sites of lymphoid aggregates that have one."""
    inflammation: float
    """Mean share of the stroma taken up by scattered lymphocytes."""
    nucleus_um: float
    """Mean radius of a tumour nucleus."""
    nucleus_pitch_um: float
    """Mean distance between tumour nuclei."""
    tumour_gland_um: float = 158.0
    """Distance between the centres of neighbouring tumour glands, where ``growth`` is ``glands``."""


ARCHITECTURES: dict[str, Architecture] = {
    "SIM_A": Architecture(
        nest_um=400, nest_level=0.20, growth="nests", necrosis_um=105, adipose_level=0.30, gland_level=0.22,
        gland_um=150, lymphoid_share=0.30, inflammation=0.12, nucleus_um=4.6, nucleus_pitch_um=11.5,
    ),
    "SIM_B": Architecture(
        nest_um=700, nest_level=0.08, growth="glands", necrosis_um=150, adipose_level=0.42, gland_level=0.00,
        gland_um=130, lymphoid_share=0.40, inflammation=0.10, nucleus_um=4.2, nucleus_pitch_um=9.5,
    ),
    "SIM_C": Architecture(
        nest_um=300, nest_level=0.0, growth="cords", necrosis_um=62, adipose_level=0.62, gland_level=0.55,
        gland_um=170, lymphoid_share=0.65, inflammation=0.26, nucleus_um=5.2, nucleus_pitch_um=13.0,
    ),
    # Broad sheets of large cells with much necrosis; hardly any stroma.
    "SIM_D": Architecture(
        nest_um=900, nest_level=-0.40, growth="nests", necrosis_um=220, adipose_level=0.80, gland_level=0.90,
        gland_um=150, lymphoid_share=0.10, inflammation=0.05, nucleus_um=6.2, nucleus_pitch_um=15.0,
    ),
    # Islands in dense lymphoid tissue with follicles.
    "SIM_E": Architecture(
        nest_um=260, nest_level=0.19, growth="nests", necrosis_um=140, adipose_level=0.75, gland_level=0.90,
        gland_um=150, lymphoid_share=1.00, inflammation=0.27, nucleus_um=5.4, nucleus_pitch_um=12.5,
    ),
    # Thin cords that wander through fat and fibrous tissue.
    "SIM_F": Architecture(
        nest_um=130, nest_level=-0.04, growth="cords", necrosis_um=160, adipose_level=-0.35, gland_level=0.50,
        gland_um=140, lymphoid_share=0.15, inflammation=0.07, nucleus_um=3.9, nucleus_pitch_um=10.0,
    ),
    # Small tumour glands back to back, among large normal ones.
    "SIM_G": Architecture(
        nest_um=800, nest_level=-0.05, growth="glands", necrosis_um=150, adipose_level=0.70, gland_level=-0.35,
        gland_um=210, lymphoid_share=0.15, inflammation=0.06, nucleus_um=3.8, nucleus_pitch_um=8.5,
        tumour_gland_um=112.0,
    ),
    # A few glands, far apart in dense stroma.
    "SIM_H": Architecture(
        nest_um=240, nest_level=0.16, growth="glands", necrosis_um=150, adipose_level=0.60, gland_level=0.60,
        gland_um=150, lymphoid_share=0.25, inflammation=0.16, nucleus_um=4.6, nucleus_pitch_um=10.5,
        tumour_gland_um=190.0,
    ),
    # Balls of small round cells between fine septa.
    "SIM_I": Architecture(
        nest_um=115, nest_level=-0.27, growth="nests", necrosis_um=90, adipose_level=0.75, gland_level=0.90,
        gland_um=150, lymphoid_share=0.10, inflammation=0.05, nucleus_um=3.6, nucleus_pitch_um=8.0,
    ),
    # Broad trabeculae beside an organ of many secreting glands.
    "SIM_J": Architecture(
        nest_um=480, nest_level=-0.06, growth="cords", necrosis_um=120, adipose_level=0.65, gland_level=-0.45,
        gland_um=115, lymphoid_share=0.30, inflammation=0.12, nucleus_um=4.8, nucleus_pitch_um=14.0,
    ),
}  # fmt: skip
"""The simulated cancer codes."""

DEMO_KINDS = ("SIM_A", "SIM_B", "SIM_C")
"""Those that the demo corpus is made of: the shipped demo bundle knows no others."""


def architecture(kind: str) -> Architecture:
    """Return the architecture of a simulated cancer code; :class:`DataError` if there is none of that name."""
    try:
        return ARCHITECTURES[kind]
    except KeyError:
        raise DataError(
            f"There is no simulated cancer code {kind!r}. Choose one of: {', '.join(ARCHITECTURES)}."
        ) from None
