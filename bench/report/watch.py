"""The page of a run that is still going on: rendered anew as trials arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.frame.trials import AnyPath, runs_at
from bench.report import place_of, write_page
from bench.report.collect import Collection, collect
from bench.report.page import html
from bench.store import is_being_written

LOOK_EVERY_S = 2.0
# Of a virtual phone the computer is the processor: rendering may take a tenth of its time.
REST = 9.0

Tell = Callable[[Path, int, int], None]  # where the page lies, trials that ended, trials planned


def watch_report(
    runs: AnyPath | Iterable[AnyPath],
    output: AnyPath | None = None,
    *,
    tell: Tell,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Render the report whenever trials have arrived, until every run has ended.

    A run has ended when all that it planned is there and nobody writes into it. Until then the
    page loads itself anew; the last one, also the one that an interrupt leaves, does not.
    """
    folders = runs_at(runs)
    path = place_of(folders, output)
    try:
        return _watched(folders, path, tell, wait, clock)
    except KeyboardInterrupt:
        write_page(path, html(collect(folders)))
        raise


def _watched(
    folders: Sequence[Path],
    path: Path,
    tell: Tell,
    wait: Callable[[float], None],
    clock: Callable[[], float],
) -> Path:
    seen: Sequence[int] = ()
    held: Collection | None = None
    pause_s = LOOK_EVERY_S
    while True:
        # Asked before the trials are read: what a writer leaves at its end is not missed.
        idle = not any(is_being_written(folder) for folder in folders)
        sizes = [(folder / "trials.jsonl").stat().st_size for folder in folders]
        began = clock()
        changed = held is None or sizes != seen
        if held is None or changed:
            held, seen = collect(folders), sizes
        ended = idle and len(held.done) >= held.planned
        if changed or ended:
            write_page(path, html(held, reload_s=None if ended else pause_s))
            pause_s = max(LOOK_EVERY_S, REST * (clock() - began))
            tell(path, len(held.done), held.planned)
        if ended:
            return path
        wait(pause_s)
