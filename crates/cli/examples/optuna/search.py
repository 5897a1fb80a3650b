"""Searches for the learning rate, schedule and batch size of a data set. Any number of workers, on all
machines that see the folder, share one file; trials that are worse than the others are ended early.

    pip install optuna==5.0.0
    python search.py FOLDER --trials 32 --epochs 5 --dataset mnist    # once for each core

Flags that are not its own go to `lenet train`. Run in CI (nightly).
"""

import argparse
import json
import os
import subprocess

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--trials", type=int, default=32)
arguments, flags = parser.parse_known_args()
os.makedirs(arguments.folder, exist_ok=True)
SIGTERM, DIVERGED = 143, 6  # exit codes of lenet


def objective(trial):
    values = {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "schedule.kind": trial.suggest_categorical("schedule.kind", ["constant", "cosine"]),
        "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128]),
    }
    command = "lenet train --threads 1 --keep result --format jsonl --quiet".split()
    command += ["--output", f"{arguments.folder}/trial-{trial.number}", *flags]
    command += [f"--set={name}={value}" for name, value in values.items()]
    best = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
        for event in map(json.loads, training.stdout):
            if event["event"] == "epoch":
                best = max(best, event["validation"]["accuracy"])
                trial.report(event["validation"]["accuracy"], event["epoch"])
                if trial.should_prune():
                    training.terminate()
    if training.returncode in (SIGTERM, DIVERGED):
        raise optuna.TrialPruned
    if training.returncode != 0:
        raise RuntimeError(f"lenet ended with {training.returncode}")
    return best


storage = optuna.storages.JournalStorage(JournalFileBackend(f"{arguments.folder}/journal.log"))
study = optuna.create_study(
    storage=storage, study_name="lenet", direction="maximize", load_if_exists=True
)
ended = (TrialState.COMPLETE, TrialState.PRUNED)
enough = optuna.study.MaxTrialsCallback(arguments.trials, states=ended)
study.optimize(objective, callbacks=[enough])
print(json.dumps({"value": study.best_value, **study.best_params}))
