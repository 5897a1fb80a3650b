"""Reads a model card as the Hugging Face hub does.

    python check_card.py README.md ACCURACY

ACCURACY is the test accuracy that its metadata states, or nan where it states none.
"""

import math
import sys

import yaml
from huggingface_hub import ModelCard


def main():
    path, accuracy = sys.argv[1], float(sys.argv[2])
    card = ModelCard.load(path)
    # huggingface_hub drops what it does not understand: the YAML itself has to hold it too.
    front = yaml.safe_load(open(path, encoding="utf-8").read().split("---\n")[1])
    found = card.data.to_dict()
    missing = {key: value for key, value in front.items() if found.get(key) != value}
    if missing:
        sys.exit(f"{path}: not understood: {missing}")
    if card.data.pipeline_tag != "image-classification" or card.data.library_name != "lenet":
        sys.exit(f"{path}: {found}")
    results = {result.metric_type: result for result in card.data.eval_results or []}
    if math.isnan(accuracy) != (not results):
        sys.exit(f"{path}: results {results}")
    if results:
        result = results["accuracy"]
        if result.metric_value != accuracy or result.dataset_split != "test":
            sys.exit(f"{path}: {result}, expected {accuracy}")
    print("card agrees")


if __name__ == "__main__":
    main()
