"""LeNet-5 in PyTorch and ONNX Runtime; what is measured, and how, is harness.rs's twin.

The modes of PyTorch differ in how much TorchInductor compiles: nothing ("eager"), the network and
its loss, as people do it ("compile"), or the whole step, from gathering the batch to Adam ("step");
and in the precision of the products: f32, or bf16 through autocast. All keep activations in
channels_last, the faster layout here.
"""

import functools
import json
import sys
import time
from pathlib import Path

import numpy as np

LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
WARM_UP = 10


def main():
    folder, batch, threads, steps, seconds, mode, *rest = sys.argv[1:]
    batch, threads, steps, seconds = int(batch), int(threads), int(steps), float(seconds)

    # The files are our own: headers of 16 and 8 bytes are trusted.
    def load(name):
        images = np.fromfile(Path(folder, f"{name}-images-idx3-ubyte"), np.uint8)[16:]
        labels = np.fromfile(Path(folder, f"{name}-labels-idx1-ubyte"), np.uint8)[8:]
        return images.reshape(-1, 1, 28, 28), labels

    images, labels = load("t10k")
    if mode == "onnxruntime":
        peer = OnnxRuntime(rest[0], threads, images)
    else:
        peer = PyTorch(mode, batch, threads, *load("train"))
        peer.train(WARM_UP, 0)

    answer = {"version": peer.version}
    for _ in range(WARM_UP):
        peer.logits(images[:batch])
        peer.logits(images[:1])
    if mode != "onnxruntime":
        answer["train"] = peer.train(steps, seconds)

    # Once through the test images at least, in full batches: another shape is compiled again.
    count, right, full = 0, 0, len(images) // batch * batch
    begun = time.perf_counter()
    while count < full or time.perf_counter() - begun < seconds / 4:
        span = slice(count % full, count % full + batch)
        right += (peer.logits(images[span]).argmax(1) == labels[span]).sum()
        count += batch
    answer["infer"] = count / (time.perf_counter() - begun)
    answer["accuracy"] = right / count

    times = []
    for index in range(2000):
        begun = time.perf_counter()
        peer.logits(images[index : index + 1])
        times.append((time.perf_counter() - begun) * 1e6)
    answer["latency"], answer["p99"] = np.percentile(times, [50, 99], method="nearest")
    print(json.dumps(answer, default=float))


class PyTorch:
    def __init__(self, mode, batch, threads, images, labels):
        import torch
        from torch import nn

        self.torch = torch
        torch.set_num_threads(threads)
        torch.manual_seed(42)
        compiled, _, precision = mode.partition("-")
        self.version = f"{torch.__version__} {mode} {torch.backends.cpu.get_cpu_capability()}"
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels).long()
        self.batch, self.batches = batch, iter(())
        model = nn.Sequential(  # from images (B, 1, 28, 28)
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.AvgPool2d(2),  # (B, 6, 14, 14)
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.AvgPool2d(2),  # (B, 16, 5, 5)
            nn.Flatten(),  # (B, 400)
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
        )
        self.model = model.to(memory_format=torch.channels_last)
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        # Two shapes, the batch and the single image, each with kernels of its own.
        compile = functools.partial(torch.compile, dynamic=False)
        self.network = self.forward if compiled == "eager" else compile(self.forward)
        self.loss = self.mean_loss if compiled == "eager" else compile(self.mean_loss)
        self.parameters = dict(self.model.named_parameters())
        if compiled == "step":
            zeros = lambda: {name: torch.zeros_like(p) for name, p in self.parameters.items()}
            self.moments = zeros(), zeros()
            # A tensor, for a number would be compiled into the code.
            self.steps_done = torch.zeros((), dtype=torch.float64)
            self.compiled_step = compile(self.pure_step)
            self.step = self.step_without_autograd
        else:
            betas = (BETA1, BETA2)
            self.adam = torch.optim.Adam(
                self.model.parameters(), LEARNING_RATE, betas, EPSILON, fused=True
            )
            self.step = self.step_with_autograd

    def scaled(self, pixels):
        return pixels.float().div(255).contiguous(memory_format=self.torch.channels_last)

    def forward(self, pixels):
        with self.autocast:
            return self.model(self.scaled(pixels))

    def mean_loss(self, pixels, labels):
        return self.torch.nn.functional.cross_entropy(self.forward(pixels), labels)

    def step_with_autograd(self, indices):
        pixels = self.images.index_select(0, indices)
        loss = self.loss(pixels, self.labels.index_select(0, indices))
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return loss

    def step_without_autograd(self, indices):
        with self.torch.no_grad():
            self.steps_done += 1
            arguments = self.images, self.labels, indices, self.steps_done
            return self.compiled_step(self.parameters, *self.moments, *arguments)

    def pure_step(self, parameters, first, second, images, labels, indices, t):
        """A step as one graph: gradients through torch.func, Adam written out."""
        pixels, labels = images.index_select(0, indices), labels.index_select(0, indices)

        def loss_of(parameters):
            with self.autocast:
                call = self.torch.func.functional_call
                logits = call(self.model, parameters, (self.scaled(pixels),))
                return self.torch.nn.functional.cross_entropy(logits, labels)

        gradients, loss = self.torch.func.grad_and_value(loss_of)(parameters)
        correction1 = (1 - BETA1**t).float()
        correction2 = (1 - BETA2**t).float()
        for name, gradient in gradients.items():
            m = first[name].lerp_(gradient, 1 - BETA1)
            v = second[name].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            change = (m / correction1) / ((v / correction2).sqrt() + EPSILON)
            parameters[name].sub_(LEARNING_RATE * change)
        return loss

    def train(self, steps, seconds):
        begun, done = time.perf_counter(), 0
        while done < steps or time.perf_counter() - begun < seconds:
            loss = self.step(self.next_batch())
            done += 1
        loss.item()
        return done * self.batch / (time.perf_counter() - begun)

    def next_batch(self):
        """The indices of the next full batch; a new order each epoch."""
        if (indices := next(self.batches, None)) is None:
            full = len(self.images) // self.batch * self.batch
            self.batches = iter(self.torch.randperm(full).split(self.batch))
            indices = next(self.batches)
        return indices

    def logits(self, images):
        with self.torch.inference_mode():
            return self.network(self.torch.from_numpy(images)).float().numpy()


class OnnxRuntime:
    """Inference alone, of the network that `lenet export --format onnx --normalize` wrote."""

    def __init__(self, file, threads, images):
        import onnxruntime

        def session(threads):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            return onnxruntime.InferenceSession(
                file, options, providers=["CPUExecutionProvider"]
            )

        self.version = f"{onnxruntime.__version__} f32"
        self.all, self.one = session(threads), session(threads)
        # One thread may answer a single image sooner than all of them, which have to be woken.
        if self.seconds(single := session(1), images) < self.seconds(self.all, images):
            self.one = single

    def seconds(self, session, images):
        begun = time.perf_counter()
        for image in images[:500]:
            session.run(None, {"input": image[None]})
        return time.perf_counter() - begun

    def logits(self, images):
        session = self.one if len(images) == 1 else self.all
        return session.run(None, {"input": images})[0]


if __name__ == "__main__":
    main()
