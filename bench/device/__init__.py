"""All talk with a phone: find it, run, push, pull, ask what it is and how it is."""

from bench.device.adb import connect, list_phones, usable_phones
from bench.device.adb_phone import AdbPhone
from bench.device.describe import describe, read_state
from bench.device.ensure import ensure
from bench.device.parse.devices import Listed
from bench.device.phone import WORK_DIR, Finished, Phone, content_path
from bench.device.server import AdbServer, default_server, private_server

__all__ = [
    "WORK_DIR",
    "AdbPhone",
    "AdbServer",
    "Finished",
    "Listed",
    "Phone",
    "connect",
    "content_path",
    "default_server",
    "describe",
    "ensure",
    "list_phones",
    "private_server",
    "read_state",
    "usable_phones",
]
