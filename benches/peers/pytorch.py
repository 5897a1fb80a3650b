"""LeNet-5 in PyTorch, as fast as it goes on a CPU without writing kernels.

The modes differ in how much TorchInductor compiles (nothing; the network and its loss, as people do
it; the whole step, from gathering the batch to Adam) and in the precision of the products (f32, or
bf16 through autocast). All of them keep activations in channels_last, the faster layout here.
"""

import functools
import time

import torch
from torch import nn
from torch.nn import functional

import protocol

# mode: (what is compiled, whether products are in bf16)
MODES = {
    "eager": ("nothing", False),
    "compile": ("loss", False),
    "step": ("step", False),
    "bf16": ("nothing", True),
    "bf16-step": ("step", True),
}
LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
WARM_UP_STEPS = 10


def main():
    arguments = protocol.arguments(list(MODES))
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(42)
    peer = PyTorch(arguments, *MODES[arguments.mode])
    peer.warm_up()
    about = f"version {torch.__version__.split('+')[0]} mode {arguments.mode},channels_last"
    about += f" isa {torch.backends.cpu.get_cpu_capability()} threads {torch.get_num_threads()}"
    protocol.serve(peer, arguments.batch, about)


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, pixels):
        """Logits (B, 10) of pixels u8 (B, 1, 28, 28)."""
        x = pixels.float().div(255).contiguous(memory_format=torch.channels_last)
        x = functional.avg_pool2d(functional.relu(self.conv1(x)), 2)  # (B, 6, 14, 14)
        x = functional.avg_pool2d(functional.relu(self.conv2(x)), 2)  # (B, 16, 5, 5)
        x = x.flatten(1)  # (B, 400)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


class PyTorch:
    def __init__(self, arguments, compiled, bf16):
        def tensor(array):
            return torch.from_numpy(array.copy())

        self.images = tensor(protocol.images(arguments.data, "train"))
        self.labels = tensor(protocol.labels(arguments.data, "train")).long()
        self.test_images = tensor(protocol.images(arguments.data, "t10k"))
        self.test_labels = tensor(protocol.labels(arguments.data, "t10k")).long()
        self.batch = arguments.batch
        self.batches = iter(())

        self.model = LeNet5().to(memory_format=torch.channels_last)
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
        # Two shapes, the batch and the single image, each with kernels of its own.
        compile = functools.partial(torch.compile, dynamic=False)
        self.logits = self.forward if compiled == "nothing" else compile(self.forward)
        self.loss = self.mean_loss if compiled == "nothing" else compile(self.mean_loss)
        if compiled == "step":
            self.parameters = dict(self.model.named_parameters())
            self.moments = [
                {name: torch.zeros_like(value) for name, value in self.parameters.items()}
                for _ in range(2)
            ]
            # A tensor, for a number would be compiled into the code.
            self.steps_done = torch.zeros((), dtype=torch.float64)
            self.compiled_step = compile(self.pure_step)
            self.step = self.step_without_autograd
        else:
            self.adam = torch.optim.Adam(
                self.model.parameters(), LEARNING_RATE, (BETA1, BETA2), EPSILON, fused=True
            )
            self.step = self.step_with_autograd

    def forward(self, pixels):
        with self.autocast:
            return self.model(pixels)

    def mean_loss(self, pixels, labels):
        with self.autocast:
            return functional.cross_entropy(self.model(pixels), labels)

    def step_with_autograd(self, indices):
        pixels = self.images.index_select(0, indices)
        loss = self.loss(pixels, self.labels.index_select(0, indices))
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return loss

    @torch.no_grad()
    def step_without_autograd(self, indices):
        self.steps_done += 1
        arguments = self.images, self.labels, indices, self.steps_done
        return self.compiled_step(self.parameters, *self.moments, *arguments)

    def pure_step(self, parameters, first, second, images, labels, indices, t):
        """A step as one graph: gradients through torch.func, Adam written out."""
        pixels, labels = images.index_select(0, indices), labels.index_select(0, indices)

        def loss_of(parameters):
            with self.autocast:
                logits = torch.func.functional_call(self.model, parameters, (pixels,))
                return functional.cross_entropy(logits, labels)

        gradients, loss = torch.func.grad_and_value(loss_of)(parameters)
        correction1 = (1 - BETA1**t).float()
        correction2 = (1 - BETA2**t).float()
        for name, gradient in gradients.items():
            m = first[name].lerp_(gradient, 1 - BETA1)
            v = second[name].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            change = (m / correction1) / ((v / correction2).sqrt() + EPSILON)
            parameters[name].sub_(LEARNING_RATE * change)
        return loss

    def warm_up(self):
        self.train(WARM_UP_STEPS)
        self.infer(WARM_UP_STEPS)
        for index in range(WARM_UP_STEPS):
            self.infer_one(index)

    def train(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            loss = self.step(self.next_batch())
        return time.perf_counter() - start, loss.item()

    def next_batch(self):
        """The indices of the next full batch; a new order each epoch."""
        indices = next(self.batches, None)
        if indices is None:
            full = len(self.images) // self.batch * self.batch
            self.batches = iter(torch.randperm(full).split(self.batch))
            indices = next(self.batches)
        return indices

    @torch.inference_mode()
    def infer(self, batches):
        full = len(self.test_images) // self.batch
        for n in range(batches):
            first = n % full * self.batch
            self.logits(self.test_images[first : first + self.batch])

    @torch.inference_mode()
    def infer_one(self, index):
        index %= len(self.test_images)
        self.logits(self.test_images[index : index + 1])

    @torch.inference_mode()
    def accuracy(self):
        # In full batches, the last of them overlapping: another shape would be compiled anew.
        count = len(self.test_images)
        guesses = torch.empty(count, dtype=torch.long)
        for first in range(0, count, self.batch):
            first = min(first, count - self.batch)
            span = slice(first, first + self.batch)
            guesses[span] = self.logits(self.test_images[span]).argmax(1)
        return (guesses == self.test_labels).float().mean().item()


if __name__ == "__main__":
    main()
