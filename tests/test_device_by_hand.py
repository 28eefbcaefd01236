"""docs/first-phone.md is true: what it does by hand is done by hand, with the real adb."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tiny_models import conv_net

from bench import runtime, virtual
from bench.device import WORK_DIR, connect, describe, inspect, private_server
from bench.device.server import adb_binary

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-phone.md"


def test_the_session_by_hand_measures_and_leaves_the_phone_as_found(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    *work, leave = blocks
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "adb").symlink_to(Path(adb_binary()).resolve())
    for name in ("device_scripts", "bench"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "net.tflite").write_bytes(conv_net())
    with private_server() as server, virtual.booted("flagship") as booted:
        server.connect_tcp(booted.serial)
        phone = connect(booted.serial, server)
        device = describe(phone)
        phone.run(["rm", "-rf", WORK_DIR], deadline_s=10)
        if booted.fidelity != "full":
            return  # without a namespace a pushed script finds the host's own files
        before = virtual.snapshot(booted)
        binaries = runtime.find(device.abis, device.libc)
        environment = os.environ | {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "ANDROID_ADB_SERVER_PORT": str(server.port),
            "ANDROID_SERIAL": booted.serial,
            "RUNNER": str(binaries.runner),
            "LIBRARY": str(binaries.library),
            "MODEL": "net.tflite",
        }
        script = "set -e\n" + "\n".join(work)
        done = run(script, tmp_path, environment)
        assert "Virtual Flagship" in done
        assert virtual.snapshot(booted) != before
        assert inspect(connect(booted.serial, server)).unrestored
        document = json.loads((tmp_path / "document.json").read_text())
        assert document["end"] == "complete"
        assert "Thermal Status: 0" in (tmp_path / "thermal.txt").read_text()
        work_dir = re.search(r"^W=.*$", script, re.MULTILINE)
        assert work_dir is not None
        run(f"set -e\n{work_dir[0]}\n{leave}", tmp_path, environment)
        assert virtual.snapshot(booted) == before
        assert phone.run(["ls", WORK_DIR], deadline_s=10).exit_code != 0


def run(script: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done
    return done.stdout


def test_the_page_names_what_the_tool_asks_the_server_for() -> None:
    page = PAGE.read_text()
    code = "".join(path.read_text() for path in (ROOT / "bench" / "device").glob("*.py"))
    for service in ("host:devices-l", "host:pair:", "host:connect:", "host:transport:", "sync:"):
        assert service in page
        assert service in code
    assert "shell,v2,raw:echo NONCE $$ $$ >&2;exec COMMAND" in page
    assert "shell,v2,raw:echo {nonce} $$ $$ >&2;exec {quoted(argv)}" in code
