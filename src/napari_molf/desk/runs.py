"""The predictions of a viewer with their layers, and the names of their experts.  No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_molf.core.layers import ResultLayers
from napari_molf.core.run import Run

if TYPE_CHECKING:
    from napari.layers import Layer

Named = Literal["weight", "load"]
_NAMED: tuple[Named, ...] = ("weight", "load")


class Runs:
    """Every prediction that is known, in the order in which they came."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[Run, ResultLayers]] = {}

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._runs

    def __iter__(self) -> Iterator[tuple[Run, ResultLayers]]:
        return iter(list(self._runs.values()))

    def run(self, run_id: str | None) -> Run | None:
        """The prediction of that id."""
        known = self._runs.get(run_id) if run_id is not None else None
        return None if known is None else known[0]

    def layers(self, run_id: str | None) -> ResultLayers | None:
        """Its layers."""
        known = self._runs.get(run_id) if run_id is not None else None
        return None if known is None else known[1]

    def put(self, run: Run, layers: ResultLayers) -> None:
        """Know a prediction from now on, in place of the one of the same id."""
        self._runs[run.id] = (run, layers)

    def make_room_for(self, run: Run) -> None:
        """Take away what the same question was answered before, and forget predictions whose every layer the user has deleted."""
        for known, layers in self:
            if known.id == run.id:
                continue
            if known.asks_the_same_as(run):
                layers.remove()
            # One that is still being decoded has no layer either.
            if layers.drawn and not layers.all():
                del self._runs[known.id]

    def on_show(self) -> tuple[Run, ...]:
        """Every prediction that still has a layer."""
        return tuple(run for run, layers in self if layers.all())

    def layers_of_slide(self, slide_path: Path, but: str | None = None) -> Iterator[Layer]:
        """Layers of every prediction of a slide, but for one."""
        for run, layers in self:
            if run.id != but and run.slide_path == slide_path:
                yield from layers.all()

    def name_experts(self, of: Run, names: Mapping[int, str]) -> None:
        """Keep names for the experts of a model, and show them on the layers of all its predictions.

        Raises
        ------
        MolfError
            If a name cannot be kept, or the file cannot be written; the old names stay then.
        """
        from molf_engine.bundle.expert_names import save_names

        given = save_names(of.weights_hash, names, of.scores.routing.shape[1], of.model)
        for run, layers in self:
            if run.weights_hash == of.weights_hash:
                _rename(run, layers, given)


def read_names(run: Run) -> str | None:
    """Give a prediction's experts the names that are kept on this machine, or else those that its file brought.

    Returns
    -------
    str or None
        A sentence for the user if the file of names could not be used.
    """
    from molf_engine.bundle.expert_names import load_names, names_in_result

    count = run.scores.routing.shape[1]
    stored = load_names(run.weights_hash, count)
    brought = run.scores.adata.uns["molf"].get("expert_labels")
    run.given_names.clear()
    run.given_names.update(stored.given or names_in_result(brought, count))
    return stored.notice


def routing_caption(run: Run, kind: Named, expert: int) -> str:
    """Layer name of the map of one expert."""
    what = "Weight of" if kind == "weight" else "Load of"
    return f"{what} {run.expert_names[expert]} · {run.model}"


def _rename(run: Run, layers: ResultLayers, given: Mapping[int, str]) -> None:
    """Give a run's experts their names, and the layers that say one; a layer that the user renamed keeps the user's name."""
    said = {
        routing_caption(run, kind, expert): (kind, expert) for kind in _NAMED for expert in range(len(run.expert_names))
    }
    run.given_names.clear()
    run.given_names.update(given)
    for layer in layers.all():
        if layer.name in said:
            layer.name = routing_caption(run, *said[layer.name])
