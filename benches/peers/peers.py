# LeNet-5 in PyTorch and ONNX Runtime; what is measured, and how, is harness.rs's twin.
#
# The modes of PyTorch differ in how much TorchInductor compiles: nothing ("eager"), the network and
# its loss, as people do it ("compile"), or the whole step, from gathering the batch to Adam
# ("step"); and in the precision of the products: f32, or bf16 through autocast. All keep
# activations in channels_last, the faster layout here.

import json
import sys
import time

import numpy as np

LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
WARM_UP = 10


def main():
    folder, batch, threads, steps, seconds, mode, *file = sys.argv[1:]
    batch, threads, steps, seconds = int(batch), int(threads), int(steps), float(seconds)

    # The files are our own: headers of 16 and 8 bytes are trusted.
    def load(name):
        images = np.fromfile(f"{folder}/{name}-images-idx3-ubyte", np.uint8)[16:]
        labels = np.fromfile(f"{folder}/{name}-labels-idx1-ubyte", np.uint8)[8:]
        return images.reshape(-1, 1, 28, 28), labels

    images, labels = load("t10k")
    answer = {}
    if mode == "onnxruntime":
        answer["version"], logits = onnx_runtime(*file, threads, images)
    else:
        answer["version"], step, logits = pytorch(mode, batch, threads, *load("train"))
        for _ in range(WARM_UP):
            step()
        begun, done = time.perf_counter(), 0
        while done < steps or time.perf_counter() - begun < seconds:
            loss = step()
            done += 1
        loss.item()
        answer["train"] = done * batch / (time.perf_counter() - begun)

    for _ in range(WARM_UP):
        logits(images[:batch])
        logits(images[:1])
    # Once through the test images at least, in full batches: another shape is compiled again.
    count, right, full = 0, 0, len(images) // batch * batch
    begun = time.perf_counter()
    while count < full or time.perf_counter() - begun < seconds / 4:
        span = slice(count % full, count % full + batch)
        right += (logits(images[span]).argmax(1) == labels[span]).sum()
        count += batch
    answer["infer"] = count / (time.perf_counter() - begun)
    answer["accuracy"] = right / count
    answer["latency"] = latency(logits, images)
    print(json.dumps(answer, default=float))


# The median of single images in microseconds.
def latency(logits, images):
    times = []
    for index in range(2000):
        begun = time.perf_counter()
        logits(images[index : index + 1])
        times.append((time.perf_counter() - begun) * 1e6)
    return np.median(times)


# The version, a function that makes a step and returns its loss, and one for logits.
def pytorch(mode, batch, threads, images, labels):
    import torch
    from torch import func, nn
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(threads)
    torch.manual_seed(42)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels).long()
    compiled, _, precision = mode.partition("-")
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    # Two shapes, the batch and the single image, each with kernels of its own.
    compile = lambda function: torch.compile(function, dynamic=False)
    model = nn.Sequential(  # from images (B, 1, 28, 28)
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),  # (B, 6, 14, 14)
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()),  # (B, 400)
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    ).to(memory_format=torch.channels_last)
    parameters = dict(model.named_parameters())
    moments = [{name: torch.zeros_like(p) for name, p in parameters.items()} for _ in range(2)]
    # A tensor, for a number would be compiled into the code.
    steps_done = torch.zeros((), dtype=torch.float64)

    def forward(pixels, parameters=None):
        images = pixels.float().div(255).contiguous(memory_format=torch.channels_last)
        with autocast:
            if parameters is None:
                return model(images)
            return func.functional_call(model, parameters, (images,))

    def mean_loss(pixels, labels, parameters=None):
        with autocast:
            return cross_entropy(forward(pixels, parameters), labels)

    # A step as one graph: gradients through torch.func, Adam written out.
    def pure_step(parameters, first, second, images, labels, indices, t):
        pixels, labels = images.index_select(0, indices), labels.index_select(0, indices)
        loss_of = lambda parameters: mean_loss(pixels, labels, parameters)
        gradients, loss = func.grad_and_value(loss_of)(parameters)
        correction1, correction2 = (1 - BETA1**t).float(), (1 - BETA2**t).float()
        for name, gradient in gradients.items():
            m = first[name].lerp_(gradient, 1 - BETA1)
            v = second[name].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            change = (m / correction1) / ((v / correction2).sqrt() + EPSILON)
            parameters[name].sub_(LEARNING_RATE * change)
        return loss

    # The constants above are its defaults.
    adam = torch.optim.Adam(model.parameters(), fused=True)
    loss_function = mean_loss if compiled == "eager" else compile(mean_loss)
    compiled_step = compile(pure_step)

    # The indices of full batches, in a new order each epoch.
    def orders():
        while True:
            yield from torch.randperm(len(images) // batch * batch).split(batch)

    batches = orders()

    def step():
        indices = next(batches)
        if compiled == "step":
            with torch.no_grad():
                steps_done.add_(1)
                return compiled_step(parameters, *moments, images, labels, indices, steps_done)
        loss = loss_function(images.index_select(0, indices), labels.index_select(0, indices))
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss

    network = forward if compiled == "eager" else compile(forward)

    def logits(images):
        with torch.inference_mode():
            return network(torch.from_numpy(images)).float().numpy()

    isa = torch.backends.cpu.get_cpu_capability()
    return f"{torch.__version__} {mode} {isa}", step, logits


# The version, and a function for the logits of what `lenet export --normalize` wrote.
def onnx_runtime(file, threads, images):
    import onnxruntime

    def session(threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    run = lambda session: lambda images: session.run(None, {"input": images})[0]
    # One thread may answer a single image sooner than all of them, which have to be woken.
    every, one = run(session(threads)), run(session(1))
    single = min(every, one, key=lambda logits: latency(logits, images))
    logits = lambda images: (single if len(images) == 1 else every)(images)
    return f"{onnxruntime.__version__} f32", logits


main()
