"""Where runner and library come from for a phone: the wheel, the cache, the user, a download."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from runners import HOST_ABI, host_binaries
from tiny_elf import tiny_elf

from bench import runtime
from bench.errors import RuntimeMissing, UsageError
from bench.runtime import binaries, libraries
from bench.runtime.libraries import Pin

LIBRARY = tiny_elf("arm64-v8a", content=b"LiteRtCreateEnvironment\0" + bytes(5000))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def runners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of runners for every kind of phone."""
    folder = tmp_path / "bin"
    for machine in ("aarch64", "x86_64"):
        for system in ("linux-gnu", "linux-android"):
            path = folder / f"{machine}-{system}" / "bench-runner"
            path.parent.mkdir(parents=True)
            path.write_bytes(f"runner for {machine}-{system}".encode())
    monkeypatch.setattr(binaries, "RUNNERS", folder)
    return folder


def keep(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "some library.so"
    file.write_bytes(content)
    return runtime.add(file)


# Finding


def test_a_glibc_phone_of_this_processor_gets_the_library_of_the_wheel() -> None:
    found = host_binaries()
    assert found.library.name == "libLiteRt.so"
    assert found.library.parent.name == "ai_edge_litert"
    assert found.library_sha256 == hashlib.sha256(found.library.read_bytes()).hexdigest()
    assert found.runner_sha256 == hashlib.sha256(found.runner.read_bytes()).hexdigest()
    assert found.library_version is not None
    assert found.identity.abi == HOST_ABI
    assert found.identity.sha256 == found.runner_sha256


def test_the_wheel_is_found_without_importing_litert() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from bench import runtime; "
        f"runtime.find(({HOST_ABI!r},), 'glibc'); runtime.list_available(); "
        "assert not [m for m in sys.modules if m.startswith(('ai_edge_litert', 'numpy'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_phone_that_does_not_tell_its_c_library_is_an_android_one(runners: Path) -> None:
    with pytest.raises(RuntimeMissing, match=r"arm64-v8a \(Android\)"):
        runtime.find(("arm64-v8a",), None)


def test_what_lacks_for_android_is_named_with_address_hash_and_commands(runners: Path) -> None:
    with pytest.raises(RuntimeMissing) as caught:
        runtime.find(("arm64-v8a", "armeabi-v7a"), "bionic")
    message = str(caught.value)
    assert "bench runtime fetch arm64-v8a" in message
    assert "bench runtime add FILE" in message
    assert "litert/prebuilt/android_arm64/libLiteRt.so" in message
    assert libraries.PINS["arm64-v8a"].sha256 in message


def test_an_added_library_is_found(runners: Path, tmp_path: Path) -> None:
    kept = keep(tmp_path, LIBRARY)
    found = runtime.find(("arm64-v8a",), "bionic")
    assert found.library == kept
    assert found.library_sha256 == hashlib.sha256(LIBRARY).hexdigest()
    assert (found.library_source, found.library_version) == ("added", None)
    assert found.runner.parent.name == "aarch64-linux-android"


def test_the_first_abi_of_the_phone_that_has_all_wins(runners: Path, tmp_path: Path) -> None:
    keep(tmp_path, tiny_elf("x86_64"))
    assert runtime.find(("arm64-v8a", "x86_64"), "bionic").abi == "x86_64"
    keep(tmp_path, LIBRARY)
    assert runtime.find(("arm64-v8a", "x86_64"), "bionic").abi == "arm64-v8a"


@pytest.mark.parametrize("abis", [(), ("armeabi-v7a", "armeabi")])
def test_a_phone_without_a_64_bit_abi_has_no_runner(abis: tuple[str, ...]) -> None:
    with pytest.raises(RuntimeMissing, match=r"bench has runners for: arm64-v8a, x86_64\."):
        runtime.find(abis, "bionic")


def test_a_runner_that_is_not_built_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "RUNNERS", tmp_path)
    with pytest.raises(RuntimeMissing, match=r"python hatch_build\.py"):
        runtime.find((HOST_ABI,), "glibc")


def test_a_damaged_cache_counts_as_none(runners: Path, tmp_path: Path) -> None:
    kept = keep(tmp_path, LIBRARY)
    kept.write_bytes(LIBRARY[:-1])
    with pytest.raises(RuntimeMissing):
        runtime.find(("arm64-v8a",), "bionic")
    kept.write_bytes(LIBRARY)
    (kept.parent / "library.json").write_text("{")
    with pytest.raises(RuntimeMissing):
        runtime.find(("arm64-v8a",), "bionic")


def test_the_list_names_every_kind_of_phone(runners: Path, tmp_path: Path) -> None:
    keep(tmp_path, LIBRARY)
    rows = {(row.abi, row.libc): row for row in runtime.list_available()}
    assert len(rows) == 4
    assert rows["arm64-v8a", "bionic"].source == "added"
    assert rows["x86_64", "bionic"].library is None
    assert rows[HOST_ABI, "glibc"].source == "wheel"
    assert all(row.runner is not None for row in rows.values())


# Adding


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not a library", "not an ELF file"),
        (tiny_elf(needed=("libc.so.6", "libm.so.6")), "needs libc.so.6, libm.so.6"),
        (tiny_elf(interpreter="/system/bin/linker64"), "a program, not a library"),
        (tiny_elf(kind=2), "a program, not a library"),
        (tiny_elf(content=b"TfLiteInterpreterCreate\0"), "has no LiteRtCreateEnvironment"),
        (tiny_elf()[:100], "cut"),
    ],
)
def test_what_no_phone_could_load_is_not_added(
    content: bytes, words: str, tmp_path: Path, own_cache: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        keep(tmp_path, content)
    assert not own_cache.exists()


def test_a_file_that_is_not_there_is_not_added() -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        runtime.add("/no/such/file.so")


def test_adding_again_replaces(tmp_path: Path) -> None:
    keep(tmp_path, LIBRARY)
    assert keep(tmp_path, LIBRARY + b"newer").read_bytes().endswith(b"newer")


def test_the_pinned_library_keeps_its_version_when_added_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin_to(LIBRARY, monkeypatch)
    keep(tmp_path, LIBRARY)
    library = libraries.kept("arm64-v8a")
    assert library is not None
    assert library.version == "2.2.0"


# Fetching


class Server:
    """Answers one path, as it is told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.body = LIBRARY
        self.status = 200
        self.announced: int | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                self.send_response(server.status)
                length = len(server.body) if server.announced is None else server.announced
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/mirror/"

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv(libraries.BASE_SETTING, server.address)
    for setting in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(setting, raising=False)
    yield server
    server.close()


def pin_to(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(content).hexdigest()
    pin = Pin("arm64-v8a", "2.2.0", "android_arm64", digest, len(content))
    monkeypatch.setitem(libraries.PINS, "arm64-v8a", pin)


def test_a_fetched_library_is_kept_and_found(
    server: Server, runners: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin_to(LIBRARY, monkeypatch)
    kept = runtime.fetch("arm64-v8a")
    assert server.asked == ["/mirror/android_arm64/libLiteRt.so"]
    assert kept.read_bytes() == LIBRARY
    found = runtime.find(("arm64-v8a",), "bionic")
    assert (found.library_source, found.library_version) == ("fetched", "2.2.0")


def test_what_the_user_added_goes_before_what_was_fetched(
    server: Server, runners: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin_to(LIBRARY, monkeypatch)
    runtime.fetch("arm64-v8a")
    added = keep(tmp_path, LIBRARY + b"own")
    assert runtime.find(("arm64-v8a",), "bionic").library == added


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 404, "body": b"Not found"}, "the server answered 404 Not Found"),
        ({"status": 500, "body": b""}, "the server answered 500"),
        ({"body": LIBRARY[:-1]}, f"{len(LIBRARY)} bytes were expected, only {len(LIBRARY) - 1}"),
        ({"body": LIBRARY[:100], "announced": len(LIBRARY)}, "the connection broke|only 100"),
        ({"body": LIBRARY + b"x"}, f"{len(LIBRARY)} bytes were expected, more came"),
        ({"body": bytes(len(LIBRARY))}, "its sha256 is"),
        ({"body": b"version https://git-lfs.github.com/spec/v1\n"}, "bytes were expected, only"),
    ],
    ids=["404", "500", "short", "broken off", "long", "wrong hash", "LFS pointer"],
)
def test_anything_but_the_pinned_bytes_is_not_kept(
    answer: dict[str, Any],
    words: str,
    server: Server,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pin_to(LIBRARY, monkeypatch)
    vars(server).update(answer)
    with pytest.raises(RuntimeMissing, match=words) as caught:
        runtime.fetch("arm64-v8a")
    assert "bench runtime add FILE" in str(caught.value)
    assert list(own_cache.rglob("*")) == []


def test_a_server_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    monkeypatch.setenv(libraries.BASE_SETTING, server.address)
    server.close()
    with pytest.raises(RuntimeMissing, match="can't be reached"):
        runtime.fetch("arm64-v8a")


def test_only_http_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(libraries.BASE_SETTING, "file:///etc")
    with pytest.raises(UsageError, match="must be an http or https address"):
        runtime.fetch("arm64-v8a")


def test_the_official_address_is_that_of_the_pinned_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(libraries.BASE_SETTING, raising=False)
    assert libraries.PINS["x86_64"].address == (
        "https://github.com/google-ai-edge/LiteRT/raw/v2.2.0/"
        "litert/prebuilt/android_x86_64/libLiteRt.so"
    )


def test_an_abi_without_an_official_library_names_those_that_have_one() -> None:
    with pytest.raises(UsageError, match=r"Known are: arm64-v8a, x86_64\."):
        runtime.fetch("mips")


def test_a_cache_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="can't be written"):
        keep(tmp_path, LIBRARY)
