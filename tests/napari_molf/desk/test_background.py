"""Work beside the window's thread."""

from __future__ import annotations

import threading

from molf_engine.errors import SlideError
from napari_molf.desk.background import Newest, sentence


def collect(newest: Newest) -> list[object]:
    seen: list[object] = []
    newest.done.connect(lambda token, _: seen.append(token))
    return seen


def test_what_waits_is_replaced_by_what_is_asked_later(qtbot) -> None:
    newest, begun, gate = Newest(), threading.Event(), threading.Event()
    seen = collect(newest)
    newest.ask("first", lambda: begun.set() or gate.wait())
    # While the first is being worked on, and not before.
    assert begun.wait(5)
    for token in ("second", "third", "last"):
        newest.ask(token, lambda: None)
    assert newest.busy
    gate.set()
    qtbot.waitUntil(lambda: not newest.busy)
    assert seen[-1] == "last" and "second" not in seen and "third" not in seen
    newest.stop()


def test_answers_come_on_the_window_thread_and_work_does_not_run_there(qtbot) -> None:
    newest, threads = Newest(), []
    newest.done.connect(lambda *_: threads.append(threading.current_thread()))
    newest.ask("a", lambda: threads.append(threading.current_thread()))
    qtbot.waitUntil(lambda: len(threads) == 2)
    assert threads[0] is not threading.main_thread() and threads[1] is threading.main_thread()
    newest.stop()


def test_an_answer_that_was_given_up_is_dropped(qtbot) -> None:
    newest, gate = Newest(), threading.Event()
    seen = collect(newest)
    newest.ask("old", gate.wait)
    newest.forget()
    gate.set()
    newest.ask("new", lambda: None)
    qtbot.waitUntil(lambda: not newest.busy)
    assert seen == ["new"]
    newest.stop()


def test_an_error_is_an_answer_and_the_thread_goes_on(qtbot) -> None:
    newest, errors = Newest(), []
    newest.failed.connect(lambda token, error: errors.append((token, error)))
    seen = collect(newest)

    def broken() -> None:
        raise SlideError("no such slide")

    newest.ask("bad", broken)
    qtbot.waitUntil(lambda: bool(errors))
    assert errors[0][0] == "bad" and sentence(errors[0][1]) == "no such slide"
    newest.ask("good", lambda: None)
    qtbot.waitUntil(lambda: seen == ["good"])
    newest.stop()


def test_an_unexpected_error_is_said_without_a_traceback(caplog) -> None:
    text = sentence(KeyError("x"))
    assert "KeyError" in text and "Traceback" not in text
    assert caplog.records
