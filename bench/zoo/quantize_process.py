"""Quantizes one model, prints one line of JSON, ends. `quantize.py` starts it.

Like `host_process.py` it runs by its path and imports nothing of `bench`.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    request = json.loads(sys.argv[1])
    signal.alarm(request["ends_after_s"])
    warnings.simplefilter("ignore")
    try:
        answer: dict[str, Any] = _quantize(request)
    # The quantizer raises whatever it meets in a strange model; the parent process says so.
    except Exception as error:
        said = " ".join(str(error).split())
        answer = {"error": f"{type(error).__name__}: {said[:600]}"}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def _quantize(request: dict[str, Any]) -> dict[str, Any]:
    from litert_quantizer import quantizer

    model = _with_signature(Path(request["model"]).read_bytes())
    work = quantizer.Quantizer(model, _recipe(request))
    calibration = None
    if work.need_calibration:
        calibration = work.calibrate(_calibration(bytes(model), request), num_threads=1)
    result = work.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
    with Path(request["output"]).open("wb") as file:
        file.write(result.quantized_model)
    return {"calibrated": calibration is not None}


def _recipe(request: dict[str, Any]) -> Any:
    from litert_quantizer import recipe_manager

    manager = recipe_manager.RecipeManager()
    _RECIPES[request["scheme"], request["recipe"]](manager)
    if request["scheme"] in ("int8", "int16x8") and request["io"] == "float32":
        for end in ("INPUT", "OUTPUT"):
            manager.add_quantization_config(".*", _operation(end), algorithm_key="no_quantize")
    return manager.get_quantization_recipe()


def _float16(manager: Any) -> None:
    from litert_quantizer.algorithm_manager import AlgorithmName

    manager.add_weight_only_config(
        ".*", _operation("*"), num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING
    )


def _dynamic(bits: int) -> Callable[[Any], None]:
    return lambda manager: manager.add_dynamic_config(".*", _operation("*"), num_bits=bits)


def _weights(bits: int) -> Callable[[Any], None]:
    return lambda manager: manager.add_weight_only_config(".*", _operation("*"), num_bits=bits)


def _static(activations: int) -> Callable[[Any], None]:
    return lambda manager: manager.add_static_config(
        ".*", _operation("*"), activation_num_bits=activations, weight_num_bits=8
    )


def _tensorwise(manager: Any) -> None:
    from litert_quantizer.qtyping import QuantGranularity

    _dynamic(8)(manager)
    manager.add_dynamic_config(
        ".*",
        _operation("FULLY_CONNECTED"),
        num_bits=8,
        granularity=QuantGranularity.TENSORWISE,
    )
    manager.add_quantization_config(
        ".*", _operation("DEPTHWISE_CONV_2D"), algorithm_key="no_quantize"
    )


_RECIPES: dict[tuple[str, str], Callable[[Any], None]] = {
    ("float16", "weights"): _float16,
    ("dynamic_int8", "tensorwise"): _tensorwise,
    ("dynamic_int8", "stock"): _dynamic(8),
    ("weight_int8", "weights"): _weights(8),
    ("int8", "static"): _static(8),
    ("int16x8", "static"): _static(16),
    ("int4", "dynamic"): _dynamic(4),
    ("int4", "weights"): _weights(4),
}


def _operation(name: str) -> Any:
    from litert_quantizer.qtyping import TFLOperationName

    return TFLOperationName(name)


def _with_signature(data: bytes) -> bytearray:
    """The model with a signature, which calibration asks by: older files have none."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    if schema.Model.GetRootAs(data).SignatureDefsLength():
        return bytearray(data)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    graph = model.subgraphs[0]
    model.signatureDefs = [
        schema.SignatureDefT(
            signatureKey="serving_default",
            inputs=[_named(f"input_{n}", index) for n, index in enumerate(graph.inputs)],
            outputs=[_named(f"output_{n}", index) for n, index in enumerate(graph.outputs)],
        )
    ]
    builder = flatbuffers.Builder(len(data) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytearray(builder.Output())


def _named(name: str, index: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.TensorMapT(name=name, tensorIndex=int(index))


def _calibration(model: bytes, request: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Inputs for every signature, by the names that it gives them."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    return {
        key: list(_inputs(interpreter.get_signature_runner(key).get_input_details(), request))
        for key in interpreter.get_signature_list()
    }


def _inputs(details: dict[str, Any], request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    seeded = _module("inputs", request["inputs"]).seeded_input
    shapes = {name: tuple(int(n) for n in detail["shape"]) for name, detail in details.items()}
    if request["pictures"]:
        if len(details) != 1:
            raise ValueError(f"pictures fit models of one input, not of {len(details)}")
        (name,) = details
        for picture in request["pictures"]:
            yield {name: _picture(Path(picture), shapes[name], details[name]["dtype"])}
        return
    for number in range(request["noise"]):
        yield {
            name: seeded(shapes[name], detail["dtype"], request["seed"] + number, index)
            for index, (name, detail) in enumerate(details.items())
        }


def _picture(path: Path, shape: tuple[int, ...], dtype: Any) -> Any:
    """A picture in the form that the model takes: resized, from 0 to 1; arrays as they are."""
    import numpy as np

    if path.suffix.lower() == ".npy":
        return np.load(path, allow_pickle=False).astype(dtype).reshape(shape)
    from PIL import Image

    if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
        raise ValueError(f"{path.name} doesn't fit an input of shape {shape}")
    with Image.open(path) as opened:
        pixels = opened.convert("L" if shape[3] == 1 else "RGB").resize((shape[2], shape[1]))
    return (np.asarray(pixels, np.float32) / 255).astype(dtype).reshape(shape)


def _module(name: str, path: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
