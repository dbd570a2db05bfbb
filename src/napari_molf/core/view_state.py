"""What of a prediction is on the screen, as plain values that can be kept and set again.  No Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from napari_molf.core.scores import Score

Routing = Literal["expert", "weight", "load", "entropy"]
ROUTINGS: tuple[Routing, ...] = ("expert", "weight", "load", "entropy")


@dataclass(frozen=True)
class ViewState:
    """A score, how it is shown, and where one looks.

    Attributes
    ----------
    score
        What is on the map.
    guidance
        At which guidance scale.
    relative
        Relative to the local total.
    opacity
        Of the maps, 0 to 1.
    limits
        Colour limits; none: chosen anew.
    routing
        Map of the experts that is shown instead of the score; none: the score.
    expert
        Whose weight, counted from 0.
    centre, zoom
        Of the camera: (y, x) in world units, and screen pixels in one of them; none: all of the slide.
    """

    score: Score
    guidance: float
    relative: bool
    opacity: float
    limits: tuple[float, float] | None = None
    routing: Routing | None = None
    expert: int = 0
    centre: tuple[float, float] | None = None
    zoom: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "score": {"kind": self.score.kind, "name": self.score.name},
            "guidance": self.guidance,
            "relative": self.relative,
            "opacity": self.opacity,
            "limits": self.limits,
            "routing": self.routing,
            "expert": self.expert,
            "centre": self.centre,
            "zoom": self.zoom,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> ViewState:
        """Inverse of :meth:`as_json`.

        Raises
        ------
        ValueError
            If something is missing or of the wrong kind; it says what.
        """
        try:
            kind = said["score"]["kind"]
            if kind not in ("gene", "hallmark"):
                raise ValueError(f"{kind!r} is no kind of score")
            routing = said.get("routing")
            if routing is not None and routing not in ROUTINGS:
                raise ValueError(f"{routing!r} is no map of the experts")
            return cls(
                Score(kind, str(said["score"]["name"])),
                _number(said["guidance"]),
                bool(said["relative"]),
                min(1.0, max(0.0, _number(said["opacity"]))),
                _pair(said.get("limits")),
                routing,
                max(0, int(said.get("expert", 0))),
                _pair(said.get("centre")),
                None if said.get("zoom") is None else _number(said["zoom"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the view lacks {error}") from error


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number


def _pair(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    first, second = value
    return _number(first), _number(second)
