"""Folds by patient, where no split is given: no test patient is ever among those learned from.

Sections that :mod:`~molf_engine.data.splits.kinship` ties to each other stay together.  A section whose patient is unknown is
never tested, since nobody could call it unseen; and it stays out of training wherever it could be of a tested patient, that
is in folds that test another section of its study (or any, where a study is not stated).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from molf_engine.data.sections import Section
from molf_engine.data.splits.kinship import link
from molf_engine.data.splits.origin import Origin, section_origin
from molf_engine.data.splits.split import Split
from molf_engine.errors import ConfigError, DataError


def leave_one_patient_out(sections: Sequence[Section]) -> tuple[Split, ...]:
    """One fold for each known patient: its sections are the test, those of all others the training.

    Returns
    -------
    tuple of Split
        In the order of their first section, named after the patient; without validation.

    Raises
    ------
    DataError
        If fewer than two patients are known, or a section is there twice.
    """
    groups, unknown, origins = _groups(sections)
    names = Counter(_name(group[0]) for group in groups)
    return tuple(
        _fold(
            _name(group[0]) if names[_name(group[0])] == 1 else f"{_name(group[0])} ({group[0].id})",
            group,
            groups,
            unknown,
            origins,
        )
        for group in groups
    )


def patient_folds(sections: Sequence[Section], k: int, seed: int = 0) -> tuple[Split, ...]:
    """Part the known patients into ``k`` folds that have about the same sections of every cancer code.

    The largest patients are dealt first, each to the fold that has fewest sections of its codes, then fewest in all.

    Parameters
    ----------
    sections
        Sections of a folder or corpus.
    k
        Folds, 2 or more, no more than patients.
    seed
        Breaks ties; the same seed gives the same folds.

    Raises
    ------
    ConfigError
        If ``k`` is below 2 or above the number of known patients.
    DataError
        If fewer than two patients are known, or a section is there twice.
    """
    groups, unknown, origins = _groups(sections)
    if not 2 <= k <= len(groups):
        raise ConfigError(f"{k} folds of {len(groups)} known patients: choose from 2 to {len(groups)}.")
    code = {section.id: section.code for section in sections}
    order = list(groups)
    random.Random(seed).shuffle(order)
    order.sort(key=len, reverse=True)
    folds: list[list[Origin]] = [[] for _ in range(k)]
    for group in order:
        codes = {code[origin.id] for origin in group}
        min(folds, key=lambda fold: (sum(code[other.id] in codes for other in fold), len(fold))).extend(group)
    place = {section.id: number for number, section in enumerate(sections)}
    return tuple(
        _fold(f"fold-{number}", sorted(fold, key=lambda origin: place[origin.id]), groups, unknown, origins)
        for number, fold in enumerate(folds)
    )


def _groups(sections: Sequence[Section]) -> tuple[list[list[Origin]], set[str], list[Origin]]:
    """Sections of each known patient, ids of those of unknown patients, and all."""
    origins = [section_origin(section) for section in sections]
    if twice := [name for name, count in Counter(origin.id for origin in origins).items() if count > 1]:
        raise DataError(f"Section {', '.join(twice[:5])} is there twice.")
    group = {origin.id: [origin] for origin in origins}
    for a, b in combinations(origins, 2):
        if group[a.id] is not group[b.id] and link(a, b):
            joined = group[a.id] + group[b.id]
            group.update((origin.id, joined) for origin in joined)
    groups = list({id(members): members for members in group.values()}.values())
    # Tied to a section of a known patient, a section is of a known patient too.
    known = [members for members in groups if any(origin.patients for origin in members)]
    tied = {origin.id for members in known for origin in members}
    unknown = {origin.id for origin in origins} - tied
    if len(known) < 2:
        raise DataError(
            f"{len(known)} known patients among {len(origins)} sections: folds by patient need two. "
            "Write them into metadata/<id>.json as patient."
        )
    return known, unknown, origins


def _fold(
    name: str, test: Sequence[Origin], groups: Iterable[Sequence[Origin]], unknown: set[str], origins: Sequence[Origin]
) -> Split:
    tested = {origin.id for origin in test}
    left_out = {
        origin.id for origin in origins if origin.id in unknown and any(_could_be_one(origin, other) for other in test)
    }
    train = tuple(origin.id for origin in origins if origin.id not in tested | left_out)
    if not train:
        raise DataError(
            f"The fold {name} would have nothing to learn from: the patients of all other sections are unknown."
        )
    return Split(name, train, (), tuple(origin.id for origin in test))


def _could_be_one(unknown: Origin, other: Origin) -> bool:
    """Whether a section of an unknown patient could be of the patient of another."""
    return not unknown.study or not other.study or unknown.study == other.study


def _name(origin: Origin) -> str:
    return origin.stated_patient or f"patient {' and '.join(sorted(origin.patients))}".strip() or origin.id
