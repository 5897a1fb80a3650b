#!/usr/bin/env python3
"""Makes the golden file: what PyTorch computes for LeNet-5 on sixteen digits, in float64.

    golden.py --output FILE                 writes the golden file
    golden.py --check FILE                  computes it anew and compares it with FILE
    golden.py --check FILE --output OTHER   both: OTHER is there to look at when they differ

README.md beside this script says what the file holds. The script reads the MNIST test set embedded
in lenet-data and nothing else; it needs no network.
"""

import argparse
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import zstandard
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional

EMBEDDED = Path(__file__).resolve().parents[3] / "data" / "embedded"
IMAGES = 16
CLASSES = 10
STEPS = 10

# Case: (padding of conv1, activation, seed of the weights).
CASES = {
    "same": (2, torch.relu, 5),
    "valid": (0, torch.tanh, 6),
}

FORMULA = (
    "x -> conv1(6, 5x5) -> f -> avg_pool(2) -> conv2(16, 5x5) -> f -> avg_pool(2) -> flatten"
    " -> fc1(120) -> f -> fc2(84) -> f -> fc3(10) = logits;"
    " loss = mean over the images of (log(sum(exp(logits))) - logits[label]);"
    " same: conv1 pads 2, f = relu; valid: conv1 pads 0, f = tanh; x = float32(pixel) / 255;"
    " adam: lr 1e-3, betas (0.9, 0.999), eps 1e-8, each step on all the images,"
    " adam_losses[k] = the loss before step k + 1;"
    " adamw_losses: AdamW, lr 1e-2, betas (0.9, 0.99), eps 1e-8, weight decay 0.1 of weights but not"
    " biases, label smoothing 0.1, gradients clipped to the norm 1;"
    " sgd_losses: SGD, lr 0.05, momentum 0.9, Nesterov, weight decay 0.05 likewise, label smoothing"
    " 0.1, clipped to 1; both from the same parameters"
)

# Of each tensor's largest magnitude. It lies between two measured figures. Below: the same numbers
# added in another order, which another machine may do, differ by at most 4e-15 (batch reversed;
# convolutions by unfold and matrix product). Above: conv1 alone done in float32 moves the losses
# by 1e-11 to 6e-10 and gradients by up to 1e-5; Adam's eps 1e-9 for 1e-8 moves its losses by 2e-6.
TOLERANCE = 1e-12


class LeNet5(nn.Module):
    """The net of the golden file, in the order of FORMULA."""

    def __init__(self, padding, activation):
        super().__init__()
        side = ((28 + 2 * padding - 4) // 2 - 4) // 2  # 5 (same) or 4 (valid)
        self.activation = activation
        self.conv1 = nn.Conv2d(1, 6, 5, padding=padding)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, CLASSES)

    def forward(self, x):
        f = self.activation
        x = functional.avg_pool2d(f(self.conv1(x)), 2)
        x = functional.avg_pool2d(f(self.conv2(x)), 2)
        x = f(self.fc1(x.flatten(1)))
        return self.fc3(f(self.fc2(x)))


def read_idx(name, dimensions):
    """The array of an embedded IDX file: two zero bytes, type 8 (u8), the dimensions, the bytes."""
    data = zstandard.ZstdDecompressor().stream_reader((EMBEDDED / name).read_bytes()).read()
    header = 4 + 4 * dimensions
    if data[:4] != bytes([0, 0, 8, dimensions]):
        sys.exit(f"{name}: not an IDX file of u8 in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def case(padding, activation, seed, images, labels):
    """The tensors of one case, by the names they have after `{case}/`."""
    torch.manual_seed(seed)
    # PyTorch's default initialisation in float32, then widened: a float32 model holds these very
    # weights, so that only its arithmetic differs from the golden file.
    model = LeNet5(padding, activation)
    tensors = {f"parameters/{name}": p.detach().numpy().copy() for name, p in model.named_parameters()}
    model.double()
    x = torch.from_numpy(images).double()
    y = torch.from_numpy(labels.astype(np.int64))

    logits = model(x)  # (16, 10)
    loss = functional.cross_entropy(logits, y)
    loss.backward()
    tensors["images"] = images
    tensors["labels"] = labels
    tensors["logits"] = logits.detach().numpy()
    tensors["loss"] = loss.detach().reshape(1).numpy()
    for name, p in model.named_parameters():
        tensors[f"gradients/{name}"] = p.grad.numpy().copy()

    start = {name: p.detach().clone() for name, p in model.named_parameters()}

    def losses(optimizer, smoothing=0.0, most=None):
        """The losses before each of some steps from the first parameters."""
        model.load_state_dict(start)
        found = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y, label_smoothing=smoothing)
            found.append(loss.item())
            loss.backward()
            if most is not None:
                nn.utils.clip_grad_norm_(model.parameters(), most)
            optimizer.step()
        return np.array(found, np.float64)

    def groups(decay):
        """Weights decay, biases do not."""
        weights = [p for p in model.parameters() if p.dim() > 1]
        biases = [p for p in model.parameters() if p.dim() == 1]
        return [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]

    adam = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    tensors["adam_losses"] = losses(adam)
    adamw = torch.optim.AdamW(groups(0.1), lr=1e-2, betas=(0.9, 0.99), eps=1e-8)
    tensors["adamw_losses"] = losses(adamw, 0.1, 1.0)
    sgd = torch.optim.SGD(groups(0.05), lr=0.05, momentum=0.9, nesterov=True)
    tensors["sgd_losses"] = losses(sgd, 0.1, 1.0)
    return tensors


def golden():
    """All tensors of the golden file by name."""
    # u8 -> f32 -> / 255, as lenet-data does it.
    images = read_idx("t10k-images-idx3-ubyte.zst", 3)[:IMAGES].astype(np.float32) / np.float32(255)
    images = images.reshape(IMAGES, 1, 28, 28)
    labels = read_idx("t10k-labels-idx1-ubyte.zst", 1)[:IMAGES].astype(np.uint32)
    return {
        f"{name}/{key}": tensor
        for name, arguments in CASES.items()
        for key, tensor in case(*arguments, images, labels).items()
    }


def write(tensors, path):
    """Writes the file: the same tensors and versions give the same bytes."""
    about = {
        "formula": FORMULA,
        "numpy": np.__version__,
        "seeds": {name: seed for name, (_, _, seed) in CASES.items()},
        # Without the build's suffix (`+cpu`): it does not change the numbers.
        "torch": torch.__version__.split("+")[0],
    }
    # One metadata entry, for safetensors writes several in an order that changes.
    save_file(tensors, path, metadata={"golden": json.dumps(about, sort_keys=True)})
    # safetensors makes it readable by its owner alone.
    Path(path).chmod(0o644)


def compare(tensors, path):
    """Prints the largest relative difference and every complaint; returns whether all is well."""
    with safe_open(path, framework="numpy") as file:
        committed = {name: file.get_tensor(name) for name in file.keys()}
    complaints = [f"{name}: not in {path}" for name in sorted(tensors.keys() - committed.keys())]
    complaints += [f"{name}: only in {path}" for name in sorted(committed.keys() - tensors.keys())]
    largest, where = 0.0, "all tensors"
    for name in sorted(tensors.keys() & committed.keys()):
        new, old = tensors[name], committed[name]
        if (new.dtype, new.shape) != (old.dtype, old.shape):
            complaints.append(f"{name}: {new.dtype} {new.shape}, in the file {old.dtype} {old.shape}")
            continue
        new, old = new.astype(np.float64), old.astype(np.float64)
        scale = np.abs(old).max() or 1.0
        difference = np.abs(new - old).max() / scale
        if np.isnan(difference):
            difference = np.inf
        if difference > TOLERANCE:
            complaints.append(f"{name}: differs by {difference:.3e} of its largest magnitude {scale:.6g}")
        if difference > largest:
            largest, where = difference, name
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(
        f"golden: {len(committed)} tensors, largest relative difference {largest:.3e} ({where}),"
        f" tolerance {TOLERANCE:.0e}: {'FAILED' if complaints else 'ok'}"
    )
    return not complaints


def main():
    parser = argparse.ArgumentParser(description="Makes or checks the golden file of lenet-model.")
    parser.add_argument("--output", metavar="FILE", help="write the golden file here")
    parser.add_argument("--check", metavar="FILE", help="compare this golden file with a new one")
    arguments = parser.parse_args()
    if not (arguments.output or arguments.check):
        parser.error("give --output FILE, --check FILE or both")
    # The order of additions must not depend on the number of processors.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tensors = golden()
    if arguments.output:
        write(tensors, arguments.output)
    if arguments.check and not compare(tensors, arguments.check):
        sys.exit(1)


if __name__ == "__main__":
    main()
