"""A folder of results in one process: what is done, what is left, what is refused."""

from __future__ import annotations

import csv
import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata as ad
import pytest

from molf_engine.cohort.claims import Owner
from molf_engine.cohort.processes import Working
from molf_engine.cohort.state import Attempt, CohortFolder, SlideState, now
from molf_engine.cohort.summary import read_summary
from molf_engine.cohort.work import Busy, predict_assigned
from molf_engine.errors import Cancelled, MolfError
from molf_engine.slides import fingerprint, open_slide

from .helpers import cohort, ignore, outcomes, state, written
from .test_claims import elsewhere, write_claim


@pytest.fixture
def a(slides: Path) -> Path:
    return slides / "a.tif"


@pytest.fixture(scope="session")
def done_once(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("done") / "out"
    cohort([slides / "a.tif", slides / "c.tif"], folder).run(ignore)
    return folder


@pytest.fixture
def done(done_once: Path, tmp_path: Path) -> Path:
    """Folder with the results of two slides, a and c."""
    return Path(shutil.copytree(done_once, tmp_path / "out"))


def test_a_state_says_what_was_done_by_whom_with_what(done: Path, a: Path) -> None:
    found = state(done, "a")
    with open_slide(a) as slide:
        assert found.fingerprint == fingerprint(slide)
    result = ad.read_h5ad(done / "a.h5ad")
    assert (found.status, found.output, found.patches) == ("done", "a.h5ad", result.n_obs)
    assert found.unfamiliar == pytest.approx(result.obs["unfamiliar"].mean())
    assert found.options["weights"] == result.uns["molf"]["weights_hash"]
    assert found.um_per_pixel == 1.0
    (attempt,) = found.attempts
    here = Owner.here("any")
    assert (attempt.host, attempt.pid, attempt.outcome) == (here.host, here.pid, "done")
    assert attempt.ended is not None
    assert attempt.started < attempt.ended
    assert attempt.memory_mb is None or attempt.memory_mb > 50


def test_the_same_command_again_does_nothing_twice(done: Path, slides: Path) -> None:
    before = written(done)
    again = cohort([slides / "a.tif", slides / "c.tif", slides / "d.tif"], done)
    assert [found.name for found in again.plan.done] == ["a", "c"]
    again.run(ignore)
    after = written(done)
    assert set(after) == {"a", "c", "d"}
    assert {name: after[name] for name in before} == before
    assert outcomes(done, "a") == ["done"]


def test_results_of_other_settings_are_refused_and_replaced_on_demand(done: Path, a: Path) -> None:
    before = written(done)
    with pytest.raises(MolfError, match=r"a.h5ad: code Unknown there, SIM_A now.*--overwrite"):
        cohort([a], done, code="SIM_A")
    assert written(done) == before
    cohort([a], done, code="SIM_A", overwrite=True).run(ignore)
    assert ad.read_h5ad(done / "a.h5ad").uns["molf"]["cancer_code"] == "SIM_A"
    assert written(done)["c"] == before["c"]
    assert not cohort([a], done, code="SIM_A", overwrite=True).plan.todo


def test_a_result_of_unknown_origin_is_refused(done: Path, slides: Path) -> None:
    (done / "d.h5ad").write_text("somebody's work")
    with pytest.raises(MolfError, match=r"d.h5ad: it does not say what it was made with"):
        cohort([slides / "d.tif"], done)
    assert (done / "d.h5ad").read_text() == "somebody's work"


def test_another_slide_of_the_same_name_is_refused(done: Path, slides: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(slides / "d.tif", tmp_path / "other" / "a.tif")
    with pytest.raises(MolfError, match="it is of another slide"):
        cohort([tmp_path / "other" / "a.tif"], done)


@pytest.mark.parametrize("loss", ["state", "damaged state", "died before its state"])
def test_a_result_is_known_again_without_its_state(done: Path, a: Path, loss: str) -> None:
    before, known = written(done), state(done, "a")
    path = done / ".molf" / "a.json"
    if loss == "state":
        path.unlink()
    elif loss == "damaged state":
        path.write_text(path.read_text()[:200])
    else:
        dead = Attempt("run", "host", 1, now())
        CohortFolder(done).write(replace(known, status="running", patches=None, attempts=(dead,)))
    cohort([a], done).run(ignore)
    assert written(done) == before
    after = state(done, "a")
    assert (after.status, after.patches, after.fingerprint) == ("done", known.patches, known.fingerprint)


def test_a_result_that_is_gone_is_made_again(done: Path, a: Path) -> None:
    (done / "a.h5ad").unlink()
    cohort([a], done).run(ignore)
    assert (done / "a.h5ad").exists()
    assert outcomes(done, "a") == ["done", "done"]


def test_a_broken_slide_costs_the_others_nothing_and_is_tried_again_on_demand(slides: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes((slides / "a.tif").read_bytes()[:5000])
    files, out = [slides / "a.tif", bad, slides / "c.tif"], tmp_path / "out"
    end = cohort(files, out).run(ignore)
    assert {row["slide"]: row["status"] for row in end.rows} == {"a": "done", "bad": "failed", "c": "done"}
    assert "bad.tif" in (state(out, "bad").error or "")
    assert not cohort(files, out).plan.todo
    shutil.copy(slides / "d.tif", bad)
    cohort(files, out, retry_failed=True).run(ignore)
    assert state(out, "bad").status == "done"
    assert state(out, "bad").error is None
    assert outcomes(out, "bad") == ["failed", "done"]


def test_a_failure_with_other_settings_is_no_reason_not_to_try(slides: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.tif"
    cohort([missing], tmp_path / "out").run(ignore)
    assert cohort([missing], tmp_path / "out").plan.failed
    assert cohort([missing], tmp_path / "out", code="SIM_A").plan.todo


def test_a_mistake_of_ours_costs_one_slide_and_leaves_its_traceback(
    slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from molf_engine.cohort import work

    predict = work.predict_file

    def stumble(task: Any, *args: Any, **settings: Any) -> Any:
        if task.name == "a":
            raise ZeroDivisionError("by patches")
        return predict(task, *args, **settings)

    monkeypatch.setattr(work, "predict_file", stumble)
    end = cohort([slides / "a.tif", slides / "c.tif"], tmp_path / "out").run(ignore)
    assert [row["status"] for row in end.rows] == ["failed", "done"]
    failed = state(tmp_path / "out", "a")
    assert failed.error == "ZeroDivisionError: by patches"
    assert "in stumble" in (failed.attempts[-1].details or "")


def test_a_full_disk_leaves_nothing_half_written(a: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:

        def full(self: ad.AnnData, path: Path, **_: object) -> None:
            path.write_bytes(b"half a res")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

        patch.setattr(ad.AnnData, "write_h5ad", full)
        end = cohort([a], out).run(ignore)
    assert end.rows[0]["status"] == "failed"
    assert "the disk is full" in end.rows[0]["error"]
    assert not list(out.glob("*.h5ad"))
    assert not list((out / ".molf" / "partial").iterdir())
    cohort([a], out, retry_failed=True).run(ignore)
    assert state(out, "a").status == "done"


def test_a_disk_without_room_for_a_state_still_gives_an_answer(
    a: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cohort([a], tmp_path / "out")

    def full(self: CohortFolder, state: SlideState) -> None:
        raise MolfError("Cannot write: the disk is full")

    monkeypatch.setattr(CohortFolder, "write", full)
    outcome = predict_assigned(made.job, made.plan.todo[0])
    assert isinstance(outcome, SlideState)
    assert (outcome.status, outcome.error) == ("failed", "Cannot write: the disk is full")
    assert not list((tmp_path / "out" / ".molf").glob("*.claim"))


def test_a_folder_that_a_worker_does_not_see_is_said(a: Path, tmp_path: Path) -> None:
    made = cohort([a], tmp_path / "out")
    outcome = predict_assigned(replace(made.job, folder=tmp_path / "elsewhere"), made.plan.todo[0])
    assert isinstance(outcome, SlideState)
    assert "Every worker must see it" in (outcome.error or "")
    assert not (tmp_path / "elsewhere").exists()


def test_a_slide_that_someone_has_is_left_alone_and_one_of_the_dead_is_not(slides: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = cohort([slides / "a.tif", slides / "c.tif"], out)
    write_claim(out / ".molf" / "a.claim", elsewhere())
    write_claim(out / ".molf" / "c.claim", replace(Owner.here("dead"), born=1000.0))
    end = made.run(ignore)
    assert end.finished["a"] == Busy("a", elsewhere())
    assert set(written(out)) == {"c"}
    assert not (out / ".molf" / "c.claim").exists()


def test_two_dead_workers_in_one_run_are_enough(a: Path, tmp_path: Path) -> None:
    made = cohort([a], tmp_path / "out")
    folder, item = CohortFolder(tmp_path / "out"), made.plan.todo[0]
    dead = Attempt(made.job.run, "host", 1, now())
    left = SlideState("a", str(a), item.digest, status="running", attempts=(dead.end("died", "first"), dead))
    folder.write(left)
    outcome = predict_assigned(made.job, replace(item, death="ended by SIGSEGV"))
    assert isinstance(outcome, SlideState)
    assert outcome.status == "failed"
    assert outcome.error == "2 workers died over it. The last: ended by SIGSEGV"
    folder.write(left)
    # Another command does not inherit the count: the machine may have been switched off twice.
    assert cohort([a], tmp_path / "out").run(ignore).rows[0]["status"] == "done"


def test_being_interrupted_gives_the_slide_back(slides: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def interrupt(event: object) -> None:
        if isinstance(event, Working) and event.name == "c" and event.progress.phase == "Encoding patches":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cohort([slides / name for name in ("a.tif", "c.tif", "d.tif")], out).run(interrupt)
    assert [state(out, name).status for name in "acd"] == ["done", "queued", "queued"]
    assert outcomes(out, "c") == ["stopped"]
    assert not list((out / ".molf").glob("*.claim"))
    assert [row["status"] for row in read_summary(out)] == ["done", "queued", "queued"]


def test_a_stop_file_gives_the_slide_back(a: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molf_engine.cohort.work._LOOK_SECONDS", 0.0)
    made = cohort([a], tmp_path / "out")
    made.job.stop_file.touch()
    outcome = predict_assigned(made.job, made.plan.todo[0])
    assert isinstance(outcome, SlideState)
    assert outcome.status == "queued"
    assert outcomes(tmp_path / "out", "a") == ["stopped"]


def test_a_worker_that_lost_its_claim_publishes_nothing(
    a: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cohort([a], tmp_path / "out")

    def taken(progress: object) -> None:
        write_claim(tmp_path / "out" / ".molf" / "a.claim", elsewhere())

    assert isinstance(predict_assigned(made.job, made.plan.todo[0], taken), Busy)
    assert not written(tmp_path / "out")
    assert not list((tmp_path / "out" / ".molf" / "partial").iterdir())
    assert (tmp_path / "out" / ".molf" / "a.claim").exists()


def test_cancelling_is_heard(a: Path, tmp_path: Path) -> None:
    made = cohort([a], tmp_path / "out")

    def cancel(progress: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        predict_assigned(made.job, made.plan.todo[0], cancel)
    assert state(tmp_path / "out", "a").status == "queued"


def test_other_weights_on_a_worker_are_refused(a: Path, tmp_path: Path) -> None:
    made = cohort([a], tmp_path / "out")
    item = replace(made.plan.todo[0], options={**made.plan.todo[0].options, "weights": "0" * 64})
    outcome = predict_assigned(made.job, item)
    assert isinstance(outcome, SlideState)
    assert "has other weights on this machine" in (outcome.error or "")


def test_an_unknown_code_is_refused_before_any_slide(slides: Path, tmp_path: Path) -> None:
    with pytest.raises(MolfError, match="does not know the cancer code 'COAD'"):
        cohort([slides / "a.tif"], tmp_path / "out", code="COAD")
    assert not (tmp_path / "out").exists()


def test_the_three_summaries_say_the_same(done: Path) -> None:
    rows = read_summary(done)
    with (done / "summary.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["slide"] for row in table] == [row["slide"] for row in rows] == ["a", "c"]
    assert [int(row["patches"]) for row in table] == [row["patches"] for row in rows]
    text = (done / "summary.md").read_text()
    assert "2 slides: 2 done" in text
    assert f"| a | done | {rows[0]['patches']} |" in text
    manifest = json.loads(next((done / ".molf" / "runs").iterdir()).read_text())
    assert manifest["finished"] == {"a": "done", "c": "done"}
