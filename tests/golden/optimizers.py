"""Writes optimizers.txt: PyTorch's optimizers, clipping and schedules, in f64. Run: python3 tests/golden/optimizers.py

A line: optimizer NAME | JSON of a gradc optimizer | the weights after each of the steps, with the gradients of GRADIENTS
        clip NAME | JSON | the same with sgd, both weights together
        schedule NAME | JSON of a gradc schedule | the rate of each step, 4 steps an epoch
        plateau NAME | JSON of a gradc schedule | the rate of each epoch, with the monitored metrics of the line `metric`
"""
import os
import warnings

import torch

warnings.simplefilter("ignore")
torch.set_default_dtype(torch.float64)
START = [0.5, -1.25, 2.0]
GRADIENTS = [[0.3, -2.0, 0.01], [-0.7, 0.4, 5.0], [0.0, 1.5, -0.25], [1.0, -1.0, 0.125], [0.05, 0.6, -3.0]]

OPTIMIZERS = {
    "sgd": ('{"kind": "sgd", "learning_rate": 0.1}', lambda w: torch.optim.SGD(w, 0.1)),
    "sgd decay": ('{"kind": "sgd", "learning_rate": 0.1, "weight_decay": 0.05}',
                  lambda w: torch.optim.SGD(w, 0.1, weight_decay=0.05)),
    "momentum": ('{"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01}',
                 lambda w: torch.optim.SGD(w, 0.1, momentum=0.9, weight_decay=0.01)),
    "nesterov": ('{"kind": "sgd", "learning_rate": 0.1, "momentum": 0.8, "nesterov": true}',
                 lambda w: torch.optim.SGD(w, 0.1, momentum=0.8, nesterov=True)),
    "adagrad": ('{"kind": "adagrad", "learning_rate": 0.1, "weight_decay": 0.02}',
                lambda w: torch.optim.Adagrad(w, 0.1, weight_decay=0.02)),
    "rmsprop": ('{"kind": "rmsprop", "learning_rate": 0.01}', lambda w: torch.optim.RMSprop(w, 0.01)),
    "rmsprop momentum": ('{"kind": "rmsprop", "learning_rate": 0.02, "alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1}',
                         lambda w: torch.optim.RMSprop(w, 0.02, alpha=0.9, momentum=0.5, weight_decay=0.1)),
    "rmsprop centered": ('{"kind": "rmsprop", "learning_rate": 0.02, "alpha": 0.9, "centered": true}',
                         lambda w: torch.optim.RMSprop(w, 0.02, alpha=0.9, centered=True)),
    "rmsprop centered momentum": (
        '{"kind": "rmsprop", "learning_rate": 0.02, "alpha": 0.95, "epsilon": 1e-6, "centered": true, "momentum": 0.9}',
        lambda w: torch.optim.RMSprop(w, 0.02, alpha=0.95, eps=1e-6, centered=True, momentum=0.9)),
    "adam": ('{"kind": "adam", "learning_rate": 0.05, "weight_decay": 0.1}',
             lambda w: torch.optim.Adam(w, 0.05, weight_decay=0.1)),
    "adam betas": ('{"kind": "adam", "learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4}',
                   lambda w: torch.optim.Adam(w, 0.05, betas=(0.8, 0.95), eps=1e-4)),
    "adamw": ('{"kind": "adamw", "learning_rate": 0.05, "weight_decay": 0.1}',
              lambda w: torch.optim.AdamW(w, 0.05, weight_decay=0.1)),
    "adam decoupled": ('{"kind": "adam", "learning_rate": 0.05, "weight_decay": 0.1, "decoupled": true}',
                       lambda w: torch.optim.AdamW(w, 0.05, weight_decay=0.1)),
}

CLIPS = {
    "norm": ('{"kind": "sgd", "learning_rate": 0.1, "clip_norm": 1.5}',
             lambda w: torch.nn.utils.clip_grad_norm_(w, 1.5)),
    "value": ('{"kind": "sgd", "learning_rate": 0.1, "clip_value": 0.75}',
              lambda w: torch.nn.utils.clip_grad_value_(w, 0.75)),
    "momentum norm": ('{"kind": "sgd", "learning_rate": 0.1, "clip_norm": 0.5, "weight_decay": 0.1}',
                      lambda w: torch.nn.utils.clip_grad_norm_(w, 0.5)),
}

S = torch.optim.lr_scheduler
SCHEDULES = {  # name: gradc, PyTorch, whether PyTorch's counts epochs
    "step": ('{"schedule": "step", "start": 0.1, "factor": 0.5, "epochs": 2}', lambda o: S.StepLR(o, 2, 0.5), True),
    "steps": ('{"schedule": "step", "start": 0.1, "factor": 0.5, "steps": 3}', lambda o: S.StepLR(o, 3, 0.5), False),
    "marks": ('{"schedule": "step", "start": 0.1, "factor": 0.1, "steps": [2, 3, 7]}',
              lambda o: S.MultiStepLR(o, [2, 3, 7], 0.1), False),
    "exponential": ('{"schedule": "exponential", "start": 0.1, "factor": 0.9, "steps": 1}',
                    lambda o: S.ExponentialLR(o, 0.9), False),
    "cosine": ('{"schedule": "cosine", "start": 0.1, "end": 0.01, "steps": 24}',
               lambda o: S.CosineAnnealingLR(o, 24, 0.01), False),
    "linear": ('{"schedule": "linear", "start": 0.1, "end": 0.02, "steps": 8}',
               lambda o: S.LinearLR(o, 1.0, 0.2, 8), False),
    "one cycle": ('{"schedule": "one_cycle", "peak": 0.1, "steps": 24}',
                  lambda o: S.OneCycleLR(o, 0.1, total_steps=24, cycle_momentum=False), False),
    "one cycle in epochs": ('{"schedule": "one_cycle", "peak": 0.1, "start": 0.05, "end": 0.001, "share": 0.5, "epochs": 6}',
                            lambda o: S.OneCycleLR(o, 0.1, total_steps=24, pct_start=0.5, div_factor=2,
                                                   final_div_factor=50, cycle_momentum=False), False),
    "warm-up": ('{"schedule": "constant", "start": 0.1, "warm_up": {"steps": 8}}',
                lambda o: S.LambdaLR(o, lambda t: min(1, (t + 1) / 8)), False),
}

METRIC = [5, 4, 3.9, 3.9, 3.95, 3.8999, 4, 3, 3.1, 3.2, 3.3, 3.4, 2.9999, 3, 3, 2.5, 2.5, 2.5, 2.5, 2.6, 2.4, 2.7, 2.8, 2.9]
PLATEAUS = {
    "lowest": ('{"schedule": "plateau", "start": 0.1, "factor": 0.5, "patience": 2}', dict(factor=0.5, patience=2)),
    "eager": ('{"schedule": "plateau", "start": 0.1, "factor": 0.1, "patience": 0, "threshold": 0.05, "minimum": 0.001}',
              dict(factor=0.1, patience=0, threshold=0.05, min_lr=0.001)),
    "cooldown": ('{"schedule": "plateau", "start": 0.1, "factor": 0.5, "patience": 1, "cooldown": 3}',
                 dict(factor=0.5, patience=1, cooldown=3)),
    "highest": ('{"schedule": "plateau", "start": 0.1, "factor": 0.5, "patience": 3}', dict(factor=0.5, patience=3, mode="max")),
}


def numbers(values):
    return " ".join(repr(float(v)) for v in values)


def weights_of(make, clip=None):
    w = torch.nn.Parameter(torch.tensor(START))
    optimizer = make([w])
    out = []
    for gradient in GRADIENTS:
        w.grad = torch.tensor(gradient)
        if clip:
            clip([w])
        optimizer.step()
        out += w.tolist()
    return numbers(out)


def rates_of(make, epochs):
    w = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([w], 0.1)
    schedule = make(optimizer)
    out = []
    for step in range(24):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if not epochs or step % 4 == 3:
            schedule.step()
    return numbers(out)


def plateau_of(options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
    schedule = S.ReduceLROnPlateau(optimizer, eps=0, **options)
    out = []
    for value in METRIC:
        out.append(optimizer.param_groups[0]["lr"])
        schedule.step(value)
    return numbers(out)


lines = ["start " + numbers(START)] + ["gradient " + numbers(g) for g in GRADIENTS]
lines += [f"optimizer {name} | {json} | {weights_of(make)}" for name, (json, make) in OPTIMIZERS.items()]
for name, (json, clip) in CLIPS.items():
    decay = 0.1 if "weight_decay" in json else 0
    lines.append(f"clip {name} | {json} | {weights_of(lambda w: torch.optim.SGD(w, 0.1, weight_decay=decay), clip)}")
lines += [f"schedule {name} | {json} | {rates_of(make, epochs)}" for name, (json, make, epochs) in SCHEDULES.items()]
lines.append("metric " + numbers(METRIC))
lines += [f"plateau {name} | {json} | {plateau_of(options)}" for name, (json, options) in PLATEAUS.items()]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.txt"), "w") as file:
    file.write("\n".join(lines) + "\n")
