"""Trains with many seeds on a Ray cluster, and prints the accuracies.

    pip install ray==2.60.0
    python seeds.py 20 --recipe fast    # on one machine; on a cluster with RAY_ADDRESS=auto

Flags after the number of seeds go to `lenet train`; every node needs the program. Run in CI (nightly).
"""

import json
import statistics
import subprocess
import sys

import ray


@ray.remote(num_cpus=1, max_retries=3)
def train(seed, flags):
    command = f"lenet train --seed {seed} --threads 1 --output seed-{seed} --format json --quiet"
    command = [*command.split(), "--continue", "--keep", "result", *flags]
    return json.loads(subprocess.check_output(command))["test"]["accuracy"]


ray.init(log_to_driver=False)
seeds = range(1, int(sys.argv[1]) + 1)
accuracies = ray.get([train.remote(seed, sys.argv[2:]) for seed in seeds])
spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0
print(f"test accuracy {statistics.mean(accuracies):.2%} ± {spread:.2%}, seeds 1 to {len(seeds)}")
