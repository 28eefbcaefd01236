"""Results on disk survive crashes, full disks, clocks that jump, and two writers."""

import errno
import io
import os
import resource
import signal
from datetime import UTC, datetime, timedelta

import pytest
from test_records import a_trial

from bench import store
from bench.errors import StoreError
from bench.records import Device, Model, Plan, Precision

DEVICE = Device(serial="S1", virtual=False, model="Phone")
MODEL = Model(name="m", path="m.tflite", sha256="0" * 64, size_bytes=4)


def a_plan(name="s"):
    return Plan(
        name=name,
        seed=1,
        created_at="2026-01-01T00:00:00+00:00",
        repetitions=1,
        precision=Precision(),
        trials=(),
        devices=("S1",),
    )


def a_run(folder, name="s"):
    return store.create_run(folder, "name = 's'\n", a_plan(name), {"S1": DEVICE}, {"m": MODEL})


def test_what_is_appended_is_read_back_in_order(tmp_path):
    writer = a_run(tmp_path)
    trials = [a_trial(key=f"k{n}", index=n) for n in range(3)]
    for trial in trials:
        writer.append(trial)
    writer.close()
    assert list(store.read_trials(writer.path)) == trials
    run = store.read_run(writer.path)
    assert (run.plan, run.devices, run.models) == (a_plan(), {"S1": DEVICE}, {"m": MODEL})
    assert (writer.path / "sweep.toml").read_text() == "name = 's'\n"


def test_a_line_cut_by_a_crash_is_not_a_trial_and_is_dropped_on_resume(tmp_path):
    writer = a_run(tmp_path)
    writer.append(a_trial(key="whole"))
    writer.close()
    with (writer.path / "trials.jsonl").open("ab") as file:
        file.write(b'{"schema":1,"key":"cut')
    assert [t.key for t in store.read_trials(writer.path)] == ["whole"]
    again = store.resume_run(writer.path)
    again.append(a_trial(key="next"))
    again.close()
    assert [t.key for t in store.read_trials(writer.path)] == ["whole", "next"]


def test_a_spoiled_line_in_the_middle_is_named_not_read_over(tmp_path):
    writer = a_run(tmp_path)
    writer.close()
    (writer.path / "trials.jsonl").write_bytes(b'{"schema":1}\n')
    with pytest.raises(StoreError, match=r"trials\.jsonl, line 1"):
        list(store.read_trials(writer.path))


def test_two_processes_may_not_write_into_one_run(tmp_path):
    writer = a_run(tmp_path)
    with pytest.raises(StoreError, match="another bench is writing"):
        store.resume_run(writer.path)
    writer.close()
    store.resume_run(writer.path).close()


def test_runs_that_start_in_one_second_get_folders_of_their_own(tmp_path):
    writers = [a_run(tmp_path) for _ in range(3)]
    assert len({w.path for w in writers}) == 3
    assert store.latest_run(tmp_path, "s") == max(w.path for w in writers)
    for writer in writers:
        writer.close()


def test_a_run_that_begins_after_the_clock_was_put_back_is_the_newest(tmp_path, monkeypatch):
    paths = []
    for hours in (0, -3, -3, 1, -48):
        clock_is_off_by(hours, monkeypatch)
        writer = a_run(tmp_path)
        writer.close()
        paths.append(writer.path)
        assert store.latest_run(tmp_path, "s") == writer.path
    assert store.find_runs(tmp_path) == paths


def clock_is_off_by(hours, monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr(store, "datetime", Clock)


def test_more_than_nine_runs_of_one_second_are_in_the_order_of_their_starts(tmp_path, monkeypatch):
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return noon

    monkeypatch.setattr(store, "datetime", Clock)
    paths = []
    for _ in range(11):
        writer = a_run(tmp_path)
        writer.close()
        paths.append(writer.path)
    assert store.find_runs(tmp_path) == paths
    assert store.latest_run(tmp_path, "s") == paths[-1]


def test_a_folder_whose_making_was_cut_short_is_no_run(tmp_path, monkeypatch):
    first = a_run(tmp_path)
    first.close()

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(store.Path, "rename", killed)  # the last step
        with pytest.raises(SystemExit):
            a_run(tmp_path)
    assert store.latest_run(tmp_path, "s") == first.path
    assert store.find_runs(tmp_path) == [first.path]
    a_run(tmp_path).close()


def limited(size):
    """No file of this process may become larger, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))


@pytest.mark.parametrize("more", [1, 100], ids=["a byte", "a part"])
def test_a_line_that_a_full_disk_cut_is_taken_back_and_not_written_twice(tmp_path, more):
    writer = a_run(tmp_path)
    writer.append(a_trial(key="first"))
    file = writer.path / "trials.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limited(file.stat().st_size + more)
    try:
        with pytest.raises(StoreError, match=r"can't write results in .*--results"):
            writer.append(a_trial(key="second"))
        assert file.read_bytes().endswith(b"}\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.append(a_trial(key="third"))
    writer.close()
    assert [t.key for t in store.read_trials(writer.path)] == ["first", "third"]


def test_a_line_that_the_disk_never_got_is_taken_back(tmp_path, monkeypatch):
    writer = a_run(tmp_path)
    writer.append(a_trial(key="first"))

    def no_space(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "fsync", no_space)
        with pytest.raises(StoreError, match=r"No space left.*Make room, .* --resume"):
            writer.append(a_trial(key="second"))
    writer.append(a_trial(key="second"))
    writer.close()
    assert [t.key for t in store.read_trials(writer.path)] == ["first", "second"]


def test_a_line_that_ctrl_c_cut_is_taken_back(tmp_path, monkeypatch):
    class Cut(io.FileIO):
        def write(self, data):
            if len(data) < 100:
                raise KeyboardInterrupt
            return super().write(data[: len(data) - 50])

    writer = a_run(tmp_path)
    writer.append(a_trial(key="first"))
    with monkeypatch.context() as patch:
        patch.setattr(store.Path, "open", lambda path, mode, buffering: Cut(path, "ab"))
        with pytest.raises(KeyboardInterrupt):
            writer.append(a_trial(key="second"))
    writer.append(a_trial(key="third"))
    writer.close()
    assert [t.key for t in store.read_trials(writer.path)] == ["first", "third"]


def test_a_line_that_is_whole_when_ctrl_c_comes_is_kept(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    writer = a_run(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(store.os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append(a_trial(key="first"))
    writer.close()
    assert [t.key for t in store.read_trials(writer.path)] == ["first"]


def test_a_run_that_was_given_another_name_is_not_the_newest(tmp_path):
    baseline = a_run(tmp_path)
    baseline.close()
    baseline.path.rename(baseline.path.with_name("baseline"))
    newest = a_run(tmp_path)
    newest.close()
    assert store.latest_run(tmp_path, "s") == newest.path


def test_a_run_that_cannot_be_made_ready_is_let_go_of(tmp_path, monkeypatch):
    writer = a_run(tmp_path)
    writer.close()

    def refused(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(store, "_whole_lines", refused)
        with pytest.raises(StoreError, match="Input/output error"):
            store.resume_run(writer.path)
    store.resume_run(writer.path).close()


def test_an_unwritable_folder_is_one_clear_error(tmp_path):
    (tmp_path / "results").write_text("a file stands where the folder should be")
    with pytest.raises(StoreError, match=r"can't write results in .*--results"):
        a_run(tmp_path / "results")


def test_a_log_is_bounded(tmp_path):
    writer = a_run(tmp_path)
    writer.log("k", ("runner", "--model=x"), b"x" * (store.LOG_LIMIT * 2))
    writer.close()
    assert (writer.path / "logs" / "k.txt").stat().st_size == store.LOG_LIMIT


def test_runs_are_found_at_every_level(tmp_path):
    paths = []
    for name in ("a", "b"):
        writer = a_run(tmp_path, name)
        paths.append(writer.path)
        writer.close()
    assert store.find_runs(paths[0]) == [paths[0]]
    assert store.find_runs(tmp_path / "b") == [paths[1]]
    assert store.find_runs(tmp_path) == paths
    with pytest.raises(StoreError, match="no results"):
        store.find_runs(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="no run"):
        store.find_runs(tmp_path / "empty")
