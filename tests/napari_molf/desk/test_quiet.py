"""Short garbage collections while a prediction is made, and whole ones afterwards."""

from __future__ import annotations

import gc
import weakref

from napari_molf.desk.quiet import QuietCollector


class Ring:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.me = self


def test_what_existed_before_is_left_out_until_the_end(qtbot) -> None:
    before = gc.get_freeze_count()
    collector = QuietCollector()
    old = Ring()
    gone = weakref.ref(old)
    collector.begin()
    collector.begin()
    try:
        assert gc.get_freeze_count() > before + 1000
        del old
        gc.collect()
        assert gone() is not None
        new = Ring()
        new_gone = weakref.ref(new)
        del new
        gc.collect()
        assert new_gone() is None
        collector.end_soon()
        qtbot.waitUntil(lambda: gc.get_freeze_count() <= before)
    finally:
        collector.end()
    gc.collect()
    assert gone() is None


def test_a_new_beginning_puts_the_end_off(qtbot) -> None:
    collector = QuietCollector()
    collector.begin()
    try:
        collector.end_soon()
        collector.begin()
        assert not collector._timer.isActive()
    finally:
        collector.end()
