"""Who may work on a slide: one at a time, and after a death the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from molf_engine.cohort import claims
from molf_engine.cohort.claims import STALE_SECONDS, Claim, ClaimLostError, Owner, read_owner, take
from molf_engine.errors import MolfError


def write_claim(path: Path, owner: Owner, age: float = 0.0) -> None:
    """Leave a claim as another process would, with its last sign of life ``age`` s ago."""
    path.write_text(json.dumps(asdict(owner)))
    then = time.time() - age
    os.utime(path, (then, then))


def elsewhere() -> Owner:
    """Owner on another machine."""
    return replace(Owner.here("other"), host="far", machine="far away", token="f" * 8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "slide.claim"


def test_a_claim_is_had_by_one_and_free_again_at_its_end(path: Path) -> None:
    claim = take(path, "first")
    assert isinstance(claim, Claim)
    with claim:
        holder = take(path, "second")
        assert isinstance(holder, Owner)
        assert (holder.run, holder.pid) == ("first", os.getpid())
    assert not list(path.parent.iterdir())


def test_the_claim_of_a_process_that_ended_is_taken_over_at_once(path: Path) -> None:
    code = f"from pathlib import Path; from molf_engine.cohort.claims import take; take(Path({str(path)!r}), 'dead')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    owner = read_owner(path)
    assert owner is not None
    assert owner.run == "dead"
    assert isinstance(take(path, "next"), Claim)


def test_the_claim_of_a_process_that_lives_is_not_taken_however_slow_it_is(path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from molf_engine.cohort.claims import take
with take(Path({str(path)!r}), 'alive'):
    print('have it', flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "have it\n"
        holder = take(path, "next")
        assert isinstance(holder, Owner)
        assert holder.pid == child.pid
        child.communicate("")
    assert isinstance(take(path, "next"), Claim)


def test_a_process_number_that_is_used_again_is_not_the_owner(path: Path) -> None:
    write_claim(path, replace(Owner.here("before"), born=1000.0))
    assert isinstance(take(path, "next"), Claim)


@pytest.mark.parametrize(("age", "free"), [(0.0, False), (STALE_SECONDS - 30, False), (STALE_SECONDS + 30, True)])
def test_on_another_machine_the_heartbeat_decides(path: Path, age: float, free: bool) -> None:
    write_claim(path, elsewhere(), age)
    assert isinstance(take(path, "next"), Claim) is free


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"host": "x"}'])
def test_a_claim_that_cannot_be_read_is_respected_until_it_is_old(path: Path, content: str) -> None:
    path.write_text(content)
    assert take(path, "next") is None
    then = time.time() - STALE_SECONDS - 1
    os.utime(path, (then, then))
    assert isinstance(take(path, "next"), Claim)


def test_of_many_that_find_a_stale_claim_one_gets_it(path: Path) -> None:
    for _ in range(10):
        write_claim(path, elsewhere(), STALE_SECONDS + 1)
        start = threading.Barrier(8)

        def try_it(number: int, start: threading.Barrier = start) -> bool:
            start.wait()
            return isinstance(take(path, str(number)), Claim)

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(try_it, range(8))) == 1


def test_a_takeover_that_was_cut_short_does_not_block_the_slide_for_ever(path: Path) -> None:
    write_claim(path, elsewhere(), STALE_SECONDS + 1)
    write_claim(path.with_name("slide.claim.takeover"), replace(Owner.here("dead"), born=1000.0))
    assert not isinstance(take(path, "first look"), Claim)
    assert isinstance(take(path, "second look"), Claim)


def test_an_owner_that_was_taken_for_dead_finds_out_and_leaves_the_new_claim_alone(path: Path) -> None:
    claim = take(path, "slow")
    assert isinstance(claim, Claim)
    with claim:
        claim.confirm()
        write_claim(path, elsewhere())
        with pytest.raises(ClaimLostError, match="taken over"):
            claim.confirm()
    assert read_owner(path) == elsewhere()


def test_an_owner_shows_life(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", 0.005)
    shown = threading.Event()
    touch = os.utime

    def watched(target: Path, *times: object) -> None:
        touch(target)
        shown.set()

    claim = take(path, "alive")
    assert isinstance(claim, Claim)
    touch(path, (0, 0))
    monkeypatch.setattr(os, "utime", watched)
    with claim:
        assert shown.wait(20)
        assert time.time() - path.stat().st_mtime < 60


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(MolfError, match="Cannot write"):
        take(tmp_path / "none" / "slide.claim", "run")
