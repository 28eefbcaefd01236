"""The command line as a user meets it: a process, a real adb server, a virtual phone."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

import pytest
from runners import litert_of_pypi, require
from tiny_models import conv_net, unknown_op

from bench import store, virtual
from bench.device import connect, private_server

ROOT = Path(__file__).parents[1]
SWEEP = """\
name = "tiny"
repetitions = {repetitions}
[[models]]
files = "*.tflite"
[precision]
interval = 0
min_samples = 5
max_seconds = {seconds}
warmup_max_seconds = 0.01
"""


@pytest.fixture(scope="module")
def server():
    with private_server() as server:
        yield server


@pytest.fixture(scope="module")
def phone(server):
    with virtual.booted("small", disk_mb=64) as booted:
        server.connect_tcp(booted.serial)
        yield booted


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.tflite").write_bytes(conv_net())
    write_sweep(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def arm_library(tmp_path_factory):
    require(shutil.which("qemu-aarch64-static") is not None, "qemu-aarch64-static")
    require(Path("/usr/aarch64-linux-gnu/lib/libstdc++.so.6").exists(), "libstdc++6-arm64-cross")
    version = metadata.version("ai-edge-litert")
    return litert_of_pypi(version, "aarch64", tmp_path_factory.mktemp("wheel"))


def write_sweep(folder, repetitions=2, seconds=0.05):
    text = SWEEP.format(repetitions=repetitions, seconds=seconds)
    (folder / "tiny.toml").write_text(text)


def environment(server=None, **changes):
    """Ours, with `server` in the place of the user's adb server."""
    named = {} if server is None else {"ANDROID_ADB_SERVER_PORT": str(server.port)}
    return os.environ | named | changes


def command(*words):
    return [sys.executable, "-c", "from bench.cli import main; main()", *map(str, words)]


def bench(*words, folder, server=None, **changes):
    return subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(server, **changes),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextlib.contextmanager
def started(*words, folder, server=None):
    """A command that runs meanwhile, and is ended where the test fails."""
    with subprocess.Popen(
        command(*words), cwd=folder, env=environment(server),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def read_until(beginning, process, within_s=90):
    """Read what is printed up to a line that begins so; without one the command is ended."""
    late = threading.Timer(within_s, process.kill)
    late.start()
    try:
        assert any(line.startswith(beginning) for line in process.stdout)
    finally:
        late.cancel()


def is_one_error(done, *parts, code=1):
    """One line on stderr that says all of `parts`, no traceback, and the exit code."""
    assert done.returncode == code, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in errors[0]
    return True


def trials_of(folder):
    return list(store.read_trials(store.latest_run(folder / "results", "tiny")))


def test_a_sweep_measures_keeps_and_reports(folder, server, phone):
    done = bench("sweep", "tiny.toml", folder=folder, server=server)
    assert done.returncode == 0, done.stderr
    assert "[virtual]" in done.stdout
    assert "Trials:  2 ok" in done.stdout
    run = store.latest_run(folder / "results", "tiny")
    assert f"Results: {run.relative_to(folder)}" in done.stdout
    page = (run / "report.html").read_text()
    assert "[virtual]" in page
    trials = trials_of(folder)
    assert [t.status for t in trials] == ["ok", "ok"]
    assert all(t.virtual for t in trials)
    assert all(len(t.measurement.samples_us) >= 5 for t in trials)
    shown = bench("show", run, folder=folder)
    assert "net" in shown.stdout
    assert "[virtual]" in shown.stdout
    rows = json.loads(bench("show", "results", "--json", folder=folder).stdout)
    assert [(row["model"], row["status"], row["virtual"]) for row in rows] == [
        ("net", "ok", True)
    ] * 2


def test_a_virtual_phone_is_booted_for_a_sweep_and_nothing_of_it_is_left(folder):
    before = virtual.running()
    done = bench("sweep", "tiny.toml", "--device", "virtual:small", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "A virtual phone runs on this computer" in done.stdout
    assert virtual.running() == before


def test_two_virtual_phones_share_a_sweep(folder):
    done = bench(
        "sweep", "tiny.toml", "--device", "virtual:small", "--device", "virtual", folder=folder
    )
    assert done.returncode == 0, done.stderr
    trials = trials_of(folder)
    assert len({t.device for t in trials}) == 2
    assert len(trials) == 4


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_cleanly_and_resume_goes_on_even_on_a_virtual_phone(folder, ending):
    write_sweep(folder, repetitions=4, seconds=2)
    with started("sweep", "tiny.toml", "--device", "virtual:small", folder=folder) as sweep:
        read_until("[1/4]", sweep)
        sweep.send_signal(ending)
        rest, stderr = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "`bench sweep tiny.toml --device virtual:small --resume` goes on." in stderr
    kept = len(trials_of(folder))  # a trial that ends while the sweep is stopped is kept too
    assert 1 <= kept < 4
    assert f"Trials:  {kept} ok" in rest
    with virtual.booted("small"):  # takes the port that the phone had
        again = bench("sweep", "tiny.toml", "--device", "virtual:small", "--resume", folder=folder)
    assert again.returncode == 0, again.stderr
    assert f"{kept} trial" in again.stdout
    assert "measured before; going on" in again.stdout
    assert sorted(t.index for t in trials_of(folder)) == [0, 1, 2, 3]


def test_a_model_with_a_hostile_name_is_measured_and_named_and_runs_nothing(folder, server, phone):
    (folder / "net.tflite").rename(folder / "a b;touch x$(id).tflite")
    done = bench("sweep", "tiny.toml", folder=folder, server=server)
    assert done.returncode == 0, done.stderr
    assert {t.model for t in trials_of(folder)} == {"a b;touch x$(id)"}
    assert "a b;touch x$(id)" in done.stdout
    assert list(folder.glob("x*")) == []
    on_phone = connect(phone.serial, server).run(["find", "/data", "-name", "x*"], deadline_s=20)
    assert on_phone.stdout == b""


def test_names_with_line_ends_quotes_and_escapes_cannot_forge_the_screen(folder, server, phone):
    (folder / "net.tflite").rename(folder / "a\n[9 of 9] \x1b[31m'\"`fake.tflite")
    done = bench("sweep", "tiny.toml", folder=folder, server=server)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert not any(line.startswith("[9 of 9]") for line in done.stdout.splitlines())


def test_a_model_whose_op_the_runtime_lacks_is_a_failed_trial_that_names_the_op(
    folder, server, phone
):
    (folder / "odd.tflite").write_bytes(unknown_op())
    done = bench("sweep", "tiny.toml", folder=folder, server=server)
    assert done.returncode == 3, done.stderr
    trials = trials_of(folder)
    assert sorted(t.status for t in trials) == ["failed", "failed", "ok", "ok"]
    reasons = {t.reason for t in trials if t.status == "failed"}
    assert len(reasons) == 1
    assert "NoSuchOp" in reasons.pop()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"", "empty"), (b"not a model at all", "TensorFlow Lite"), (None, "truncated")],
    ids=["empty", "nonsense", "truncated"],
)
def test_a_bad_model_file_is_one_error_before_a_phone_is_needed(folder, content, part):
    bad = conv_net()[:-700] if content is None else content
    (folder / "bad.tflite").write_bytes(bad)
    done = bench("sweep", "tiny.toml", "--device", "virtual:small", folder=folder)
    assert is_one_error(done, "tiny.toml, line 3", "bad.tflite", part)
    assert not (folder / "results").exists()


def test_a_missing_model_an_unknown_key_and_an_impossible_value_are_each_one_error(folder):
    sweep = folder / "tiny.toml"
    for text, parts in [
        ('[[models]]\nfiles = "gone.tflite"\n', ["line 2", "gone.tflite"]),
        ('[[models]]\nfamily = "mobilenet_v1"\nalhpa = 1\n', ["line 3", "'alhpa'", "alpha"]),
        ('[[models]]\nfamily = "mobilenet_v1"\nalpha = -1\n', ["line 3", "alpha = -1"]),
        ('[[models]]\nfamily = "mobilenot"\n', ["line 2", "mobilenot", "mobilenet_v1"]),
        ('[[models]]\nfamily = "x"\n[config]\nthreds = 1\n', ["line 4", "'threds'", "'threads'"]),
    ]:
        sweep.write_text(text)
        assert is_one_error(bench("sweep", sweep, "--device", "virtual", folder=folder), *parts)


def test_no_sweep_file_is_one_error(folder):
    assert is_one_error(bench("sweep", "none.toml", folder=folder), "none.toml", "No such file")


def test_without_a_phone_the_error_says_what_to_check_and_names_the_virtual_one(folder):
    with private_server() as empty:
        done = bench("sweep", "tiny.toml", folder=folder, server=empty)
        assert is_one_error(done, "No phone is connected", "USB debugging", "--device virtual")
        assert is_one_error(bench("devices", folder=folder, server=empty), "No phone")


def test_a_serial_that_is_not_there_is_named_with_those_that_are(folder, server, phone):
    done = bench("sweep", "tiny.toml", "--device", "NOPE", folder=folder, server=server)
    assert is_one_error(done, "'NOPE'", phone.serial)


def test_a_phone_that_is_not_there_is_told_before_models_are_made(folder, server, phone):
    (folder / "net.tflite").write_bytes(b"no model")
    done = bench("sweep", "tiny.toml", "--device", "NOPE", folder=folder, server=server)
    assert is_one_error(done, "'NOPE'")


def test_an_unknown_profile_is_named_with_those_there_are(folder):
    done = bench("sweep", "tiny.toml", "--device", "virtual:huge", folder=folder)
    assert is_one_error(done, "huge", "flagship", "small")


def test_without_adb_the_error_says_how_to_get_it(folder):
    done = bench("devices", folder=folder, ADBUTILS_ADB_PATH="/nowhere/adb",
                 ANDROID_ADB_SERVER_PORT="9")  # fmt: skip
    assert is_one_error(done, "/nowhere/adb")


@pytest.mark.parametrize("kind", ["unauthorized", "offline"])
def test_a_phone_in_a_bad_state_is_one_error_with_the_cure(folder, kind):
    with private_server() as own, virtual.booted("small") as booted:
        own.connect_tcp(booted.serial)
        virtual.fault(booted, kind)
        virtual.fault(booted, "drop")
        wait_for_state(own, booted.serial, kind)
        done = bench("sweep", "tiny.toml", "--device", booted.serial, folder=folder, server=own)
        assert is_one_error(done, booted.serial, kind if kind == "offline" else "trust")


def wait_for_state(server, serial, state):
    deadline = time.monotonic() + 30
    while f"{serial}\t{state}" not in server.query("host:devices"):
        assert time.monotonic() < deadline, server.query("host:devices")
        time.sleep(0.1)


def test_an_unwritable_results_folder_is_one_error(folder, server, phone):
    (folder / "results").write_text("a file in the way")
    done = bench("sweep", "tiny.toml", folder=folder, server=server)
    assert is_one_error(done, "can't write results", "--results")


def test_a_full_phone_is_one_error_that_loses_nothing_and_resume_finishes(folder):
    with private_server() as own, virtual.booted("small", disk_mb=20) as booted:
        own.connect_tcp(booted.serial)
        (folder / "z big.tflite").write_bytes(conv_net(size=16) + b"\0" * (40 << 20))
        done = bench("sweep", "tiny.toml", folder=folder, server=own)
        assert is_one_error(done, "space", "MB", code=done.returncode)
        assert done.returncode in (1, 3)
        assert "--resume" in done.stderr
        kept = trials_of(folder)
        assert all(t.status == "ok" for t in kept)
    with private_server() as own, virtual.booted("small", disk_mb=200, port=booted.port) as again:
        own.connect_tcp(again.serial)
        done = bench("sweep", "tiny.toml", "--resume", folder=folder, server=own)
        assert done.returncode == 0, done.stderr
        assert trials_of(folder)[: len(kept)] == kept
        assert len(trials_of(folder)) == 4


def test_a_second_sweep_of_the_same_models_pushes_nothing(folder, server, phone):
    bench("sweep", "tiny.toml", folder=folder, server=server)
    done = bench("sweep", "tiny.toml", folder=folder, server=server)
    assert done.returncode == 0, done.stderr
    assert sum(t.pushed_bytes for t in trials_of(folder)) == 0


def test_models_and_devices_print_their_records(folder, server, phone):
    (model,) = json.loads(bench("models", "tiny.toml", "--json", folder=folder).stdout)
    assert (model["name"], model["family"], model["alpha"]) == ("net", None, None)
    assert model["macs"] > 0
    (device,) = json.loads(bench("devices", "--json", folder=folder, server=server).stdout)
    assert (device["serial"], device["virtual"]) == (phone.serial, True)
    assert "[virtual]" in bench("devices", folder=folder, server=server).stdout


def test_virtual_phones_go_up_are_listed_and_go_down(folder, tmp_path):
    own = {"XDG_STATE_HOME": str(tmp_path / "state")}
    up = json.loads(bench("virtual", "up", "small", "--json", folder=folder, **own).stdout)[0]
    try:
        listed = json.loads(bench("virtual", "list", "--json", folder=folder, **own).stdout)
        assert [phone["port"] for phone in listed] == [up["port"]]
    finally:
        down = bench("virtual", "down", up["port"], folder=folder, **own)
    assert down.returncode == 0, down.stderr
    assert json.loads(bench("virtual", "list", "--json", folder=folder, **own).stdout) == []
    assert is_one_error(bench("virtual", "down", up["port"], folder=folder, **own), "no virtual")


def test_wrong_usage_is_exit_code_two(folder):
    assert bench("sweep", "--nonsense", folder=folder).returncode == 2
    assert bench("nonsense", folder=folder).returncode == 2


def test_a_sweep_on_an_emulated_arm_phone_runs_and_never_shows_a_latency(folder, arm_library):
    write_sweep(folder, repetitions=1)
    bench("runtime", "add", arm_library, folder=folder)
    done = bench("sweep", "tiny.toml", "--device", "virtual:small:arm64-v8a", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "emulated, not a latency" in done.stdout
    assert "median" not in done.stdout
    (trial,) = trials_of(folder)
    assert (trial.status, trial.runner.abi) == ("ok", "arm64-v8a")
    shown = bench("show", "results", folder=folder).stdout
    assert shown.splitlines()[1] == "Every phone was emulated: no latency."
    assert "median" not in shown


def test_phones_of_several_adb_servers_join_one_sweep(folder, server, phone):
    with private_server() as elsewhere, virtual.booted("midrange") as other:
        elsewhere.connect_tcp(other.serial)
        there = f"{elsewhere.host}:{elsewhere.port}/{other.serial}"
        done = bench("sweep", "tiny.toml", "--device", phone.serial, "--device", there,
                     folder=folder, server=server)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert there in done.stdout
    trials = trials_of(folder)
    assert len(trials) == 4
    assert len({trial.device for trial in trials}) == 2


def test_one_phone_by_two_names_is_measured_once(folder, server, phone):
    again = f"{server.host}:{server.port}/{phone.serial}"
    done = bench("sweep", "tiny.toml", "--device", phone.serial, "--device", again,
                 folder=folder, server=server)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(trials_of(folder)) == 2


def test_events_are_printed_as_json_one_a_line(folder, server, phone):
    done = bench("sweep", "tiny.toml", "--json", folder=folder, server=server)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    events = [event for event in told if event["event"] != "model_ready"]
    assert [event["event"] for event in events] == [
        "sweep_started", "trial_started", "trial_ended", "trial_started", "trial_ended",
        "phone_done",
    ]  # fmt: skip
    assert events[0]["devices"][0]["virtual"] is True
    assert events[2]["trial"]["virtual"] is True
    assert len(events[2]["trial"]["measurement"]["samples_us"]) >= 5


def test_settings_are_prepared_for_a_sweep_and_put_back(folder):
    text = 'prepare = ["stay_awake", "animations_off"]\n' + (folder / "tiny.toml").read_text()
    (folder / "tiny.toml").write_text(text)
    with private_server() as own, virtual.booted("flagship") as booted:
        own.connect_tcp(booted.serial)
        before = virtual.snapshot(booted)
        done = bench("sweep", "tiny.toml", folder=folder, server=own)
        assert done.returncode == 0, done.stderr
        assert "animat" in done.stdout
        assert virtual.snapshot(booted) == before


def test_settings_of_a_sweep_that_was_killed_are_put_back_by_the_next_command(folder):
    text = 'prepare = ["stay_awake", "animations_off"]\n'
    write_sweep(folder, repetitions=4, seconds=2)
    (folder / "tiny.toml").write_text(text + (folder / "tiny.toml").read_text())
    with private_server() as own, virtual.booted("flagship") as booted:
        own.connect_tcp(booted.serial)
        before = virtual.snapshot(booted)
        with started("sweep", "tiny.toml", folder=folder, server=own) as sweep:
            read_until("[1/4]", sweep)
            sweep.kill()
            sweep.communicate(timeout=30)
        assert virtual.snapshot(booted) != before
        assert bench("sweep", "tiny.toml", "--resume", folder=folder, server=own).returncode == 0
        assert virtual.snapshot(booted) == before
    assert sorted(t.index for t in trials_of(folder)) == [0, 1, 2, 3]
