"""Holds ONNX files to the checker of ONNX and to lenet's logits, by onnxruntime and by ONNX's own
reference.

    python check_onnx.py FOLDER

FOLDER/cases.txt has a line a file: NAME f32|int8 INPUT_TYPE CLASSES. NAME.onnx is the file,
NAME.input the images of that type and NAME.logits lenet's logits in f32; the file labels has the
images' labels.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

# Of logits up to 25 in f32: another order of adding moves them by less.
TOLERANCE = 1e-5
# The reference is slow.
REFERENCE_IMAGES = 50


def shape(value):
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_param or dim.dim_value for dim in dims]


def check_file(model, input_type, classes):
    """The file itself: names, shapes, types, metadata."""
    onnx.checker.check_model(model, full_check=True)
    (given,), (result,) = model.graph.input, model.graph.output
    kind = {"f32": onnx.TensorProto.FLOAT, "u8": onnx.TensorProto.UINT8}[input_type]
    assert (given.name, shape(given)) == ("input", ["batch", 1, 28, 28]), given
    assert given.type.tensor_type.elem_type == kind, given
    assert (result.name, shape(result)) == ("logits", ["batch", classes]), result
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert len(json.loads(metadata["classes"])) == classes, metadata
    assert metadata["preparation"] in ("ink", "resize", "as-is"), metadata
    assert metadata["lenet_version"] and model.producer_version, metadata


def session(path, optimised=None):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimised:
        options.optimized_model_filepath = str(optimised)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def compare(name, kind, found, expected):
    """f32: the same numbers. int8: the same integers, but for a rounding here and there."""
    difference = np.abs(found - expected)
    if kind == "f32":
        assert difference.max() <= TOLERANCE, f"{name}: logits differ by {difference.max()}"
        return f"{difference.max():.1e}"
    same = (found.argmax(1) == expected.argmax(1)).mean()
    exact = (difference.max(1) < 1e-3).mean()
    text = f"{same:.2%} equal classes, {exact:.2%} equal logits, largest difference {difference.max():.3f}"
    assert same >= 0.999 and exact >= 0.99, f"{name}: {text}"
    return text


def main():
    folder = Path(sys.argv[1])
    labels = np.fromfile(folder / "labels", np.uint8)
    cases = (folder / "cases.txt").read_text().splitlines()
    for case in cases:
        name, kind, input_type, classes = case.split()
        path = folder / f"{name}.onnx"
        model = onnx.load(path)
        check_file(model, input_type, int(classes))
        dtype = {"f32": np.float32, "u8": np.uint8}[input_type]
        images = np.fromfile(folder / f"{name}.input", dtype).reshape(-1, 1, 28, 28)
        expected = np.fromfile(folder / f"{name}.logits", np.float32).reshape(len(images), -1)

        optimised = folder / "optimised.onnx"
        runtime = session(path, optimised)
        (logits,) = runtime.run(["logits"], {"input": images})
        text = compare(f"{name} in onnxruntime", kind, logits, expected)
        # The batch is free, and a row does not depend on the others.
        (one,) = runtime.run(["logits"], {"input": images[:1]})
        assert np.abs(one - logits[:1]).max() <= TOLERANCE, f"{name}: one image alone differs"
        if kind == "int8":
            operators = {node.op_type for node in onnx.load(optimised).graph.node}
            assert "QLinearConv" in operators, f"{name}: not fused: {sorted(operators)}"

        # The reference knows (De)QuantizeLinear from set 19 on, where nothing changed for int8.
        model.opset_import[0].version = 19
        reference = ReferenceEvaluator(model)
        (logits,) = reference.run(["logits"], {"input": images[:REFERENCE_IMAGES]})
        compared = compare(f"{name} in the reference", kind, logits, expected[:REFERENCE_IMAGES])
        accuracy = ""
        if name.startswith("embedded"):
            right = (runtime.run(None, {"input": images})[0].argmax(1) == labels).mean()
            accuracy = f"; accuracy {right:.2%}"
            assert right > 0.985, f"{name}{accuracy}"
        print(f"{name}: onnxruntime {text}; reference {compared}{accuracy}")
    print(f"{len(cases)} files agree")


if __name__ == "__main__":
    main()
