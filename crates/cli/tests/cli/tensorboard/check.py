"""Reads the event files of a run as TensorBoard does, and compares every point with the run's others.

    python check.py RUN FILES

RUN is a run folder of `lenet train --tensorboard`, FILES how many event files it should have.
"""

import csv
import io
import json
import re
import struct
import sys
from pathlib import Path

from PIL import Image
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginAccumulator,
)
from tensorboard.util import tensor_util

# A thousand steps of a training are written.
MOST_STEPS = 1000


def as_f32(number):
    return struct.unpack("<f", struct.pack("<f", float(number)))[0]


def expected(run):
    """The points of each series, from events.jsonl and results.csv."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    started = [event for event in events if event["event"] == "started"][-1]
    per_epoch = started["steps_per_epoch"]
    stride = max(1, -(-per_epoch * started["epochs"] // MOST_STEPS))
    # Of a step that was made twice, the later one counts.
    losses = {event["global_step"]: event["loss"] for event in events if event["event"] == "step"}
    kept = {step: loss for step, loss in losses.items() if step % stride == 0 or step == 1}
    series = {"loss/train": sorted(kept.items())}
    columns = {
        "train_loss": "loss/train_epoch",
        "train_accuracy": "accuracy/train",
        "val_loss": "loss/validation",
        "val_accuracy": "accuracy/validation",
        "learning_rate": "learning_rate",
        "images_per_second": "images_per_second",
    }
    with open(run / "results.csv", newline="") as file:
        for row in csv.DictReader(file):
            for column, tag in columns.items():
                if row[column]:
                    step = int(row["epoch"]) * per_epoch
                    series.setdefault(tag, []).append((step, float(row[column])))
    return {tag: [(step, as_f32(y)) for step, y in points] for tag, points in series.items()}


def compare(what, found, wanted):
    if found.keys() != wanted.keys():
        sys.exit(f"{what}: tags {sorted(found)}, expected {sorted(wanted)}")
    for tag, points in wanted.items():
        if found[tag] != points:
            differing = [pair for pair in zip(found[tag], points) if pair[0] != pair[1]]
            sys.exit(
                f"{what}: {tag} has {len(found[tag])} points, expected {len(points)};"
                f" of these differ {len(differing)}: {differing[:3]}"
            )


def check_images(accumulator):
    tags = accumulator.Tags()["images"]
    if "filters/conv1" not in tags:
        sys.exit(f"no filters among the pictures {tags}")
    mistakes = [tag for tag in tags if tag.startswith("mistakes/")]
    if not mistakes:
        sys.exit("no mistakes among the pictures")
    for tag in tags:
        for image in accumulator.Images(tag):
            picture = Image.open(io.BytesIO(image.encoded_image_string))
            picture.load()
            if picture.size != (image.width, image.height):
                sys.exit(f"{tag}: {picture.size}, but {image.width}x{image.height} is said")
    for tag in mistakes:
        label, prediction = re.fullmatch(r"mistakes/\d+ label (\S+) prediction (\S+)", tag).groups()
        if label == prediction:
            sys.exit(f"{tag} is no mistake")
    return len(tags)


def main():
    run, files = Path(sys.argv[1]), int(sys.argv[2])
    found_files = sorted(run.glob("events.out.tfevents.*"))
    if len(found_files) != files:
        sys.exit(f"{len(found_files)} event files, expected {files}")
    wanted = expected(run)

    everything = {event_accumulator.SCALARS: 0, event_accumulator.IMAGES: 0}
    accumulator = event_accumulator.EventAccumulator(str(run), size_guidance=everything)
    accumulator.Reload()
    scalars = {
        tag: [(point.step, point.value) for point in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }
    compare("event_accumulator", scalars, wanted)
    images = check_images(accumulator)

    # The reader behind TensorBoard's pages, which turns old forms of records into new ones.
    accumulator = PluginAccumulator(str(run), size_guidance={"tensors": 0})
    accumulator.Reload()
    scalars = {
        tag: [
            (point.step, float(tensor_util.make_ndarray(point.tensor_proto)))
            for point in accumulator.Tensors(tag)
        ]
        for tag in accumulator.PluginTagToContent("scalars")
    }
    compare("plugin_event_accumulator", scalars, wanted)
    if len(accumulator.PluginTagToContent("images")) != images:
        sys.exit("the readers differ in their pictures")
    points = sum(len(points) for points in wanted.values())
    print(f"{points} points of {len(wanted)} series and {images} pictures agree")


if __name__ == "__main__":
    main()
