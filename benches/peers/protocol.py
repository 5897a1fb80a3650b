"""The line protocol of the peers, for those written in Python; protocol.rs is its twin.

A peer lives as long as the comparison: it prepares and warms up, says `ready`, and then answers
each line of standard input with one line of pairs, `key value key value`. What a library prints of
its own accord belongs on standard error. A peer is an object with these methods, and is warm:

    train(steps)      goes on with the training; the seconds of these steps and the last loss
    infer(batches)    the logits of so many full batches of test images, round and round
    infer_one(index)  the logits of one test image
    accuracy()        the part of the test images that is classified rightly

Whatever is timed begins with the u8 pixels of the set and ends with numbers that were computed, not
promised. A method that is None is a thing that the peer cannot do.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np


def arguments(modes):
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder with the four IDX files")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--mode", choices=modes, default=modes[0])
    return parser.parse_args()


def images(folder, name):
    """The pixels of a set, u8 (n, 1, 28, 28). The files are our own: headers are trusted."""
    pixels = np.fromfile(folder / f"{name}-images-idx3-ubyte", np.uint8)
    return pixels[16:].reshape(-1, 1, 28, 28)


def labels(folder, name):
    """The labels of a set, u8 (n)."""
    return np.fromfile(folder / f"{name}-labels-idx1-ubyte", np.uint8)[8:]


def serve(peer, batch, about):
    """Says `ready` and answers until `quit` or the end of input."""
    say(f"ready {about}")
    # Not `for line in sys.stdin`, which reads ahead.
    while (line := sys.stdin.readline()) and line.strip() != "quit":
        try:
            say(answer(peer, batch, line))
        except Exception as error:
            say("error " + " ".join(f"{type(error).__name__}: {error}".split()))


def answer(peer, batch, line):
    command, *count = line.split()
    needs = {"train": peer.train, "infer": peer.infer, "latency": peer.infer_one}
    needs["accuracy"] = peer.accuracy
    if command in needs and needs[command] is None:
        return "unsupported"
    match command, *map(int, count):
        case "train", steps:
            seconds, loss = peer.train(steps)
            return f"images_per_second {steps * batch / seconds:.1f} loss {loss:.6f}"
        case "infer", batches:
            start = time.perf_counter()
            peer.infer(batches)
            seconds = time.perf_counter() - start
            return f"images_per_second {batches * batch / seconds:.1f}"
        case "latency", repeats:
            times = []
            for index in range(repeats):
                start = time.perf_counter()
                peer.infer_one(index)
                times.append((time.perf_counter() - start) * 1e6)
            median, p99 = np.percentile(times, [50, 99], method="nearest")
            return f"median_us {median:.2f} p99_us {p99:.2f}"
        case ("accuracy",):
            return f"accuracy {peer.accuracy():.4f}"
        case ("memory",):
            return f"peak_rss_mb {peak_rss_mb():.1f}"
    raise ValueError(f"no command {line!r}")


def peak_rss_mb():
    """The most memory that this process ever had, in units of 10^6 bytes, as Linux counts it."""
    status = Path("/proc/self/status").read_text()
    kibibytes = status.split("VmHWM:")[1].split()[0]
    return int(kibibytes) * 1024 / 1e6


def say(line):
    print(line, file=_protocol, flush=True)


# The protocol gets standard output to itself: what libraries print goes to standard error.
_protocol = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
