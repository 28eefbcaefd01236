"""No test sees the user's home, caches, phones or adb server."""

from __future__ import annotations

import pytest


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
