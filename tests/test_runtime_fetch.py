"""Downloads, from a local server that breaks off, lies, redirects and changes its mind."""

from __future__ import annotations

import hashlib
import io
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tiny_elf import tiny_elf

from bench import runtime
from bench.errors import RuntimeMissing, UsageError
from bench.runtime import download, official
from bench.runtime.cache import kept
from bench.runtime.official import OFFICIAL, SETTINGS, VERSION, Official

LIBRARY = tiny_elf("arm64-v8a", content=bytes(range(256)) * 2000)
TOOL = tiny_elf(
    interpreter="/system/bin/linker64",
    soname=None,
    exports=(),
    content=b"num_runs\0warmup_runs\0" + bytes(100_000),
)
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class Server:
    """Answers every path, as it is told. Everything that is asked is written down."""

    def __init__(self) -> None:
        self.body = LIBRARY
        self.asked: list[tuple[str, str | None]] = []  # path, Range
        self.status = 200
        self.headers: dict[str, str] = {}
        self.announced: int | None = None  # Content-Length; None: the true one
        self.stop_after: int | None = None  # bytes, then the connection is closed
        self.breaks: int | None = None  # how often; None: always
        self.ranges = True
        self.etag: str | None = '"one"'
        self.chunked = False
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/mirror/"

    def limit(self) -> int | None:
        """Bytes of a body that are sent; None: all."""
        if self.stop_after is None or self.breaks == 0:
            return None
        if self.breaks is not None:
            self.breaks -= 1
        return self.stop_after

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.asked.append((self.path, wanted))
                self.close_connection = True
                start = self._start(wanted)
                if start == len(server.body) > 0:
                    self.send_error(416)
                    return
                status = 206 if start and server.status == 200 else server.status
                self.send_response(status)
                body = server.body[start:]
                if status == 206:
                    whole = len(server.body)
                    self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
                self._send_headers(len(body))
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self._send_body(body[: server.limit()])

            def _start(self, wanted: str | None) -> int:
                unchanged = self.headers.get("If-Range") in (None, server.etag)
                if wanted is None or not server.ranges or not unchanged:
                    return 0
                return int(wanted.removeprefix("bytes=").removesuffix("-"))

            def _send_headers(self, length: int) -> None:
                if server.etag is not None:
                    self.send_header("ETag", server.etag)
                if server.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                elif server.announced != -1:
                    told = length if server.announced is None else server.announced
                    self.send_header("Content-Length", str(told))

            def _send_body(self, body: bytes) -> None:
                if server.chunked:
                    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for setting in PROXIES:
        monkeypatch.delenv(setting, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    for setting in SETTINGS.values():
        monkeypatch.setenv(setting, server.address)
    pin_to(LIBRARY, monkeypatch)
    yield server
    server.close()


def pin_to(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = Official(
        tool="library",
        abi="arm64-v8a",
        platform="android_arm64",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )
    monkeypatch.setitem(OFFICIAL, ("library", "arm64-v8a", "bionic"), pin)


def refusal(tool: runtime.Tool = "library") -> str:
    with pytest.raises(RuntimeMissing) as caught:
        runtime.fetch("arm64-v8a", tool)
    assert "bench runtime add FILE" in str(caught.value)
    assert OFFICIAL[tool, "arm64-v8a", "bionic"].address in str(caught.value)
    return str(caught.value)


def kept_files(cache: Path) -> list[str]:
    """All that a phone could be given."""
    return [p.name for p in cache.rglob("*") if p.is_file() and p.parent.name != "partial"]


# What comes as it should


def test_a_fetched_library_is_kept_and_found(server: Server) -> None:
    path = runtime.fetch("arm64-v8a")
    assert server.asked == [("/mirror/android_arm64/libLiteRt.so", None)]
    assert path.read_bytes() == LIBRARY
    record = kept("library", "arm64-v8a", "bionic")
    assert record is not None
    assert (record.source, record.version, record.on_trust) == ("fetched", VERSION, False)
    assert record.address == server.address + "android_arm64/libLiteRt.so"
    assert record.sha256 == hashlib.sha256(LIBRARY).hexdigest()


def test_nothing_is_fetched_twice(server: Server) -> None:
    assert runtime.fetch("arm64-v8a") == runtime.fetch("arm64-v8a")
    assert len(server.asked) == 1


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server) -> None:
    path = runtime.fetch("arm64-v8a")
    path.write_bytes(LIBRARY[:-1])
    assert runtime.fetch("arm64-v8a").read_bytes() == LIBRARY


def test_what_the_user_added_goes_before_what_was_fetched(server: Server, tmp_path: Path) -> None:
    runtime.fetch("arm64-v8a")
    own = tmp_path / "own.so"
    own.write_bytes(LIBRARY + b"own")
    (added,) = runtime.add(own)
    assert kept("library", "arm64-v8a", "bionic") == added
    runtime.fetch("arm64-v8a")
    assert kept("library", "arm64-v8a", "bionic") == added


def test_progress_is_told_from_nothing_to_all(server: Server) -> None:
    told: list[tuple[int, int | None]] = []
    runtime.fetch("arm64-v8a", progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, len(LIBRARY))
    assert told[-1] == (len(LIBRARY), len(LIBRARY))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_server_that_sends_in_chunks_is_understood(server: Server) -> None:
    server.chunked = True
    assert runtime.fetch("arm64-v8a").read_bytes() == LIBRARY


def test_a_redirect_to_http_is_followed(server: Server) -> None:
    other = Server()
    server.status, server.headers = 302, {"Location": other.address + "lfs"}
    assert runtime.fetch("arm64-v8a").read_bytes() == LIBRARY
    other.close()
    assert other.asked == [("/mirror/lfs", None)]


def test_a_mirror_may_be_told_the_version(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTINGS["library"], server.address + "litert/{version}")
    runtime.fetch("arm64-v8a")
    assert server.asked[0][0] == f"/mirror/litert/{VERSION}/android_arm64/libLiteRt.so"


def test_the_official_addresses_are_those_of_the_pinned_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for setting in SETTINGS.values():
        monkeypatch.delenv(setting, raising=False)
    assert OFFICIAL["library", "armeabi-v7a", "bionic"].address == (
        "https://github.com/google-ai-edge/LiteRT/raw/v2.2.0/"
        "litert/prebuilt/android_arm32/libLiteRt.so"
    )
    assert OFFICIAL["benchmark_model", "arm64-v8a", "bionic"].address == (
        "https://storage.googleapis.com/litert/binaries/2.2.0/android_arm64/benchmark_model"
    )


def test_a_library_for_linux_is_fetched_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.body = tiny_elf("x86_64", needed=("libc.so.6",))
    pin = Official(
        tool="library",
        abi="x86_64",
        platform="linux_x86_64",
        libc="glibc",
        sha256=hashlib.sha256(server.body).hexdigest(),
        size_bytes=len(server.body),
    )
    monkeypatch.setitem(OFFICIAL, ("library", "x86_64", "glibc"), pin)
    path = runtime.fetch("x86_64", libc="glibc")
    assert server.asked == [("/mirror/linux_x86_64/libLiteRt.so", None)]
    assert runtime.find(("x86_64",), "glibc").library == path


# What is broken off and gone on with


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TRIES", 1)


def test_a_download_goes_on_by_itself_where_the_connection_broke(server: Server) -> None:
    server.stop_after, server.breaks = 100_000, 3
    told: list[int] = []
    path = runtime.fetch("arm64-v8a", progress=lambda done, total: told.append(done))
    assert path.read_bytes() == LIBRARY
    ranges = [asked for _, asked in server.asked]
    assert ranges == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]
    assert told == sorted(told)


def test_a_broken_download_goes_on_where_it_broke(
    server: Server, one_try: None, own_cache: Path
) -> None:
    server.stop_after = 100_000
    assert f"broke after 100000 of {len(LIBRARY)} bytes (the next fetch goes on there)" in refusal()
    assert kept_files(own_cache) == []
    server.stop_after = None
    told: list[int] = []
    path = runtime.fetch("arm64-v8a", progress=lambda done, total: told.append(done))
    assert path.read_bytes() == LIBRARY
    assert server.asked[-1][1] == "bytes=100000-"
    assert told[0] == 100_000


def test_a_download_that_breaks_again_and_again_comes_in_the_end(
    server: Server, one_try: None
) -> None:
    server.stop_after = 100_000
    for _ in range(len(LIBRARY) // 100_000):
        refusal()
    server.stop_after = None
    assert runtime.fetch("arm64-v8a").read_bytes() == LIBRARY
    assert [asked for _, asked in server.asked[1:3]] == ["bytes=100000-", "bytes=200000-"]


def test_a_server_without_ranges_sends_all_again(server: Server, one_try: None) -> None:
    server.stop_after = 100_000
    refusal()
    server.stop_after, server.ranges = None, False
    assert runtime.fetch("arm64-v8a").read_bytes() == LIBRARY


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(
    server: Server, one_try: None
) -> None:
    server.body, server.stop_after = bytes(len(LIBRARY)), 100_000
    refusal()
    server.body, server.stop_after, server.etag = LIBRARY, None, '"two"'
    assert runtime.fetch("arm64-v8a").read_bytes() == LIBRARY


def test_without_an_etag_the_hash_of_the_whole_finds_a_wrong_beginning(
    server: Server, one_try: None
) -> None:
    server.body, server.stop_after, server.etag = bytes(len(LIBRARY)), 100_000, None
    refusal()
    server.body, server.stop_after = LIBRARY, None
    assert runtime.fetch("arm64-v8a").read_bytes() == LIBRARY
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", None]


def test_without_a_hash_and_an_etag_nothing_is_gone_on_with(server: Server, one_try: None) -> None:
    server.body, server.stop_after, server.etag = TOOL, 50_000, 'W/"weak"'
    refusal("benchmark_model")
    server.stop_after = None
    assert runtime.fetch("arm64-v8a", "benchmark_model").read_bytes() == TOOL
    assert [asked for _, asked in server.asked] == [None, None]


def test_a_mirror_that_differs_does_not_go_on_with_anothers_beginning(
    server: Server, one_try: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop_after = 100_000
    refusal()
    server.stop_after = None
    monkeypatch.setenv(SETTINGS["library"], server.address + "other")
    runtime.fetch("arm64-v8a")
    assert server.asked[-1][1] is None


def test_what_came_whole_but_was_not_kept_is_not_asked_for_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between the last byte and the check."""
    with monkeypatch.context() as patch:
        patch.setattr(download, "discard", lambda part: None)
        runtime.fetch("arm64-v8a").unlink()
    runtime.fetch("arm64-v8a")
    assert len(server.asked) == 1


def test_two_fetches_at_once_do_not_write_into_one_file(server: Server) -> None:
    def while_fetching(done: int, total: int | None) -> None:
        if done == total:
            with pytest.raises(RuntimeMissing, match="another bench is fetching it"):
                runtime.fetch("arm64-v8a")

    assert runtime.fetch("arm64-v8a", progress=while_fetching).read_bytes() == LIBRARY


# What is refused


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 404, "body": b"Not found"}, "the server answered 404 Not Found"),
        ({"status": 500, "body": b""}, "the server answered 500"),
        ({"body": LIBRARY[:-1]}, f"{len(LIBRARY)} bytes were expected, the server has"),
        ({"body": LIBRARY + b"x"}, f"expected, the server has {len(LIBRARY) + 1}"),
        ({"body": LIBRARY[:100], "announced": len(LIBRARY)}, "broke after 100 of"),
        ({"announced": 1 << 45}, f"expected, the server has {1 << 45}"),
        ({"body": LIBRARY[:-1], "announced": -1}, f"broke after {len(LIBRARY) - 1} of"),
        ({"body": LIBRARY + b"x", "announced": -1}, "more bytes came than were announced"),
        ({"body": LIBRARY + b"x", "chunked": True}, "more bytes came than were announced"),
        ({"body": LIBRARY[:-1], "chunked": True}, "broke after"),
        ({"body": bytes(len(LIBRARY))}, "its sha256 is"),
        ({"body": b"version https://git-lfs.github.com/spec/v1\n"}, "the server has 43"),
        ({"headers": {"Content-Encoding": "gzip"}}, "sent it compressed"),
        (
            {"status": 302, "headers": {"Location": "file:///etc/passwd"}},
            "'file:///etc/passwd' is not allowed",
        ),
        ({"status": 302, "headers": {"Location": "ftp://h/x"}}, "redirects to 'ftp://h/x'"),
        ({"status": 302, "headers": {"Location": "data:,x"}}, "'data:,x' is not allowed"),
        ({"status": 302, "headers": {"Location": "/again"}}, "infinite loop"),
        ({"status": 204, "body": b""}, "the server has 0"),
    ],
)
def test_anything_but_the_pinned_bytes_is_not_kept(
    answer: dict[str, Any], words: str, server: Server, own_cache: Path
) -> None:
    vars(server).update(answer)
    assert words in refusal()
    assert kept_files(own_cache) == []


def test_https_is_not_left_for_http() -> None:
    request = urllib.request.Request("https://example.org/libLiteRt.so")
    with pytest.raises(download.DownloadError, match=r"'http://example\.org/x', which"):
        download._Redirects().redirect_request(
            request, io.BytesIO(), 302, "", {}, "http://example.org/x"
        )


def test_a_server_that_is_not_there_is_one_error_with_all_that_is_needed(
    server: Server,
) -> None:
    server.close()
    message = refusal()
    assert "can't be reached" in message
    assert hashlib.sha256(LIBRARY).hexdigest() in message
    server.http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    server.thread.start()


def test_a_silent_server_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = threading.Event()
    monkeypatch.setattr(server.http.RequestHandlerClass, "do_GET", lambda self: hold.wait(30))
    monkeypatch.setattr(download, "SILENCE_S", 0.05)
    message = refusal()
    hold.set()
    assert "silent" in message or "timed out" in message


def test_a_server_that_drips_is_not_waited_for_without_end(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TOTAL_S", -1.0)
    assert "it took more than" in refusal()


@pytest.mark.parametrize("base", ["file:///etc", "ftp://h", "/etc", "http://"])
def test_only_http_is_fetched(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTINGS["library"], base)
    with pytest.raises(RuntimeMissing, match="only http and https addresses are fetched"):
        runtime.fetch("arm64-v8a")


def test_an_abi_without_an_official_library_names_those_that_have_one() -> None:
    with pytest.raises(UsageError, match=r"There are: arm64-v8a, armeabi-v7a, x86_64\."):
        runtime.fetch("mips")
    with pytest.raises(UsageError, match=r"no official benchmark_model for 'x86_64'"):
        runtime.fetch("x86_64", "benchmark_model")


# benchmark_model, which nobody publishes a hash of


def test_benchmark_model_is_believed_at_first_use_and_recorded(server: Server) -> None:
    server.body = TOOL
    path = runtime.fetch("arm64-v8a", "benchmark_model")
    record = runtime.find_benchmark_model(("arm64-v8a",), "bionic")
    assert (record.path, record.version, record.on_trust) == (str(path), VERSION, True)
    assert record.sha256 == hashlib.sha256(TOOL).hexdigest()
    assert path.stat().st_mode & 0o111


def test_another_benchmark_model_under_the_same_address_is_refused(server: Server) -> None:
    server.body = TOOL
    path = runtime.fetch("arm64-v8a", "benchmark_model")
    path.unlink()
    server.body, server.etag = TOOL + b"changed", '"two"'
    message = refusal("benchmark_model")
    assert hashlib.sha256(TOOL).hexdigest() in message
    assert f"If the change is meant, remove {path}.json" in message
    path.with_name("benchmark_model.json").unlink()
    assert runtime.fetch("arm64-v8a", "benchmark_model").read_bytes() == server.body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>Sign in to the network</html>", "what came is not it"),
        (LIBRARY, "it is libLiteRt.so for arm64-v8a"),
        (tiny_elf("x86_64", interpreter="/system/bin/linker64", content=TOOL[-100_100:]), "x86_64"),
        (TOOL[:90], "what came is not it"),
        (b"", "what came is not it"),
    ],
)
def test_what_is_no_benchmark_model_is_not_kept(
    body: bytes, words: str, server: Server, own_cache: Path
) -> None:
    server.body = body
    assert words in refusal("benchmark_model")
    assert kept_files(own_cache) == []


def test_a_file_of_unknown_size_and_hash_is_refused(server: Server) -> None:
    server.body, server.announced = TOOL, -1
    assert "doesn't tell its size" in refusal("benchmark_model")


def test_a_file_larger_than_any_of_litert_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.body = TOOL
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    assert "larger" in refusal("benchmark_model")


def test_every_official_file_is_known_by_name() -> None:
    for (tool, abi, libc), one in official.OFFICIAL.items():
        assert (one.tool, one.abi, one.libc) == (tool, abi, libc)
        assert one.address.endswith(f"{one.platform}/{official.FILES[tool]}")
