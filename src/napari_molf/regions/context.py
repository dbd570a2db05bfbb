"""What a panel of the Regions section sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from napari_molf.core.run import Run
    from napari_molf.regions.rows import Rows


class Context(Protocol):
    """The regions on show, and the prediction of them."""

    rows: Rows
    changed: Any

    @property
    def run(self) -> Run | None:
        """The prediction, if there is one."""
        ...
