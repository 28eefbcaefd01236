"""Which phone it is, from its properties."""

from __future__ import annotations

import re

from bench.device.parse.text import printable

# Factory values that many phones share, and what an app without rights is told.
_NO_SERIAL = {"unknown", "null", "0", "1234567", "0123456789", "123456789abcdef"}
_NO_SERIAL |= {"0123456789abcdef", "1234567890abcdef", "1234567890"}

# Names of a family, of a board, or of something else, where the chip's name is due: "exynos5"
# stands on seven different chips, "msm8960" also on APQ8064, "msm8660" on MSM8260A, "msm8952" on
# MSM8956, "qcom" on all of Qualcomm's, "lito" on SM6350 as on SM7250, "sm6150" on SM7150,
# "lahaina" on SM7325, "pineapple" on SM8635, "msmnile" on SA8155P.
_NO_CHIP = {"exynos5", "msm8960", "msm8660", "msm8952", "qcom", "gmin", "tegra", "unknown"}
_NO_CHIP |= {"lito", "sm6150", "lahaina", "pineapple", "msmnile", "bengal", "holi", "taro"}
_NO_CHIP |= {"atm702x", "moorefield", "polaris", "tegra210_dragon"}

_CHIP = re.compile(
    r"\b(?P<maker>MSM|APQ|SDM|SM|QCS|QCM) ?(?P<number>[0-9]{3,4}\w*(?:-[A-Z]{2})?)"
    r"|\b(?P<whole>MT[0-9]{4}\w*(?:/\w+)?|Kirin[0-9]{3,4}|Exynos[0-9]{4}|SC[0-9]{4}\w*(?:-\w+)?)",
    re.IGNORECASE | re.ASCII,
)


def told(props: dict[str, str], key: str) -> str | None:
    """The property, fit to print; None where it is empty or missing."""
    return printable(props.get(key, "")) or None


def identity(props: dict[str, str]) -> str | None:
    """What the phone calls itself over every connection: ro.serialno.

    Emulators of one version share theirs, and so do cheap phones: None.
    """
    if props.get("ro.kernel.qemu") == "1" or props.get("ro.boot.qemu") == "1":
        return None
    for key in ("ro.serialno", "ro.boot.serialno"):
        serial = props.get(key, "").strip()
        if re.fullmatch(r"[\w.:-]{4,64}", serial, re.ASCII) and not _is_placeholder(serial):
            return serial
    return None


def abis(props: dict[str, str]) -> tuple[str, ...]:
    """ABIs in the phone's order of preference, as Android spells them."""
    listed = props.get("ro.product.cpu.abilist", "").split(",")
    before_5 = [props.get("ro.product.cpu.abi", ""), props.get("ro.product.cpu.abi2", "")]
    names = [name.strip() for name in listed if name.strip()] or before_5
    return tuple(name for name in names if re.fullmatch(r"[\w-]{1,32}", name, re.ASCII))


def soc(props: dict[str, str], hardware: str | None) -> str | None:
    """The chip's name, by the most trustworthy that names a chip; `hardware` is cpuinfo's."""
    model = told(props, "ro.soc.model")
    if model is not None:
        maker = told(props, "ro.soc.manufacturer")
        return model if maker is None else f"{maker} {model}"
    for key in ("ro.hardware.chipname", "ro.chipname"):
        if name := _chip_name(props, key):
            return name
    if hardware and (match := _CHIP.search(hardware)):
        return match["whole"] or f"{match['maker']}{match['number']}"
    for key in ("ro.mediatek.platform", "ro.board.platform"):
        if name := _chip_name(props, key):
            return name
    return None


def _chip_name(props: dict[str, str], key: str) -> str | None:
    name = told(props, key)
    return None if name is None or name.lower() in _NO_CHIP else name


def _is_placeholder(serial: str) -> bool:
    return serial.lower() in _NO_SERIAL or len(set(serial)) == 1
