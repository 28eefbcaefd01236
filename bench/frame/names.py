"""Foreign strings as a reader may see them.

Names come from phones, files and logs, and are hostile: they are bounded and rid of what
could turn or hide the text around them. Escaping is another's work.
"""

from __future__ import annotations

import re
import unicodedata

NAME_LIMIT = 72  # characters of a name in a table

# Directional marks and overrides would let a name rewrite what stands beside it.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str, limit: int = NAME_LIMIT) -> str:
    """A foreign string, bounded and harmless to the text around it.

    Line ends become spaces; other control characters, directional marks and what XML forbids
    become U+FFFD.
    What is beyond the limit is cut from the middle, where names differ least.
    """
    rough = text if len(text) <= limit else _shortened(text, limit)
    spaced = re.sub(r"[\r\n\t\v\f\u0085\u2028\u2029]+", " ", rough)
    turned = _TURNING.sub("\ufffd", spaced)
    return "".join("\ufffd" if _is_control(character) else character for character in turned)


def _shortened(text: str, limit: int) -> str:
    head = (limit - 1) * 2 // 3
    return text[:head] + "…" + text[len(text) - (limit - 1 - head) :]


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff"
