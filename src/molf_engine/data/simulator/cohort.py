"""Who is in a simulated pan-cancer cohort: patients, their sections, how each was measured, and the splits.

Nothing is drawn here: a plan is made from a number of sections and a seed, in no time, and is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import numpy as np

from molf_engine.data.simulator.architecture import ARCHITECTURES
from molf_engine.data.simulator.identities import IDENTITIES
from molf_engine.data.simulator.noise import salt_of
from molf_engine.data.simulator.programmes import MARKERS, PANEL
from molf_engine.errors import ConfigError
from molf_engine.genes import panel

ROLES = ("train", "val", "test")
SPLITS = 2
TARGETED_GENES = 541
"""How many genes a targeted section measures: as many as the Xenium sections of colon in HEST-1k."""

ORGANS = {
    "SIM_A": "Simulated organ 1", "SIM_B": "Simulated organ 2", "SIM_C": "Simulated organ 3",
    "SIM_D": "Simulated organ 4", "SIM_E": "Simulated organ 3", "SIM_F": "Simulated organ 1",
    "SIM_G": "Simulated organ 5", "SIM_H": "Simulated organ 6", "SIM_I": "Simulated organ 7",
    "SIM_J": "Simulated organ 2",
}  # fmt: skip

_TARGETED_SHARE = 0.3
_TEST_SHARE, _VALIDATION_SHARE = 0.2, 0.1
_CORE_GENES = 400  # of a targeted panel, the same for every organ
_LEAST_PATIENTS = len(ROLES)


@dataclass(frozen=True)
class PlannedSection:
    """One section of a cohort, before it is drawn."""

    id: str
    kind: str
    patient: str
    number: int
    """Among the sections of its patient, from 1."""
    targeted: bool
    """Only :func:`targeted_genes` are measured."""

    @property
    def organ(self) -> str:
        """Where the tissue is from."""
        return ORGANS[self.kind]

    @property
    def technology(self) -> str:
        """How it was measured, in the words of HEST-1k."""
        return "Xenium (simulated)" if self.targeted else "Visium (simulated)"

    @property
    def genes(self) -> tuple[str, ...] | None:
        """Measured genes; None: the whole panel."""
        return targeted_genes(self.organ) if self.targeted else None


def plan_cohort(
    sections: int = 200, seed: int = 0, kinds: Sequence[str] = tuple(ARCHITECTURES)
) -> tuple[PlannedSection, ...]:
    """Plan a cohort of simulated codes, each with its share of the sections.

    A patient has one to three sections of one code; 30 % of the sections of each code are targeted.

    Raises
    ------
    ConfigError
        If there are not three sections for each code: every code needs a patient for each role.
    """
    least = _LEAST_PATIENTS * len(kinds)
    if sections < least:
        raise ConfigError(
            f"{sections} sections are too few: {len(kinds)} cancer codes need a patient each for "
            f"{', '.join(ROLES)}. Ask for {least} sections or more."
        )
    base, more = divmod(sections, len(kinds))
    return tuple(
        section for place, kind in enumerate(kinds) for section in _sections_of_kind(kind, base + (place < more), seed)
    )


def _sections_of_kind(kind: str, count: int, seed: int) -> list[PlannedSection]:
    rng = np.random.default_rng(salt_of(seed, "cohort", kind))
    targeted = set(rng.choice(count, round(_TARGETED_SHARE * count), replace=False).tolist())
    result: list[PlannedSection] = []
    patient = 0
    while len(result) < count:
        patient += 1
        # What is left must be enough for the patients that the roles still need.
        spare = count - len(result) - max(0, _LEAST_PATIENTS - patient)
        for number in range(1, 1 + min(int(rng.integers(1, 4)), spare)):
            place = len(result)
            name = f"{kind}_{place + 1:03d}"
            result.append(PlannedSection(name, kind, f"{kind}_P{patient:02d}", number, place in targeted))
    return result


def split_cohort(cohort: Sequence[PlannedSection], split: int, seed: int = 0) -> dict[str, list[PlannedSection]]:
    """Give each section a role; patients are never divided, and the test patients of two splits differ.

    Parameters
    ----------
    cohort
        From :func:`plan_cohort`, grouped by code.
    split
        0 or 1.
    """
    roles: dict[str, list[PlannedSection]] = {role: [] for role in ROLES}
    for kind, group in groupby(cohort, lambda section: section.kind):
        sections = list(group)
        role_of = _roles_of_patients(kind, list(dict.fromkeys(section.patient for section in sections)), split, seed)
        for section in sections:
            roles[role_of[section.patient]].append(section)
    return roles


def _roles_of_patients(kind: str, patients: list[str], split: int, seed: int) -> dict[str, str]:
    order = np.random.default_rng(salt_of(seed, "split", kind)).permutation(len(patients))
    test, validation = (max(1, round(share * len(patients))) for share in (_TEST_SHARE, _VALIDATION_SHARE))
    # Each split tests the next patients of one shuffled row.
    order = np.roll(order, -split * test)
    roles = ["test"] * test + ["val"] * validation + ["train"] * (len(patients) - test - validation)
    return {patients[patient]: role for patient, role in zip(order, roles, strict=True)}


@cache
def targeted_genes(organ: str) -> tuple[str, ...]:
    """Return the genes of the panel that a targeted section of an organ measures, in the order of the panel.

    400 are the same for all organs, every marker gene of the simulator among them; the others are drawn for each.
    """
    genes = np.array(panel(PANEL))
    rng = np.random.default_rng(salt_of(0, "targeted core"))
    marker = np.isin(genes, list(_markers()))
    others = rng.permutation(np.flatnonzero(~marker))
    missing = _CORE_GENES - int(marker.sum())
    core, left = np.concatenate([np.flatnonzero(marker), others[:missing]]), others[missing:]
    extra = np.random.default_rng(salt_of(0, "targeted", organ)).choice(left, TARGETED_GENES - len(core), replace=False)
    return tuple(genes[np.sort(np.concatenate([core, extra]))].tolist())


def _markers() -> set[str]:
    shared = {gene for ends in MARKERS.values() for markers in ends for gene in markers.split()}
    own = {
        gene
        for tissues in IDENTITIES.values()
        for ends in tissues.values()
        for own in ends
        for gene in own.markers.split()
    }
    return shared | own
