"""Streams of bytes as lines of the tool, freed of what carried them.

Carriers: CR LF of old adb, colours and every format of logcat, the level that newer tools print
before a line, and the source position that LiteRT prints. A line that the stream was cut in is
marked, because a number at its end may lack digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_LINE_CHARS = 8192  # a longer line holds nothing that is read


class Line(NamedTuple):
    """What the tool or its runtime said in one line."""

    text: str  # without outer white space
    level: str | None  # INFO, WARN, ERROR, FATAL, VERBOSE; None: not told
    marked: bool  # the level stood in the text, not in logcat's column
    source: str | None  # file of LiteRT that said it
    whole: bool  # its end of line came too
    process: str | None  # by logcat
    logcat: bool


def read_lines(stream: bytes) -> Iterator[Line]:
    """All lines in order; those of other programs in a logcat are left out."""
    text = stream.decode("utf-8", "replace")
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    pieces = text.split("\n")
    last = len(pieces) - 1
    reader = _Reader()
    for number, piece in enumerate(pieces):
        bare = piece[:MAX_LINE_CHARS].strip(" \r\v\f\0")
        line = reader.read(bare, whole=number != last)
        if line is not None and line.text:
            yield line


class _Reader:
    """Holds what earlier lines told of later ones: the process, and the header of a long format."""

    def __init__(self) -> None:
        self._logcat = False
        self._process: str | None = None
        self._level: str | None = None
        self._long = False  # logcat -v long: a header line, then the message
        self._foreign = False

    def read(self, piece: str, *, whole: bool) -> Line | None:
        """The line of the tool in a line of the stream, if there is one."""
        if piece[:1] == "\t" and not self._foreign:  # a row of a table, the commonest line
            return Line(piece.strip(), None, False, None, whole, self._process, self._logcat)
        if piece[:1] in _LOGCAT_STARTS and piece:
            header = _LONG.match(piece)
            if header:
                self._enter(header["tag"], header["pid"], header["level"], long=True)
                return None
            found = next((m for pattern in _LOGCAT if (m := pattern.match(piece))), None)
            if found is not None:
                told = found.groupdict()
                self._enter(told["tag"], told.get("pid"), told.get("level"), long=False)
                foreign, self._foreign = self._foreign, False
                return None if foreign else self._line(told["message"] or "", self._level, whole)
        if self._foreign:
            return None
        return self._line(piece, self._level if self._long else None, whole)

    def _enter(self, tag: str, pid: str | None, level: str | None, *, long: bool) -> None:
        self._long = long
        self._foreign = tag.strip().lower() not in _TAGS
        if not self._foreign:
            self._logcat = True
            self._process = pid
            self._level = _LEVELS.get(level or "")

    def _line(self, text: str, level: str | None, whole: bool) -> Line:
        text = text.strip()
        marked = False
        source = None
        word, colon, _ = text[:9].partition(": ")
        if colon and word in _WORDS:
            level = "WARN" if word == "WARNING" else word
            marked = True
            text = text[len(word) + 2 :].lstrip()
        if text[:1] == "[" or (level is None and text[:1] in _ABSL_STARTS):
            found = _SOURCE.match(text) or _ABSL.match(text)
            if found:
                source = found["file"]
                level = level or _LEVELS.get(found.groupdict().get("level") or "")
                text = text[found.end() :].lstrip()
        return Line(text, level, marked, source, whole, self._process, self._logcat)


_TAGS = {"tflite", "litert", "benchmark_model"}
_LEVELS = {"V": "VERBOSE", "D": "VERBOSE", "I": "INFO", "W": "WARN", "E": "ERROR", "F": "FATAL"}
_WORDS = {"INFO", "WARN", "WARNING", "ERROR", "FATAL", "VERBOSE", "DEBUG"}

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_SOURCE = re.compile(r"\[(?P<file>[^\]\s]{1,200}):\d{1,6}\]")
_ABSL = re.compile(
    r"(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d{3,9} +\d+ (?P<file>[^\]\s]{1,200}):\d{1,6}\]"
)

_TIME = r"(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,9}"
_MESSAGE = r":(?: (?P<message>.*))?$"
_LONG = re.compile(
    rf"\[ {_TIME}(?: [+-]\d{{4}})? +(?:\w+ ?: ?)?(?P<pid>\d+): ?\d+ (?P<level>[VDIWEF])/"
    r"(?P<tag>[^\]]{1,80}?) *\]$"
)
_LOGCAT = [
    re.compile(pattern)
    for pattern in (
        # threadtime, with year, zone, uid or seconds of the epoch if asked for; or without ids
        rf"(?:{_TIME}|\d{{9,}}\.\d{{3,9}})(?: [+-]\d{{4}})? +(?:(?:\S+ +)?(?P<pid>\d+) +\d+ )?"
        rf"(?P<level>[VDIWEF]) (?P<tag>[^:]{{1,80}}?) *{_MESSAGE}",
        # time, and Android Studio before 2022
        rf"{_TIME}(?: [\d-]+/\S+)? (?P<level>[VDIWEF])/(?P<tag>[^:(]{{1,80}}?) *"
        rf"(?:\( *(?P<pid>\d+)\))?{_MESSAGE}",
        # Android Studio since
        rf"(?:{_TIME}|\d\d:\d\d:\d\d\.\d{{3}}) +(?P<pid>\d+)-\d+ +(?P<tag>\S{{1,80}}) +\S+ +"
        r"(?P<level>[VDIWEF]) +(?P<message>.*)$",
        # brief, tag
        rf"(?P<level>[VDIWEF])/(?P<tag>[^:(]{{1,80}}?) *(?:\( *(?P<pid>\d+)\))?{_MESSAGE}",
        # process
        r"(?P<level>[VDIWEF])\( *(?P<pid>\d+)\) (?P<message>.*) \((?P<tag>[^()]{1,80})\)$",
        # what guides make of them: "I tflite  : ...", "... tflite  : ..."
        rf"(?:(?P<level>[VDIWEF])|\S{{0,20}}\.\.\.) (?P<tag>tflite|litert) *{_MESSAGE}",
    )
]
_LOGCAT_STARTS = "0123456789VDIWEF[."
_ABSL_STARTS = tuple("IWEF")
