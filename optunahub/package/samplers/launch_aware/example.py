"""Ten sets of choices of a program whose runs are drawn: the kernel switches live, the layout needs a start."""

from __future__ import annotations

import random
from pathlib import Path

import optuna
import optunahub

SECONDS = {"split": 7.2, "sdp": 4.9, "sub-quad": 7.9, "v1": 13.5, "none": 8.2}

# From this checkout; of a published package: optunahub.load_module("samplers/launch_aware")
REGISTRY = Path(__file__).resolve().parents[2]
module = optunahub.load_local_module("samplers/launch_aware", registry_root=str(REGISTRY))
sampler = module.LaunchAwareSampler({"kernel": list(SECONDS), "channels_last": [False, True]}, live=["kernel"])


class Program:
    """A program that is started with a layout and told which kernel to use."""

    def __init__(self) -> None:
        self.noise = random.Random(0)
        self.running = ""

    def __call__(self, trial: optuna.Trial) -> float:
        kernel = trial.suggest_categorical("kernel", list(SECONDS))
        channels_last = trial.suggest_categorical("channels_last", [False, True])
        asked = sampler.asked.get(trial.number)
        wanted = f"fresh {trial.number}" if asked is not None and asked.fresh else f"{channels_last}"
        if self.running != wanted:
            self.running = wanted
            trial.set_user_attr("startup", 20.0)
        seconds = SECONDS[kernel] * (0.94 if channels_last else 1.0) * self.noise.gauss(1.0, 0.01)
        trial.set_user_attr("cost", seconds)
        return seconds


if __name__ == "__main__":
    study = optuna.create_study(sampler=sampler)
    study.optimize(Program(), n_trials=100)
    print(f"{len(study.trials)} trials; proven best: {sampler.best_params(study)}")
