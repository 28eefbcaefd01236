"""What probe.sh prints: sections between headings that no phone can forge."""

from __future__ import annotations

from bench.device.parse.text import lines_of


def split_sections(text: str, nonce: str) -> dict[str, str] | None:
    """Text by section; None when the end is missing, so a cut output is never half believed."""
    heading = f"== {nonce} "
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines_of(text):
        if line.startswith(heading):
            current = sections.setdefault(line.removeprefix(heading), [])
        else:
            current.append(line)
    if "end" not in sections:
        return None
    return {name: "\n".join(lines) for name, lines in sections.items()}
