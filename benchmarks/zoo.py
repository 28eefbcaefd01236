"""How long does it take to make models, and how much memory?

Makes the models of the MobileNet and ShuffleNet comparison, the seven schemes of MobileNet v1,
and the largest convolutional network of the zoo, each in a fresh process: first from an empty
cache, then again. Prints seconds, the share of the first time that the second takes, and the
peak memory of the process and of the largest one that it started.

Wanted, on two cores: 29 float models in 6 s and again in 0.3 s, seven schemes in 8 s,
Inception-ResNet V2 in 5 s, at most 600 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.records import ModelSpec
from bench.zoo import realize
from bench.zoo.schemes import SCHEMES

SETS: dict[str, list[ModelSpec]] = {
    "29 float models": [
        *(
            ModelSpec(family="mobilenet_v1", axes={"alpha": alpha})
            for alpha in (1.0, 0.75, 0.5, 0.25)
        ),
        *(
            ModelSpec(family="shufflenet_v1", axes={"scale": scale, "groups": groups})
            for scale in (0.25, 0.5, 1.0, 1.5, 2.0)
            for groups in (1, 2, 3, 4, 8)
        ),
    ],
    "seven schemes": [
        ModelSpec(family="mobilenet_v1", quantization=scheme) for scheme in ("float32", *SCHEMES)
    ],
    "Inception-ResNet V2": [ModelSpec(family="inception_resnet_v2")],
    "VGG-16": [ModelSpec(family="vgg16")],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", nargs=2, metavar=("SET", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        make(*asked.inside)
        return
    print("models                 first s  again s  again/first  peak MB  its processes MB")
    for name in SETS:
        with tempfile.TemporaryDirectory() as folder:
            first, again = measured(name, folder), measured(name, folder)
        print(
            f"{name:22} {first['seconds']:7.2f}  {again['seconds']:7.3f}"
            f"  {again['seconds'] / first['seconds']:11.3f}"
            f"  {first['peak_mb']:7.0f}  {first['children_mb']:16.0f}"
        )


def measured(name: str, folder: str) -> dict[str, float]:
    """The figures of one set, made in a process of its own."""
    argv = [sys.executable, __file__, "--inside", name, folder]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def make(name: str, folder: str) -> None:
    start = time.perf_counter()
    for spec in SETS[name]:
        realize(spec, Path(folder))
    seconds = time.perf_counter() - start
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "children_mb": children / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
