"""The runner on the oldest LiteRT that it takes and on the newest that it doesn't."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import tiny_models
from runners import host_binaries, litert_of_pypi, run

from bench import runtime
from bench.errors import UsageError


@pytest.fixture(scope="module")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("2.1.6")
    return litert_of_pypi("2.1.6", platform.machine(), folder)


@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_the_oldest_litert_gives_what_the_installed_one_gives(
    delegate: str, oldest: Path, tmp_path: Path
) -> None:
    model = tiny_models.partly_delegated()
    old = run(model, tmp_path, library=str(oldest), delegate=delegate)
    new = run(model, tmp_path, delegate=delegate)
    assert old["delegation"] == new["delegation"]
    assert old["outputs"][0]["sum"] == pytest.approx(new["outputs"][0]["sum"], rel=1e-5)


def test_the_oldest_litert_profiles_and_takes_flags(oldest: Path, tmp_path: Path) -> None:
    flags = {"profile": "2", "xnnpack_flags": "0"}
    told = run(tiny_models.int8_net(), tmp_path, library=str(oldest), **flags)
    assert [op["delegate"] for op in told["profile"]["ops"]] == ["builtin"]


def test_the_age_of_a_library_is_told_by_what_it_exports(
    oldest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runtime.add(oldest)[0].at_least == "2.1.6"
    assert runtime.add(host_binaries().library)[0].at_least in ("2.2.0", "2.3.0")
    too_old = litert_of_pypi("2.1.5", platform.machine(), tmp_path)
    with pytest.raises(UsageError, match=r"is LiteRT older than 2\.1\.6"):
        runtime.add(too_old)
