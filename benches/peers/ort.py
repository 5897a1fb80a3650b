"""LeNet-5 in ONNX Runtime, for inference alone.

Not named onnx.py, for Python would then import this file where the package is meant. The weights
are random: they decide nothing about the speed. That the network is the right one is checked
against NumPy before the first timing.
"""

import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import protocol

WARM_UP = 20
# Layer and shape of its weights; the first of it is the number of biases too.
PARAMETERS = [
    ("conv1", (6, 1, 5, 5)),
    ("conv2", (16, 6, 5, 5)),
    ("fc1", (120, 400)),
    ("fc2", (84, 120)),
    ("fc3", (10, 84)),
]


def main():
    arguments = protocol.arguments(["f32"])
    peer = OnnxRuntime(arguments)
    peer.check()
    peer.warm_up()
    about = f"version {onnxruntime.__version__} mode f32 threads {arguments.threads}"
    protocol.serve(peer, arguments.batch, f"{about} latency_threads {peer.latency_threads}")


def parameters():
    """Weights and biases by name, uniform within 1/sqrt(fan_in)."""
    random = np.random.default_rng(42)
    found = {}
    for name, shape in PARAMETERS:
        bound = 1 / np.sqrt(np.prod(shape[1:]))
        found[f"{name}.weight"] = random.uniform(-bound, bound, shape).astype(np.float32)
        found[f"{name}.bias"] = random.uniform(-bound, bound, shape[0]).astype(np.float32)
    return found


def model(weights):
    """The network as ONNX, from pixels u8 (B, 1, 28, 28) to logits (B, 10).

    The scaling of the pixels is part of the graph, where it is faster than in NumPy.
    """
    nodes = []

    def add(kind, *inputs, name, **attributes):
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def layer(kind, x, name, **attributes):
        return add(kind, x, f"{name}.weight", f"{name}.bias", name=name, **attributes)

    x = add("Cast", "pixels", name="floats", to=TensorProto.FLOAT)
    x = add("Mul", x, "scale", name="images")
    for name, padding in [("conv1", 2), ("conv2", 0)]:
        x = layer("Conv", x, name, kernel_shape=[5, 5], pads=[padding] * 4)
        x = add("Relu", x, name=f"{name}.relu")
        x = add("AveragePool", x, name=f"{name}.pool", kernel_shape=[2, 2], strides=[2, 2])
    x = add("Flatten", x, name="flat")
    for name in ["fc1", "fc2"]:
        x = layer("Gemm", x, name, transB=1)
        x = add("Relu", x, name=f"{name}.relu")
    layer("Gemm", x, "fc3", transB=1)

    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["B", 1, 28, 28])
    logits = helper.make_tensor_value_info("fc3", TensorProto.FLOAT, ["B", 10])
    constants = {"scale": np.array(1 / 255, np.float32), **weights}
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "LeNet-5", [pixels], [logits], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def reference(weights, pixels):
    """The same logits with NumPy alone."""

    def convolution(x, name):  # a sum over the 25 places in the kernel
        weight, size = weights[f"{name}.weight"], x.shape[2] - 4
        terms = (
            np.einsum("bcyx,oc->boyx", x[:, :, i : i + size, j : j + size], weight[:, :, i, j])
            for i in range(5)
            for j in range(5)
        )
        x = np.maximum(sum(terms) + weights[f"{name}.bias"][:, None, None], 0)
        return x.reshape(*x.shape[:2], size // 2, 2, size // 2, 2).mean((3, 5))

    x = pixels.astype(np.float32) / 255
    x = convolution(np.pad(x, [(0, 0), (0, 0), (2, 2), (2, 2)]), "conv1")
    x = convolution(x, "conv2").reshape(len(x), 400)
    for name in ["fc1", "fc2"]:
        x = np.maximum(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"], 0)
    return x @ weights["fc3.weight"].T + weights["fc3.bias"]


def session(graph, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class OnnxRuntime:
    train = None
    accuracy = None

    def __init__(self, arguments):
        self.weights = parameters()
        graph = model(self.weights)
        # One thread may answer sooner than all of them, who have to be woken.
        counts = sorted({1, arguments.threads})
        self.sessions = {threads: session(graph, threads) for threads in counts}
        self.all_threads = self.sessions[arguments.threads]
        self.images = protocol.images(arguments.data, "t10k")
        self.batch = arguments.batch
        self.latency_threads = 1

    def check(self):
        pixels = self.images[:8]
        expected = reference(self.weights, pixels)
        for found in self.sessions.values():
            # Sums of 400 terms below 1 in another order differ by 1e-6; a wrong padding, by 1e-2.
            logits = found.run(None, {"pixels": pixels})[0]
            np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)

    def warm_up(self):
        self.infer(WARM_UP)
        medians = {}
        for threads in self.sessions:
            self.latency_threads = threads
            times = []
            for index in range(10 * WARM_UP):
                start = time.perf_counter()
                self.infer_one(index)
                times.append(time.perf_counter() - start)
            medians[threads] = np.median(times)
        self.latency_threads = min(medians, key=medians.get)

    def infer(self, batches):
        full = len(self.images) // self.batch
        for n in range(batches):
            first = n % full * self.batch
            self.all_threads.run(None, {"pixels": self.images[first : first + self.batch]})

    def infer_one(self, index):
        index %= len(self.images)
        image = self.images[index : index + 1]
        self.sessions[self.latency_threads].run(None, {"pixels": image})


if __name__ == "__main__":
    main()
