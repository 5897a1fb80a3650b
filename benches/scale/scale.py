"""What processes that share a training cost on this machine, and would elsewhere: `cargo xtask bench --scale`.

Measured: two processes' collectives in shared memory and over TCP between two networks of this machine, which only
root can make, some with a limit; trainings of one process on one and two threads, and of two processes.

Computed: a step of B images on P nodes takes T0 + TI * (images of the slowest node) and its exchange. T0 and TI are
fitted to the measured trainings; the exchange follows the usual model of latency and bandwidth (Thakur et al. 2005,
"Optimization of Collective Communication Operations in MPICH"). The model is printed beside what was measured."""
import json, os, shutil, statistics, subprocess, sys, tempfile
from math import ceil, log2

LENET, COLLECTIVES, OUT, ROUNDS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
SUM, FACTORS = 61_706 * 4, 1_027 * 4  # bytes of all gradients, and of what an image's are computed from
WEIGHTS = 0.052  # the part of a step's products that every process makes of the whole batch, if it gathers
BLOCK = 16  # images that stay together
ADD = COPY = 1 / 8e9  # seconds a byte
# Seconds of one way between two processes, and bytes a second. Typical values: measure your own.
NETS = {"1 GbE": (35e-6, 0.118e9), "10 GbE": (20e-6, 1.18e9), "25 GbE": (15e-6, 2.9e9),
        "100 GbE, RoCE": (2.5e-6, 11.5e9), "InfiniBand HDR": (1.5e-6, 23e9)}
NODES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
LIMITS = {"TCP": None, "TCP, 10 Gbit/s": ("10gbit", 1.25e9), "TCP, 1 Gbit/s": ("1gbit", 0.125e9)}
os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def all_reduce(p, net):
    "The better of recursive doubling and of Rabenseifner's."
    (latency, rate), steps, part = net, ceil(log2(p)), (p - 1) / p
    doubling = steps * (latency + SUM / rate + SUM * ADD)
    return min(doubling, 2 * steps * latency + part * SUM * (2 / rate + ADD)) if p > 1 else 0.


def all_gather(p, net, batch):
    (latency, rate), size = net, FACTORS * batch
    return ceil(log2(p)) * latency + (p - 1) / p * size / rate + 2 * size * COPY if p > 1 else 0.


def step(p, batch, net, mode, node):
    own, (t0, ti) = ceil(batch / BLOCK / p) * BLOCK, node
    if mode == "sum":
        return t0 + ti * own + all_reduce(p, net)
    return t0 + ti * (own + WEIGHTS * (batch - own)) + all_gather(p, net, batch)


def run(*command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def train(ranks, threads, batch, mode):
    "Images a second."
    with tempfile.TemporaryDirectory() as folder:
        start = ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", "none"] if ranks > 1 else []
        epochs = 3 if batch < 1024 else 6
        return run(*start, LENET, "--quiet", "train", "--threads", str(threads), "--batch-size", str(batch), "--epochs",
                   str(epochs), "--reduce", mode, "--keep", "result", "--format", "json", "--output",
                   folder + "/run")["images_per_second"]


def collectives():
    "Microseconds on each network, and its (latency, rate) for the model."
    found = {"shared memory": (run("mpirun", "-n", "2", "--oversubscribe", COLLECTIVES), None)}
    def ip(words):
        return subprocess.run(words.split(), stderr=subprocess.DEVNULL).returncode == 0
    if not (ip("ip netns add lenet-a") and ip("ip netns add lenet-b")
            and ip("ip link add lenet netns lenet-a type veth peer name lenet netns lenet-b")):
        print("skipped: TCP between two networks needs root, iproute2, and no networks lenet-a and lenet-b")
        return found
    try:
        for host, side in enumerate("ab", 1):
            for words in [f"addr add 10.77.0.{host}/24 dev lenet", "link set lo up", "link set lenet up"]:
                ip(f"ip -n lenet-{side} {words}")
        agent = os.path.join(OUT, "agent")  # stands for ssh
        with open(agent, "w") as file:
            file.write('#!/bin/sh\nshift\nexec ip netns exec lenet-b sh -c "$*"\n')
        os.chmod(agent, 0o755)
        for name, limit in LIMITS.items():
            for side in "ab":
                if limit and not ip(f"tc -n lenet-{side} qdisc replace dev lenet root tbf rate {limit[0]} burst 256kb latency 50ms"):
                    print(f"skipped: {name}: no token bucket filter")
                    break
            else:
                options = ("--host 10.77.0.1,10.77.0.2 --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 "
                           "--mca oob_tcp_if_include 10.77.0.0/24 -n 2 --bind-to none --mca plm_rsh_agent")
                times = run(*"ip netns exec lenet-a mpirun".split(), *options.split(), agent, COLLECTIVES)
                found[name] = times, limit and (times["latency"]["least"] * 1e-6, limit[1])
    finally:
        ip("ip netns del lenet-a"), ip("ip netns del lenet-b")
    return found


def plot(node, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "lenet", "svg.fonttype": "none"})
    import matplotlib.pyplot as plt
    panels = [("128 images a step, exact", "exact", lambda p: 128), ("8,192 images a step, sum", "sum", lambda p: 8192),
              ("1,024 images a node and step, sum", "sum", lambda p: 1024 * p)]
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharey=True, layout="constrained")
    for axis, (title, mode, batch) in zip(axes, panels):
        axis.set(title=title, xlabel="nodes", xscale="log", yscale="log", xticks=[1, 4, 16, 64, 256, 1024],
                 xticklabels=["1", "4", "16", "64", "256", "1,024"])
        for name, net in NETS.items():
            points = [p for p in NODES if p <= batch(p) / BLOCK]
            axis.plot(points, [batch(p) / step(p, batch(p), net, mode, node) for p in points], marker="o", ms=3, label=name)
        axis.plot(NODES, [1 / node[1] * p for p in NODES], color="0.7", ls=":", label="no exchange")
        axis.grid(color="0.9")
    axes[0].set_ylabel("images/s")
    axes[2].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def table(heading, rows):
    print(f"\n| {' | '.join(heading)} |\n|{'---|' * len(heading)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


os.makedirs(OUT, exist_ok=True)
if not shutil.which("mpirun"):
    sys.exit("needs an MPI: `apt-get install libopenmpi-dev openmpi-bin libclang-dev`")
rows = []
for name, (times, net) in collectives().items():
    row = [name] + [f"{times[what]['least']:.0f} / {times[what]['median']:.0f}" for what in ["latency", "gather", "sum"]]
    rows.append(row + ([f"{all_gather(2, net, 128) * 1e6:.0f}", f"{all_reduce(2, net) * 1e6:.0f}"] if net else ["", ""]))
table(["two processes, us: least / median", "one word", "factors of 128 images", "sum of 247 KB", "factors, model",
       "sum, model"], rows)

CASES = [(1, 1, "exact"), (1, 2, "exact"), (2, 1, "exact"), (2, 1, "sum")]
speeds = {(*case, batch): [] for case in CASES for batch in [128, 1024]}
for turn in range(ROUNDS):
    for (ranks, threads, mode, batch), found in speeds.items():
        found.append(train(ranks, threads, batch, mode))
        print(f"turn {turn + 1}: {ranks} x {threads}, {batch} images, {mode}: {found[-1]:.0f} images/s", file=sys.stderr)
speed = {case: statistics.median(found) for case, found in speeds.items()}


def fitted(threads):
    "T0 and TI."
    small, large = 128 / speed[1, threads, "exact", 128], 1024 / speed[1, threads, "exact", 1024]
    ti = (large - small) / (1024 - 128)
    return max(small - 128 * ti, 0.), ti


MEMORY = 1e-6, 3.4e9  # latency and rate between two processes of one machine
rows = []
for (ranks, threads, mode, batch), found in speeds.items():
    model = batch / step(ranks, batch, MEMORY, mode, fitted(1)) if ranks > 1 else None
    rows.append([f"{ranks} x {threads}", mode if ranks > 1 else "", batch, f"{speed[ranks, threads, mode, batch]:,.0f}",
                 f"{min(found):,.0f} - {max(found):,.0f}", f"{model:,.0f}" if model else ""])
table(["processes x threads", "exchange", "images a step", "images/s, median", "from - to", "model"], rows)

node = fitted(2)
print(f"\nA node: T0 {node[0] * 1e6:.0f} us, TI {node[1] * 1e6:.2f} us an image. Computed from it, thousand images/s:")
for title, mode, batch in [("128 images a step, exact", "exact", lambda p: 128), ("128, sum", "sum", lambda p: 128),
                           ("1,024, sum", "sum", lambda p: 1024), ("8,192, sum", "sum", lambda p: 8192),
                           ("1,024 a node, sum", "sum", lambda p: 1024 * p)]:
    table([title] + [f"{p:,}" for p in NODES], [[name] + [
        f"{batch(p) / step(p, batch(p), net, mode, node) / 1e3:,.0f}" if p <= batch(p) / BLOCK else "" for p in NODES]
        for name, net in NETS.items()])
rows = []
for name, net in NETS.items():
    enough = lambda p, part: next((f"{own:,}" for own in range(32, 65_537, 32)
                                   if node[0] + node[1] * own >= part * step(p, own * p, net, "sum", node)), "more")
    rows.append([name] + [enough(p, part) for p in [8, 64, 1024] for part in [0.8, 0.9]])
table(["images a node and step for ... of its speed alone"] + [f"{part} on {p:,}" for p in [8, 64, 1024] for part in ["80 %", "90 %"]],
      rows)
plot(node, os.path.join(OUT, "scale.svg"))
print("\nplot:", os.path.join(OUT, "scale.svg"))
