"""Length of paths under velocities whose solution is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from molf_engine.evaluation.routing.transport import SectionPaths, choose_sections, plane_of_ends, trace_section
from molf_engine.flow.solver import VelocityFunction
from tests.molf_engine.evaluation.routing.made import section


def trace(velocity: VelocityFunction, steps: int, count: int = 5) -> SectionPaths:
    angles = torch.arange(count) * 1.0
    start = torch.stack([angles.cos(), angles.sin()], dim=1)
    return trace_section(section(), velocity, start, np.array([0, 2]), steps, None)


def test_a_constant_velocity_is_straight_and_needs_one_step() -> None:
    found = trace(lambda z, t: torch.ones_like(z), 16)
    np.testing.assert_allclose(found.straightness, 1, rtol=1e-6)
    np.testing.assert_allclose(found.one_step_error, 0, atol=1e-6)


def test_half_a_turn_is_half_pi_times_its_chord() -> None:
    def turn(z: Tensor, t: float) -> Tensor:
        return math.pi * torch.stack([-z[:, 1], z[:, 0]], dim=1)

    found = trace(turn, 4096)
    np.testing.assert_allclose(found.straightness, math.pi / 2, rtol=2e-3)
    # One step goes along the tangent: from (1, 0) to (1, pi), while the end is (-1, 0).
    np.testing.assert_allclose(found.one_step_error, math.hypot(2, math.pi) / 2, rtol=3e-3)


def test_a_path_that_goes_nowhere_has_no_straightness() -> None:
    assert np.isnan(trace(lambda z, t: torch.zeros_like(z), 16).straightness).all()


def test_only_the_chosen_paths_are_kept_from_start_to_end() -> None:
    found = trace(lambda z, t: torch.ones_like(z), 16)
    assert found.paths.shape == (2, 17, 2)
    np.testing.assert_allclose(found.paths[0, 0], [1, 0])
    np.testing.assert_allclose(found.paths[:, -1], found.one_step, rtol=1e-6)
    assert len(found.straightness) == 5


def test_the_first_section_of_each_known_type_is_followed() -> None:
    sections = [section("B", "PRAD"), section("A", "IDC"), section("C", "IDC"), section("D", "Unknown")]
    assert [chosen.id for chosen in choose_sections(sections)] == ["A", "B"]
    assert [chosen.id for chosen in choose_sections(sections[3:])] == ["D"]
    assert len(choose_sections(sections, most=1)) == 1


def test_the_plane_holds_the_direction_in_which_ends_differ_most() -> None:
    found = trace(lambda z, t: torch.tensor([9.0, 0.0]) * z, 16, count=40)
    plane = plane_of_ends([found])
    assert plane.share == pytest.approx(1)
    assert plane.project(found.paths).shape == (2, 17, 2)
