"""Folds of HEST-bench, read from the user's own copy."""

from __future__ import annotations

import re
from pathlib import Path

from molf_engine.data.splits.files import read_split
from molf_engine.data.splits.split import Split
from molf_engine.errors import DataError

_TRAIN = re.compile(r"train_(\d+)\.csv")


def read_hest_bench(folder: Path | str) -> tuple[Split, ...]:
    """Folds of one task, or of all tasks of a copy of HEST-bench.

    Parameters
    ----------
    folder
        A task (``<bench>/IDC``) with ``splits/train_<k>.csv`` and ``splits/test_<k>.csv``, each with a column ``sample_id``; or
        the folder that holds the tasks.

    Returns
    -------
    tuple of Split
        By task and number, named ``<task>-<k>``; without validation.

    Raises
    ------
    DataError
        If there is no task, a task has no splits, a file cannot be read, a fold lacks its test, or a section is in both.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"No such folder: {folder}. Name the folder of HEST-bench, which holds a folder for each task.")
    if (folder / "splits").is_dir():
        return _folds(folder)
    tasks = sorted(child for child in folder.iterdir() if (child / "splits").is_dir())
    if not tasks:
        raise DataError(
            f"{folder} is no HEST-bench: neither it nor a folder in it has splits/ with train_0.csv and test_0.csv."
        )
    return tuple(split for task in tasks for split in _folds(task))


def _folds(task: Path) -> tuple[Split, ...]:
    splits = task / "splits"
    numbers = sorted(int(match.group(1)) for path in splits.iterdir() if (match := _TRAIN.fullmatch(path.name)))
    if not numbers:
        raise DataError(f"{splits} holds no train_<k>.csv: HEST-bench has one for each fold.")
    return tuple(
        Split(
            f"{task.resolve().name}-{number}",
            read_split(splits / f"train_{number}.csv", "train"),
            (),
            read_split(splits / f"test_{number}.csv", "test"),
        )
        for number in numbers
    )
