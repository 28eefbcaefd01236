"""`dumpsys power`: is the screen on?"""

from __future__ import annotations

import re

# "mWakefulnessRaw=" (12+) and "mWakefulnessChanging=" begin alike, so the "=" counts.
_WAKEFULNESS = re.compile(
    r"^[ \t]*mWakefulness=(Awake|Asleep|Dreaming|Dozing)[ \t\r]*$", re.MULTILINE
)
_DISPLAY = re.compile(r"^[ \t]*Display Power: state=(ON|OFF)\b", re.MULTILINE)
_BEFORE_5 = re.compile(r"^[ \t]*mPowerState=(.*)$", re.MULTILINE)


def parse_screen(text: str) -> bool | None:
    """True when the screen shows something, also a screen saver."""
    if match := _WAKEFULNESS.search(text):
        return match[1] in ("Awake", "Dreaming")
    if match := _DISPLAY.search(text):
        return match[1] == "ON"
    if match := _BEFORE_5.search(text):
        return "SCREEN_ON_BIT" in match[1].split()
    return None
