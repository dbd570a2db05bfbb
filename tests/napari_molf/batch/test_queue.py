"""Slides that wait: who is next, and what is said of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_molf.batch.queue import SIGNS, Queue, State
from napari_molf.core.request import Request


def request(name: str) -> Request:
    return Request(Path(name), "model")


@pytest.fixture
def three() -> Queue:
    queue = Queue()
    for name in "abc":
        queue.put(name, Path(name), request(name))
    return queue


def test_one_slide_runs_at_a_time_in_the_order_in_which_they_came(three: Queue) -> None:
    first = three.take()
    assert first is not None and first.name == "a" and three.take() is None
    three.end(State.DONE, "9 patches", "run-a")
    second = three.take()
    assert second is not None and second.name == "b"
    assert (first.state, first.note, first.run_id) == (State.DONE, "9 patches", "run-a")


def test_a_slide_stands_in_it_once_and_waits_again_with_the_settings_of_today(three: Queue) -> None:
    three.take()
    three.end(State.DONE)
    later = Request(Path("a"), "another model")
    three.put("a", Path("a"), later)
    assert len(three) == 3
    again = three.take()
    assert again is not None and again.request is later


def test_a_slide_that_is_being_predicted_goes_on_as_it_is(three: Queue) -> None:
    running = three.take()
    assert three.put("a", Path("a"), request("other")) is running and three.running is running
    three.forget(Path("a"))
    assert three.running is running


def test_a_slide_that_lacks_something_has_failed_and_is_never_taken() -> None:
    queue = Queue()
    item = queue.put("a", Path("a"), None, "um per pixel is not known")
    assert queue.take() is None and item.text == f"{SIGNS[State.FAILED]} um per pixel is not known"
    assert queue.retry() == 0


def test_what_waits_can_be_given_up_and_asked_for_again(three: Queue) -> None:
    three.take()
    assert three.give_up_waiting() == 2 and three.running is not None
    three.end(State.FAILED, "no tissue")
    assert three.summary == "0 of 3 slides done, 1 failed, 2 cancelled"
    assert three.retry() == 3 and [item.note for item in three] == ["", "", ""]


def test_every_state_has_a_sign_of_its_own() -> None:
    assert set(SIGNS) == set(State) and len(set(SIGNS.values())) == len(State)
