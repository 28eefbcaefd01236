"""No test sees the user's home, caches, phones or adb server."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def programs_that_hear_of_hang_ups_and_interrupts():
    """What a shell behind `nohup` or `&` makes deaf; who has a handler starts programs without."""
    heard = {signal.SIGHUP: lambda *_: None, signal.SIGINT: signal.default_int_handler}
    deaf = [number for number in heard if signal.getsignal(number) == signal.SIG_IGN]
    for number in deaf:
        signal.signal(number, heard[number])
    yield
    for number in deaf:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def a_home_of_our_own(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.setenv("ANDROID_USER_HOME", str(home))
        # Nothing listens there; whoever forgets to name a server of its own is refused.
        patch.setenv("ANDROID_ADB_SERVER_ADDRESS", "127.0.0.1")
        patch.setenv("ANDROID_ADB_SERVER_PORT", "1")
        yield home
