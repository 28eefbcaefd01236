"""Whole sweeps on fake phones: every planned trial leaves one line, whatever happens."""

import contextlib
import sys
import threading
import time

import msgspec
import pytest
from fake_phone import FakePhone, document, well
from tiny_elf import tiny_elf
from tiny_models import conv_net

from bench import engine, runtime, store
from bench import sweep as sweeps
from bench.device import Finished, Preparation, describe
from bench.errors import (
    DeviceError,
    DeviceFull,
    DeviceLost,
    DeviceTimeout,
    ModelError,
    RunnerError,
    StoreError,
    UsageError,
)
from bench.records import Check, Fitness
from bench.trial import Gate, Station, run_trial
from bench.trial.runners import BenchmarkModel, BenchRunner

SIZES = {"a": 8, "b": 12}  # makes two models of two names

SWEEP = """\
name = "s"
repetitions = 2
[[models]]
files = "*.tflite"
[config]
threads = [1, 2]
"""


@pytest.fixture
def rig(tmp_path, monkeypatch):
    return Rig(tmp_path, monkeypatch)


class Rig:
    """A sweep of two models, and phones by serial."""

    def __init__(self, folder, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        self.folder = folder
        self.events = []
        self.phones = {}
        for name in ("a", "b"):
            (folder / f"{name}.tflite").write_bytes(conv_net(size=SIZES[name]))
        self.write(SWEEP)

    def write(self, text):
        (self.folder / "s.toml").write_text(text)

    def phone(self, serial="FAKE1", runner=well):
        self.phones[serial] = FakePhone(serial, runner)
        return self.phones[serial]

    def connect(self, serial):
        return self.phones[serial]

    def sweep(self, **options):
        return engine.run_sweep(
            sweeps.load(self.folder / "s.toml"),
            list(self.phones),
            connect=options.pop("connect", self.connect),
            results=self.folder / "results",
            host_runtime=options.pop("host_runtime", None),  # it takes a second for each model
            patience=engine.Patience(return_within_s=0.05, poll_s=0.01),
            on_event=options.pop("on_event", self.events.append),
            **options,
        )


def lines(outcome):
    return list(store.read_trials(outcome.path))


def nth_start(n, then):
    """A runner that does something else the nth time."""
    starts = iter(range(1, 1000))
    return lambda argv: then(argv) if next(starts) == n else well(argv)


def raising(error):
    def runner(argv):
        raise error

    return runner


def test_every_planned_trial_leaves_one_ok_line(rig):
    rig.phone()
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed, outcome.not_run) == (8, 0, 0)
    trials = lines(outcome)
    assert [t.index for t in trials] == list(range(8))
    assert len({t.key for t in trials}) == 8
    assert {t.virtual for t in trials} == {True}
    assert trials[0].state_before.battery_level == 80
    assert trials[0].measurement.samples_us == (100.0,) * 40


def test_nothing_is_pushed_twice(rig):
    phone = rig.phone()
    trials = lines(rig.sweep())
    assert sum(t.pushed_bytes for t in trials) < phone.pushed_bytes  # the probe is no trial's
    before = phone.pushed_bytes
    phone.verified.clear()  # a new connection knows nothing
    assert sum(t.pushed_bytes for t in lines(rig.sweep())) == 0
    assert phone.pushed_bytes == before


def test_two_phones_run_the_same_plan_at_once(rig):
    meeting = threading.Barrier(2, timeout=20)

    def meet(argv):
        meeting.wait()
        return well(argv)

    rig.phone("ONE", meet)
    rig.phone("TWO", meet)
    trials = lines(rig.sweep())
    for serial in ("ONE", "TWO"):
        assert [t.index for t in trials if t.device == serial] == list(range(8))


def test_one_phone_under_two_serials_is_measured_once(rig):
    phone = rig.phone("ONE")
    rig.phones["10.0.0.1:5555"] = phone
    assert rig.sweep().ok == 8


def test_a_crash_of_the_runner_is_a_failed_trial_with_a_reason_and_the_sweep_goes_on(rig):
    killed = Finished(exit_code=137, stdout=b"", stderr=b"", duration_s=0.1)
    rig.phone(runner=nth_start(3, lambda argv: killed))
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed) == (7, 1)
    failed = lines(outcome)[2]
    assert failed.status == "failed"
    assert "low-memory killer" in failed.reason
    assert failed.argv


def test_a_cut_output_is_a_failed_trial_not_a_number(rig):
    cut = Finished(exit_code=0, stdout=document()[:-20], stderr=b"", duration_s=0.1)
    rig.phone(runner=nth_start(1, lambda argv: cut))
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed) == (7, 1)
    assert "cut or damaged" in lines(outcome)[0].reason


def test_a_latency_that_no_clock_has_is_a_failed_trial(rig):
    absurd = Finished(exit_code=0, stdout=document([5e-324] * 40), stderr=b"", duration_s=0.1)
    rig.phone(runner=nth_start(1, lambda argv: absurd))
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed) == (7, 1)
    assert "makes no sense: a latency is more than 0 us" in lines(outcome)[0].reason


def test_a_hanging_runner_is_a_failed_trial(rig):
    rig.phone(runner=nth_start(2, raising(DeviceTimeout("not done after 5 s"))))
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed) == (7, 1)
    assert lines(outcome)[1].reason == "not done after 5 s"


def test_a_phone_that_goes_away_and_comes_back_loses_no_trial(rig):
    rig.phone(runner=nth_start(4, raising(DeviceLost("gone"))))
    outcome = rig.sweep()
    assert (outcome.ok, outcome.not_run) == (8, 0)
    assert [t.index for t in lines(outcome)] == list(range(8))
    assert [e.reason for e in rig.events if isinstance(e, engine.PhoneWaited)] == ["gone"]


def test_a_phone_that_stays_away_stops_alone_and_resume_finishes(rig):
    rig.phone("ONE", nth_start(3, raising(DeviceLost("gone"))))
    rig.phone("TWO")
    began = []

    def connect(serial):
        if serial in began:
            raise DeviceError("not connected")
        began.append(serial)
        return rig.phones[serial]

    outcome = rig.sweep(connect=connect)
    assert (outcome.ok, outcome.not_run) == (10, 6)
    assert list(outcome.stopped) == ["ONE"]
    assert "did not come back" in str(outcome.stopped["ONE"])
    again = rig.sweep(resume=True)
    assert again.path == outcome.path
    assert (again.ok, again.not_run) == (6, 0)
    assert sorted((t.device, t.index) for t in lines(again)) == [
        (serial, index) for serial in ("ONE", "TWO") for index in range(8)
    ]


def test_a_full_phone_stops_with_its_reason_and_loses_nothing(rig):
    phone = rig.phone()
    push = phone.push
    pushes = iter(range(1, 100))

    def push_until_full(local, remote, *, mode=0o644):
        if next(pushes) == 7:  # probe, runner, library, self-test, clean, first model, then this
            raise DeviceFull("no space for 'b.tflite'")
        return push(local, remote, mode=mode)

    phone.push = push_until_full
    outcome = rig.sweep()
    assert outcome.ok >= 1
    assert outcome.failed == 0
    assert outcome.ok + outcome.not_run == 8
    assert "no space" in str(outcome.stopped["FAKE1"])
    assert rig.sweep(resume=True).not_run == 0


def twins(rig, *runners):
    for number, runner in enumerate(runners):
        phone = rig.phone(f"TWIN{number}", runner)
        phone.model, phone.fingerprint = "Twin", "twin/build"


def test_identical_phones_share_a_plan_and_say_so(rig):
    rig.write("shard = true\n" + SWEEP)
    meeting = threading.Barrier(2, timeout=20)

    def meet(argv):
        meeting.wait()
        return well(argv)

    twins(rig, meet, meet)
    rig.phone("OTHER")
    trials = lines(rig.sweep())
    shared = [t for t in trials if t.device.startswith("TWIN")]
    assert sorted(t.index for t in shared) == list(range(8))
    assert {t.device for t in shared} == {"TWIN0", "TWIN1"}
    assert {t.shared_by for t in shared} == {2}
    alone = [t for t in trials if t.device == "OTHER"]
    assert [(t.index, t.shared_by) for t in alone] == [(index, 1) for index in range(8)]


def test_a_twin_takes_over_what_a_lost_phone_leaves(rig):
    rig.write("shard = true\n" + SWEEP)
    lost = threading.Event()

    def lose(argv):
        lost.set()
        raise DeviceFull("full")

    def after_the_loss(argv):
        assert lost.wait(20)
        return well(argv)

    twins(rig, lose, after_the_loss)
    outcome = rig.sweep()
    assert list(outcome.stopped) == ["TWIN0"]
    assert (outcome.ok, outcome.not_run) == (8, 0)
    assert sorted(t.index for t in lines(outcome)) == list(range(8))
    assert rig.sweep(resume=True).ok == 0  # all is done, by whichever twin


def test_a_twin_that_was_done_takes_over_what_a_phone_loses_at_the_end(rig):
    rig.write("shard = true\n" + SWEEP)
    began, others = threading.Event(), threading.Semaphore(0)

    def lose_the_last(argv):
        began.set()
        assert all(others.acquire(timeout=20) for _ in range(7))
        time.sleep(0.1)  # the twin has seen that nothing is left
        raise DeviceFull("full")

    def after_the_first(argv):
        assert began.wait(20)
        return well(argv)

    def hear(event):
        if isinstance(event, engine.TrialEnded):
            others.release()

    twins(rig, lose_the_last, after_the_first)
    outcome = rig.sweep(on_event=hear)
    assert (outcome.ok, outcome.not_run, list(outcome.stopped)) == (8, 0, ["TWIN0"])
    assert sorted(t.index for t in lines(outcome)) == list(range(8))


def test_an_interrupt_keeps_what_is_measured_and_resume_finishes(rig):
    def slow(argv):
        phone.wait_until_interrupted()
        interrupted = DeviceError("interrupted")
        interrupted.add_note("still changed")
        raise interrupted

    phone = rig.phone(runner=nth_start(3, slow))

    def press_ctrl_c(event):
        rig.events.append(event)
        if isinstance(event, engine.TrialStarted) and event.planned.index == 2:
            raise KeyboardInterrupt

    loaded = sweeps.load(rig.folder / "s.toml")
    outcome = engine.run_sweep(
        loaded,
        ["FAKE1"],
        connect=rig.connect,
        results=rig.folder / "results",
        on_event=press_ctrl_c,
    )
    assert outcome.interrupted
    assert (outcome.ok, outcome.not_run) == (2, 6)
    assert "still changed" in [e.note for e in rig.events if isinstance(e, engine.PhoneNoted)]
    again = rig.sweep(resume=True)
    assert [t.index for t in lines(again)] == list(range(8))


def test_an_interrupt_before_a_phone_is_heard_of_keeps_what_it_measured(rig):
    goes_on = {serial: threading.Event() for serial in ("FAKE1", "FAKE2")}
    for serial, event in goes_on.items():
        rig.phone(serial, nth_start(2, lambda argv, event=event: event.set() or well(argv)))

    def press_ctrl_c_once_the_other_has_ended_a_trial(event):
        if isinstance(event, engine.TrialStarted):
            (other,) = goes_on.keys() - {event.device.serial}
            assert goes_on[other].wait(20)
            raise KeyboardInterrupt

    outcome = rig.sweep(on_event=press_ctrl_c_once_the_other_has_ended_a_trial)
    assert outcome.interrupted
    assert outcome.ok == len(lines(outcome)) >= 1


OF_A_SWEEP = ("work.py", "tally.py", "store.py", "threading.py")


def ctrl_c_at(count):
    """A trace that presses Ctrl-C at the nth line of what runs a sweep; without one it counts."""
    seen = []
    begun = []

    def trace(frame, event, _):
        if event == "call":
            begun.extend(["run_all"] if frame.f_code.co_name == "run_all" else [])
            ours = frame.f_code.co_filename.endswith(OF_A_SWEEP)
            return trace if begun and ours else None
        if event == "line":
            seen.append(frame.f_lineno)
            if len(seen) == count:
                raise KeyboardInterrupt
        return trace

    return trace, seen


def traced(rig, trace, **options):
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return rig.sweep(**options)
    finally:
        sys.settrace(before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file left open
def test_ctrl_c_at_any_line_leaves_all_for_resume_to_finish(rig, monkeypatch):
    monkeypatch.setattr("bench.trial.gate.LOAD_S", 0.0)
    rig.write(SWEEP.replace("[1, 2]", "1"))
    for serial in ("ONE", "TWO"):
        rig.phone(serial)
    trace, seen = ctrl_c_at(None)
    assert traced(rig, trace).ok == 8
    points = range(1, len(seen), max(len(seen) // 20, 1))
    for point in points:
        trace, _ = ctrl_c_at(point)
        with contextlib.suppress(KeyboardInterrupt):  # while the phones were being waited for
            traced(rig, trace)
        for thread in threading.enumerate():
            if thread.name.startswith("phone ") and thread.is_alive():
                thread.join(20)
        went_on = rig.sweep(resume=True)
        assert (went_on.not_run, went_on.interrupted) == (0, False), point
        ends = sorted((t.device, t.index) for t in lines(went_on))
        assert ends == [(serial, index) for serial in ("ONE", "TWO") for index in range(4)], point
        assert [phone.owner for phone in rig.phones.values()] == [None, None], point


def test_a_fault_of_ours_on_one_phone_is_raised_when_the_others_are_done(rig):
    rig.phone("ONE", nth_start(3, lambda argv: 1 / 0))
    rig.phone("TWO")
    with pytest.raises(ZeroDivisionError):
        rig.sweep()
    (told,) = [event for event in rig.events if isinstance(event, engine.PhoneStopped)]
    assert "A fault of bench itself: ZeroDivisionError" in str(told.error)
    outcome = rig.sweep(resume=True)
    assert (outcome.ok, outcome.not_run) == (6, 0)


def test_what_ended_is_kept_though_nobody_can_be_told_of_it(rig):
    fourth = threading.Event()
    rig.phone("ONE")
    rig.phone("TWO", nth_start(4, lambda argv: fourth.set() or well(argv)))

    def closed_pipe(event):
        if isinstance(event, engine.TrialEnded):
            assert fourth.wait(20)
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        rig.sweep(on_event=closed_pipe)
    path = store.latest_run(rig.folder / "results", "s")
    assert sum(trial.device == "TWO" for trial in store.read_trials(path)) >= 3


def test_what_a_phone_cannot_do_is_skipped_with_the_reason(rig):
    rig.write(SWEEP + 'affinity = ["big", "mid"]\n')
    phone = rig.phone()
    outcome = rig.sweep()
    assert (outcome.ok, outcome.skipped) == (8, 8)
    assert {t.reason for t in lines(outcome) if t.status == "skipped"} == {
        "affinity mid: this device has only 2 clusters"
    }
    assert all("--cpu-mask=f0" in argv for argv in phone.started)


def test_resume_refuses_a_changed_sweep_a_changed_model_and_a_stranger(rig):
    rig.phone()
    rig.sweep()
    rig.write(SWEEP.replace("[1, 2]", "[1, 4]"))
    with pytest.raises(UsageError, match="sweep file has changed"):
        rig.sweep(resume=True)
    rig.write('prepare = ["stay_awake"]\n' + SWEEP)
    with pytest.raises(UsageError, match="sweep file has changed"):
        rig.sweep(resume=True)
    rig.write(SWEEP)
    (rig.folder / "a.tflite").write_bytes(conv_net(size=3))
    with pytest.raises(UsageError, match="model 'a' has changed"):
        rig.sweep(resume=True)
    (rig.folder / "a.tflite").write_bytes(conv_net(size=SIZES["a"]))
    rig.phones.clear()
    rig.phone("OTHER")
    with pytest.raises(UsageError, match="OTHER did not take part"):
        rig.sweep(resume=True)


def test_there_must_be_a_run_to_resume(rig):
    rig.phone()
    with pytest.raises(StoreError, match="no run of 's' to resume"):
        rig.sweep(resume=True)


@pytest.mark.parametrize("content", [b"", b"TFL", b"\0" * 300, b"version https://git-lfs"])
def test_a_bad_model_is_named_with_the_line_before_a_phone_is_touched(rig, content):
    rig.phone()
    (rig.folder / "b.tflite").write_bytes(content)
    touched = []
    with pytest.raises(ModelError, match=r"s\.toml, line [34]: .*b\.tflite"):
        rig.sweep(connect=touched.append)
    assert touched == []


def test_a_model_that_is_asked_for_in_two_ways_is_to_be_asked_for_once(rig):
    small = '[[models]]\nfamily = "mobilenet_v1"\nresolution = 32\nalpha = 0.25\n'
    rig.write(small + small + "classes = 1000\n")
    with pytest.raises(ModelError, match=r"line [56]: two models are called .* Ask for it once"):
        engine.make_models(sweeps.load(rig.folder / "s.toml"))


def test_results_that_cannot_be_written_are_said_before_a_trial_starts(rig):
    phone = rig.phone()
    (rig.folder / "results").write_text("in the way")
    with pytest.raises(StoreError, match="can't write results"):
        rig.sweep()
    assert phone.started == []


def test_a_hostile_file_name_never_reaches_the_phone(rig):
    for name in ("a", "b"):
        (rig.folder / f"{name}.tflite").unlink()
    hostile = "a b;touch x$(id)\n'\"`.tflite"
    (rig.folder / hostile).write_bytes(conv_net(size=5))
    phone = rig.phone()
    outcome = rig.sweep()
    assert outcome.ok == 4
    assert all(" " not in word and "$" not in word for argv in phone.started for word in argv)
    assert all("touch" not in path for path in phone.files)
    assert lines(outcome)[0].model == "a b;touch x$(id)\n'\"`"
    assert len(list((outcome.path / "logs").iterdir())) == 4


def test_a_model_that_its_check_found_wrong_is_failed_and_never_started(rig):
    phone = rig.phone()
    loaded = sweeps.load(rig.folder / "s.toml")
    wrong = msgspec.structs.replace(
        engine.make_models(loaded)[0],
        check=Check(runtime="ai-edge-litert", reason="all its outputs are zero"),
    )
    runner = BenchRunner(runtime.find(("x86_64",), "glibc"))
    station = Station("FAKE1", phone, describe(phone), (runner,))
    planned = sweeps.plan_trials(loaded, [wrong.name])[0]
    trial = run_trial(station, planned, wrong, loaded.precision, Gate(Fitness())).trial
    assert (trial.status, trial.stage) == ("failed", "check")
    assert trial.reason == "Not measured: all its outputs are zero"
    assert phone.started == []


GLIBC_TOOL = {
    "interpreter": "/lib64/ld-linux-x86-64.so.2",
    "needed": ("libc.so.6",),
    "soname": None,
    "exports": (),
    "content": b"num_runs\0warmup_runs\0",
}

REPORT = """\
INFO: STARTING!
INFO: Num threads: [1]
INFO: Graph: [{model}]
INFO: Loaded model {model}
INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate.
INFO: Initialized session in 5.5ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=5 first=900 curr=410 min=400 max=900 avg=510 std=90 p5=400 median=420 p95=900

INFO: Running benchmark for at least 30 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=50 first=410 curr=405 min=400 max=430 avg=408.5 std=5 p5=401 median=407 p95=420

INFO: Inference timings in us: Init: 5500, First inference: 900, Warmup (avg): 510, Inference (avg): 408.5
"""  # noqa: E501


@pytest.fixture
def benchmark_model(rig):
    """As if the user had added Google's tool; what it prints is invented."""
    binary = rig.folder / "benchmark_model"
    binary.write_bytes(tiny_elf("x86_64", **GLIBC_TOOL))
    runtime.add(binary)

    def run(argv):
        if "/benchmark_model-" not in argv[0]:
            return well(argv)
        model = next(word for word in argv if word.startswith("--graph=")).partition("=")[2]
        told = REPORT.format(model=model)
        return Finished(exit_code=0, stdout=told.encode(), stderr=b"", duration_s=0.0)

    return run


def unfit(phone, reason=b"CANNOT LINK EXECUTABLE"):
    """Make a phone's self-test fail."""
    well_run = phone.run

    def run(argv, *, deadline_s, stdin=None):
        if argv[0] != "sh" and any("/selftest-" in word for word in argv):
            return Finished(exit_code=1, stdout=b"", stderr=reason, duration_s=0.0)
        return well_run(argv, deadline_s=deadline_s, stdin=stdin)

    phone.run = run


def test_benchmark_model_is_a_runner_that_reports_without_samples(rig, benchmark_model):
    rig.write('runner = "benchmark_model"\n' + SWEEP.replace("[1, 2]", "1"))
    rig.phone(runner=benchmark_model)
    outcome = rig.sweep()
    assert outcome.ok == 4
    trial = lines(outcome)[0]
    assert trial.measurement is None
    assert (trial.reported.mean_us, trial.reported.median_us) == (408.5, 407)
    assert (trial.runner.name, trial.runner.why) == ("benchmark_model", "asked for")
    assert "reported only" in {doubt.kind for doubt in trial.doubts}


def test_the_benchmark_model_of_litert_is_started_again_with_its_own_flags(rig, benchmark_model):
    def run(argv):
        if any(word.startswith("--use_xnnpack") for word in argv):
            told = "INFO: STARTING!\nWARN: Unconsumed cmdline flags: --use_xnnpack=true\n"
            told += benchmark_model(argv).stdout.decode().partition("\n")[2]
            return Finished(exit_code=0, stdout=told.encode(), stderr=b"", duration_s=0.0)
        return benchmark_model(argv)

    rig.write('runner = "benchmark_model"\n' + SWEEP.replace("[1, 2]", "1"))
    phone = rig.phone(runner=run)
    outcome = rig.sweep()
    assert outcome.ok == 4
    assert len(phone.started) == 5  # it is asked the wrong way once
    assert "--use_cpu=true" in lines(outcome)[0].argv


def test_a_result_file_that_contradicts_the_text_is_a_failed_trial(rig, benchmark_model):
    def run(argv):
        phone.files[BenchmarkModel.result_file] = b"\x0a\xff no protobuf"
        return benchmark_model(argv)

    rig.write('runner = "benchmark_model"\n' + SWEEP.replace("[1, 2]", "1"))
    phone = rig.phone(runner=run)
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed) == (0, 4)
    assert lines(outcome)[0].stage == "output"


def test_a_result_file_without_end_is_a_failed_trial_and_is_not_read(
    rig, benchmark_model, monkeypatch
):
    def run(argv):
        phone.files[BenchmarkModel.result_file] = b"\x0a" * 2000
        return benchmark_model(argv)

    monkeypatch.setattr("bench.trial.process.MOST_RESULT_BYTES", 1000)
    rig.write('runner = "benchmark_model"\n' + ONE_TRIAL)
    phone = rig.phone(runner=run)
    (trial,) = lines(rig.sweep())
    assert (trial.stage, trial.reason) == ("output", "The result file is too large to be one.")


def test_a_phone_that_fails_the_self_test_is_measured_with_benchmark_model_and_says_why(
    rig, benchmark_model
):
    rig.write(SWEEP.replace("[1, 2]", "1"))
    unfit(rig.phone(runner=benchmark_model))
    trial = lines(rig.sweep())[0]
    assert trial.runner.name == "benchmark_model"
    assert "CANNOT LINK EXECUTABLE" in trial.runner.why
    (started,) = [e for e in rig.events if isinstance(e, engine.SweepStarted)]
    assert "CANNOT LINK EXECUTABLE" in started.runners[0].why


def test_without_benchmark_model_an_unfit_phone_is_an_error_that_says_why(rig):
    phone = rig.phone()
    unfit(phone)
    with pytest.raises(RunnerError, match=r"not fit for 'FAKE1'.*CANNOT LINK"):
        rig.sweep()
    assert phone.started == []


def test_a_delegate_that_the_runner_lacks_is_skipped_before_anything_starts(rig):
    rig.write(SWEEP.replace("threads = [1, 2]", 'delegate = ["xnnpack", "gpu"]'))
    phone = rig.phone()
    outcome = rig.sweep()
    assert (outcome.ok, outcome.skipped) == (4, 4)
    reasons = {t.reason for t in lines(outcome) if t.status == "skipped"}
    assert len(reasons) == 1
    assert "delegate gpu" in next(iter(reasons))
    assert len(phone.started) == 4
    (started,) = [e for e in rig.events if isinstance(e, engine.SweepStarted)]
    assert started.skips == {reasons.pop(): 4}


def test_a_delegate_that_only_benchmark_model_has_is_measured_with_it(rig, benchmark_model):
    rig.write(SWEEP.replace("threads = [1, 2]", 'delegate = ["xnnpack", "gpu"]'))
    rig.phone(runner=benchmark_model)
    outcome = rig.sweep()
    by_delegate = {t.config.delegate: t for t in lines(outcome)}
    assert by_delegate["xnnpack"].runner.name == "bench-runner"
    assert by_delegate["gpu"].runner.name == "benchmark_model"
    # What it printed was XNNPACK's latency, which must not pass as the GPU's.
    assert by_delegate["gpu"].status == "failed"
    assert by_delegate["gpu"].stage == "delegate"


def test_options_of_xnnpack_reach_the_runner_and_are_skipped_without_it(rig):
    axes = """\
delegate = ["xnnpack", "none"]
xnnpack = ["default", "fp16+flags:16", "weight_cache"]
"""
    once = SWEEP.replace("repetitions = 2", "repetitions = 1")
    rig.write(once.replace("threads = [1, 2]", axes))
    phone = rig.phone()
    outcome = rig.sweep()
    assert (outcome.ok, outcome.skipped) == (8, 4)
    told = [{w.split("=")[0] for w in argv} for argv in phone.started]
    assert sum("--xnnpack-flags" in words for words in told) == 2
    assert sum("--weight-cache" in words for words in told) == 2
    assert any("--xnnpack-flags=23" in argv for argv in phone.started)
    assert {t.config.xnnpack for t in lines(outcome) if t.status == "skipped"} == {
        "fp16+flags:16",
        "weight_cache",
    }


def test_a_profile_is_taken_in_a_process_of_its_own_and_only_once_a_cell(rig):
    profile = {
        "inferences": 20,
        "uneven": 0,
        "dropped": 0,
        "ops": [
            {"index": 0, "op": "CONV_2D", "name": "conv", "mean_us": 12.5, "delegate": "xnnpack"}
        ],
    }

    def profiled(argv):
        if not any(word.startswith("--profile=") for word in argv):
            return well(argv)
        told = document((150.0,) * 20, profile=profile)
        return Finished(exit_code=0, stdout=told, stderr=b"", duration_s=0.0)

    rig.write("profile = true\n" + SWEEP.replace("[1, 2]", "1"))
    phone = rig.phone(runner=profiled)
    trials = lines(rig.sweep())
    assert [len(t.ops) for t in trials] == [1, 1, 0, 0]
    assert all(t.measurement.samples_us == (100.0,) * 40 for t in trials)
    assert len(phone.started) == 6


def test_a_profile_that_fails_leaves_the_latency_and_a_doubt(rig):
    def unprofiled(argv):
        if not any(word.startswith("--profile=") for word in argv):
            return well(argv)
        return Finished(exit_code=137, stdout=b"", stderr=b"", duration_s=0.0)

    rig.write("profile = true\n" + SWEEP.replace("[1, 2]", "1"))
    rig.phone(runner=unprofiled)
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed) == (4, 0)
    assert "pass failed" in [d.kind for d in lines(outcome)[0].doubts]


def test_the_sweep_knows_the_preparations_that_the_device_room_knows():
    assert Preparation.__struct_fields__ == sweeps.PREPARATIONS


THROTTLED = {"thermalservice": "IsStatusOverride: false\nThermal Status: 2\n"}
COOL = {"thermalservice": "IsStatusOverride: false\nThermal Status: 0\n"}
ONE_TRIAL = SWEEP.replace("[1, 2]", "1").replace("repetitions = 2", "repetitions = 1")
ONE_TRIAL = ONE_TRIAL.replace("*.tflite", "a.tflite")


def test_a_throttled_trial_is_repeated_and_all_its_tries_are_kept(rig):
    rig.write(ONE_TRIAL + "[fitness]\ncool_down_s = 0\nmax_wait_s = 0\n")
    phone = rig.phone()
    phone.states = [COOL, THROTTLED, COOL, THROTTLED, COOL]  # before and after each try
    outcome = rig.sweep()
    (trial,) = lines(outcome)
    tries = list(store.read_tries(outcome.path))
    assert (trial.tries, trial.waited_for) == (3, ("throttled",))
    assert "throttled" not in {doubt.kind for doubt in trial.doubts}
    assert [one.tries for one in tries] == [1, 2]
    assert {one.key for one in tries} == {trial.key}
    assert all("throttled" in {doubt.kind for doubt in one.doubts} for one in tries)
    assert all(one.measurement is not None for one in tries)
    repeated = [event for event in rig.events if isinstance(event, engine.TrialRepeated)]
    assert [event.trial for event in repeated] == tries
    assert {event.reason for event in repeated} == {"throttled"}
    assert len([argv for argv in phone.started if "--model" in " ".join(argv)]) == 3


def test_a_phone_that_stays_throttled_gets_its_trials_all_the_same(rig):
    rig.write(SWEEP + "[fitness]\ncool_down_s = 0\nmax_wait_s = 0\n")
    rig.phone().states = [THROTTLED]
    outcome = rig.sweep()
    trials = lines(outcome)
    assert [trial.tries for trial in trials] == [3, *[1] * 7]
    assert all("throttled" in {doubt.kind for doubt in trial.doubts} for trial in trials)


def test_waiting_for_a_phone_is_told_and_written_down(rig):
    rig.write(ONE_TRIAL + "[fitness]\nmax_wait_s = 0.05\n")
    rig.phone().states = [THROTTLED, COOL]
    (trial,) = lines(rig.sweep())
    assert trial.waited_for == ("throttled",)
    assert trial.waited_s > 0
    (told,) = [event for event in rig.events if isinstance(event, engine.PhoneUnfit)]
    assert (told.doubt.kind, told.max_wait_s) == ("throttled", 0.05)
    assert [type(event) for event in rig.events].count(engine.PhoneFit) == 1


def test_ctrl_c_ends_a_wait_and_leaves_the_trial_to_be_done(rig):
    rig.phone().states = [THROTTLED]

    def interrupt(event):
        rig.events.append(event)
        if isinstance(event, engine.PhoneUnfit):
            raise KeyboardInterrupt

    outcome = rig.sweep(on_event=interrupt)
    assert outcome.interrupted
    assert (outcome.ok, outcome.not_run) == (0, 8)
    rig.phones["FAKE1"].states = [COOL]
    assert rig.sweep(resume=True).ok == 8


def test_a_sustained_run_follows_the_last_repetition_of_each_cell(rig):
    rig.write("sustained_s = 300\n" + SWEEP.replace("[1, 2]", "1"))
    phone = rig.phone()
    trials = lines(rig.sweep())
    assert [trial.repetition for trial in trials if trial.sustained] == [1, 1]
    long = [argv for argv in phone.started if "--max-seconds=300" in argv]
    assert len(long) == 2
    assert all("--interval=0" in argv and "--warmup-max-seconds=0" in argv for argv in long)
    assert all(trial.measurement.samples_us == (100.0,) * 40 for trial in trials)


def test_a_sustained_run_that_is_too_fast_to_keep_says_how_far_it_came(rig):
    def fast(argv):
        if "--max-seconds=300" in argv:
            told = document((100.0,) * 50, stopped_by="max_samples")
            return Finished(exit_code=0, stdout=told, stderr=b"", duration_s=0.0)
        return well(argv)

    rig.write("sustained_s = 300\n" + ONE_TRIAL)
    rig.phone(runner=fast)
    (trial,) = lines(rig.sweep())
    assert len(trial.sustained.samples_us) == 50
    (doubt,) = [doubt for doubt in trial.doubts if doubt.kind == "pass failed"]
    assert doubt.numbers == {"told_s": 0.005, "sustained_s": 300.0}


def test_a_sustained_run_that_fails_leaves_the_latency_and_a_doubt(rig):
    def short_of_breath(argv):
        if "--max-seconds=300" in argv:
            return Finished(exit_code=137, stdout=b"", stderr=b"", duration_s=0.0)
        return well(argv)

    rig.write("sustained_s = 300\n" + ONE_TRIAL)
    rig.phone(runner=short_of_breath)
    (trial,) = lines(rig.sweep())
    assert (trial.status, trial.sustained) == ("ok", None)
    (doubt,) = [doubt for doubt in trial.doubts if doubt.kind == "pass failed"]
    assert doubt.message.startswith("sustained: The runner was killed (signal 9)")


def test_a_phone_lost_in_a_later_pass_does_not_cost_the_latency(rig):
    lost = iter([True])

    def gone_once(argv):
        if "--max-seconds=300" in argv and next(lost, False):
            raise DeviceLost("'FAKE1' went away.")
        return well(argv)

    rig.write("sustained_s = 300\n" + ONE_TRIAL)
    rig.phone(runner=gone_once)
    outcome = rig.sweep()
    (trial,) = lines(outcome)
    (kept,) = store.read_tries(outcome.path)
    assert trial.sustained is not None
    assert (kept.key, kept.sustained) == (trial.key, None)
    assert kept.measurement.samples_us == (100.0,) * 40


@pytest.mark.parametrize("failure", [DeviceLost("gone"), DeviceTimeout("hung"), DeviceError("cut")])
def test_a_phone_that_fails_when_it_is_asked_how_it_is_costs_no_latency(rig, failure):
    rig.write(ONE_TRIAL)
    phone = rig.phone()
    answer, failures = phone.run, [failure]

    def run(argv, **more):
        if failures and phone.started and argv[2:3] == ["state"]:
            raise failures.pop()
        return answer(argv, **more)

    phone.run = run
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed, outcome.not_run) == (1, 0, 0)
    (kept,) = store.read_tries(outcome.path)
    assert (kept.measurement.samples_us, kept.state_after) == ((100.0,) * 40, None)
    assert (kept.tries, lines(outcome)[0].tries) == (1, 2)
    (repeated,) = [event for event in rig.events if isinstance(event, engine.TrialRepeated)]
    assert repeated.reason == failure.what


def test_a_phone_that_hangs_before_the_runner_starts_fails_no_trial(rig):
    rig.write(ONE_TRIAL)
    phone = rig.phone()
    answer, failures = phone.run, [DeviceTimeout("hung")]

    def run(argv, **more):
        if failures and argv[2:3] == ["state"]:
            raise failures.pop()
        return answer(argv, **more)

    phone.run = run
    outcome = rig.sweep()
    assert (outcome.ok, outcome.failed, outcome.not_run) == (1, 0, 0)


def test_tries_are_counted_over_all_starts_of_a_run(rig):
    rig.write("sustained_s = 300\n" + ONE_TRIAL)

    def gone(argv):
        if "--max-seconds=300" in argv:
            raise DeviceLost("'FAKE1' went away.")
        return well(argv)

    phone = rig.phone(runner=gone)
    began = rig.sweep()
    assert (began.ok, began.not_run) == (0, 1)
    phone.runner = well
    (trial,) = lines(rig.sweep(resume=True))
    tries = [one.tries for one in store.read_tries(began.path)]
    assert tries == [*range(1, len(tries) + 1)]
    assert trial.tries == len(tries) + 1 > 2


def test_models_that_are_made_and_run_here_are_counted_before_anything_is_measured(rig):
    rig.phone()
    rig.sweep(host_runtime="ai-edge-litert")
    ready = [event for event in rig.events if isinstance(event, engine.ModelReady)]
    assert ready == [
        engine.ModelReady(step, done, 2) for step in ("made", "run here") for done in (1, 2)
    ]
    assert rig.events[: len(ready)] == ready


def test_a_phone_that_is_dead_at_the_start_does_not_hold_up_the_others(rig):
    rig.phone("ALIVE")
    rig.phone("DEAD")

    def connect(serial):
        if serial == "DEAD":
            raise DeviceLost("'DEAD' does not answer.")
        return rig.connect(serial)

    outcome = rig.sweep(connect=connect)
    assert (outcome.ok, outcome.not_run) == (8, 0)
    assert list(outcome.stopped) == ["DEAD"]
    (missing,) = [event for event in rig.events if isinstance(event, engine.PhoneMissing)]
    assert (missing.target, missing.error.what) == ("DEAD", "'DEAD' does not answer.")


def test_a_sweep_whose_only_phone_is_dead_says_so_and_makes_no_run(rig):
    rig.phone("DEAD")

    def connect(serial):
        raise DeviceLost("'DEAD' does not answer.")

    with pytest.raises(DeviceLost, match="does not answer"):
        rig.sweep(connect=connect)
    assert not (rig.folder / "results").exists()


def test_a_phone_that_goes_away_while_it_is_reached_is_tried_once_more(rig):
    phone = rig.phone()
    lost = iter([True])
    push = phone.push

    def push_once_lost(local, remote, *, mode=0o644):
        if "runner" in remote and next(lost, False):
            raise DeviceLost("'FAKE1' went away.")
        return push(local, remote, mode=mode)

    phone.push = push_once_lost
    outcome = rig.sweep()
    assert (outcome.ok, outcome.not_run, outcome.stopped) == (8, 0, {})


def test_a_phone_of_a_run_that_is_missing_when_it_goes_on_leaves_its_trials_to_be_done(rig):
    rig.phone("ONE")
    rig.phone("TWO", runner=raising(DeviceError("'TWO' burns.")))
    began = rig.sweep()
    assert (began.ok, began.not_run) == (8, 8)

    def connect(serial):
        if serial == "TWO":
            raise DeviceLost("'TWO' does not answer.")
        return rig.connect(serial)

    went_on = rig.sweep(connect=connect, resume=True)
    assert (went_on.ok, went_on.not_run, list(went_on.stopped)) == (0, 8, ["TWO"])
    rig.phones["TWO"].runner = well
    assert rig.sweep(resume=True).not_run == 0
