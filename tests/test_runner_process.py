"""How the native runner behaves as a process: noise, crashes, signals, a reader that goes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tiny_models
from runners import arguments, document, fake_library, host_binaries, run_fake, start


def fake_command(folder: Path, **more: str) -> list[str]:
    model = folder / "model.tflite"
    model.write_bytes(b"any")
    return [str(host_binaries().runner), *arguments(model, library=fake_library(), **more)]


def faulty(fault: str) -> dict[str, str]:
    return os.environ | {"LD_PRELOAD": str(fake_library()), "FAKE_FAULT": fault}


def test_what_the_library_prints_on_stdout_goes_to_stderr(tmp_path: Path) -> None:
    done = subprocess.run(
        fake_command(tmp_path),
        env=faulty("RunCompiledModel:stdout"),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert document(done)["status"] == "ok"
    assert done.stderr.count(b"noise on stdout") == 4


def test_what_litert_prints_reaches_stderr(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.conv_net())
    assert b"XNNPACK delegate" in start(arguments(path)).stderr


@pytest.mark.parametrize(
    ("function", "stage"),
    [
        ("CreateEnvironment", "library"),
        ("CreateModelFromFile", "model"),
        ("CreateCompiledModel", "compile"),
        ("RunCompiledModel", "run"),
    ],
)
def test_a_refusal_of_litert_names_the_stage_and_the_status(
    function: str, stage: str, tmp_path: Path
) -> None:
    told = run_fake({"FAKE_FAULT": f"{function}:fail"}, tmp_path)
    assert (told["status"], told["stage"]) == ("error", stage)
    assert "runtime failure (status 3)" in told["reason"]


@pytest.mark.parametrize(("how", "number"), [("segv", signal.SIGSEGV), ("abort", signal.SIGABRT)])
@pytest.mark.parametrize("function", ["CreateCompiledModel", "RunCompiledModel"])
def test_a_crash_in_the_library_still_gives_a_document(
    how: str, number: signal.Signals, function: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        fake_command(tmp_path),
        env=faulty(f"{function}:{how}"),
        capture_output=True,
        check=False,
        timeout=60,
    )
    told = document(done)
    assert done.returncode == 128 + number
    assert told["stage"] == ("run" if function == "RunCompiledModel" else "compile")
    assert told["reason"] == f"The process got {number.name} inside the library."


def test_what_litert_said_last_belongs_to_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.unknown_op("N" * 3000))
    done = start(arguments(path))
    assert len(document(done)["reason"]) < 1600
    assert b"unresolved custom op: " + b"N" * 3000 in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_without_a_document(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        fake_command(tmp_path),
        env=faulty("RunCompiledModel:hang"),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),  # as nohup leaves it
    ) as process:
        wait_until_it_hangs(process)
        process.send_signal(number)
        assert process.wait(timeout=60) == -number
        assert process.stdout is not None
        assert process.stdout.read() == b""


@pytest.mark.parametrize("function", ["CreateCompiledModel", "RunCompiledModel"])
def test_it_does_not_outlive_its_reader_even_where_the_library_hangs(
    function: str, tmp_path: Path
) -> None:
    with subprocess.Popen(
        fake_command(tmp_path), env=faulty(f"{function}:hang"), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE


def test_without_a_stdout_it_ends_at_once(tmp_path: Path) -> None:
    command = fake_command(tmp_path)
    closed = ["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *command]
    done = subprocess.run(closed, env=faulty("none:none"), check=False, timeout=60)
    assert done.returncode == 128 + signal.SIGPIPE


def test_without_a_stderr_the_document_is_still_whole(tmp_path: Path) -> None:
    closed = ["sh", "-c", 'exec "$@" 2>&- <&-', "sh", *fake_command(tmp_path)]
    done = subprocess.run(
        closed, env=faulty("none:none"), stdout=subprocess.PIPE, check=True, timeout=60
    )
    assert document(done)["status"] == "ok"


def test_nothing_is_left_of_the_child_that_looks_up_the_delegation(tmp_path: Path) -> None:
    environment = faulty("StartProfiler:abort") | {"FAKE_DELEGATION": "2"}
    with subprocess.Popen(
        fake_command(tmp_path), env=environment, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        process.communicate(timeout=60)
        assert not process_group_exists(process.pid)


def test_the_child_that_looks_up_the_delegation_may_take_its_time(tmp_path: Path) -> None:
    """Longer than the timer that looks after the reader, which interrupts the wait for it."""
    told = run_fake({"FAKE_DELEGATION": "8", "FAKE_FAULT": "StartProfiler:slow"}, tmp_path)
    assert told["delegation"] == "partial"


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    environment = faulty("StartProfiler:hang") | {"FAKE_DELEGATION": "8"}
    with subprocess.Popen(
        fake_command(tmp_path), env=environment, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not children.read_text().strip():
            assert process.poll() is None
        child = int(children.read_text())
        process.kill()
        process.wait(timeout=60)
        patience = time.monotonic() + 60
        while is_running(child):
            assert time.monotonic() < patience
            time.sleep(0.01)


def test_stdout_ends_before_stderr_is_read(tmp_path: Path) -> None:
    """However much the library prints, a host may read stdout first and stderr then."""
    with subprocess.Popen(
        fake_command(tmp_path),
        env=faulty("CreateOptions:flood"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read().endswith(b'"end":"complete"}\n')
        assert len(process.stderr.read()) == 256 * 1024
        assert process.wait(timeout=60) == 0


def is_running(pid: int) -> bool:
    """Not gone, and no zombie that waits for whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def process_group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_it_hangs(process: subprocess.Popen[bytes]) -> None:
    """Until it sleeps in pause(), which only the fault does."""
    wait = Path(f"/proc/{process.pid}/wchan")
    syscall = Path(f"/proc/{process.pid}/syscall")
    while process.poll() is None:
        if "pause" in wait.read_text() or syscall.read_text().startswith("34 "):
            return
