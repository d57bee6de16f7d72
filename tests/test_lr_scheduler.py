"""Schedules: parity with PyTorch over every argument, saving and loading, errors."""

import inspect
import re

import numpy as np
import pytest

from tinygrad_edu import Value, optim
from tinygrad_edu.optim import lr_scheduler as ours

# For each schedule sets of arguments.  A function is called with the module and the optimiser, so
# that one table serves ours and PyTorch's.
CASES = {
    "LambdaLR": [
        {"lr_lambda": lambda m, o: lambda t: 0.95**t},
        {"lr_lambda": lambda m, o: [lambda t: 1 / (1 + t), lambda t: 1 / (1 + t) ** 0.5]},
    ],
    "StepLR": [{"step_size": 7}, {"step_size": 3, "gamma": 0.8}],
    "MultiStepLR": [{"milestones": [30, 10]}, {"milestones": [5, 9, 9, 30], "gamma": 0.5}],
    "ExponentialLR": [{"gamma": 0.9}, {"gamma": 1.02}],
    "LinearLR": [
        {},
        {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 20},
        {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 50},
    ],
    "CosineAnnealingLR": [{"T_max": 50}, {"T_max": 12, "eta_min": 0.01}],
    "CosineAnnealingWarmRestarts": [
        {"T_0": 7},
        {"T_0": 4, "T_mult": 2, "eta_min": 0.01},
        {"T_0": 60},
    ],
    "OneCycleLR": [
        {"max_lr": 0.9, "total_steps": 60},
        {"max_lr": [0.9, 0.4], "epochs": 10, "steps_per_epoch": 6, "anneal_strategy": "linear"},
        {"max_lr": 0.9, "total_steps": 55, "three_phase": True, "pct_start": 0.4},
        {"max_lr": 0.9, "total_steps": 55, "pct_start": 0.0},
        {"max_lr": 0.9, "total_steps": 52, "cycle_momentum": False},
        {
            "max_lr": 0.9,
            "total_steps": 52,
            "base_momentum": [0.5, 0.6],
            "max_momentum": 0.8,
            "div_factor": 10.0,
            "final_div_factor": 100.0,
        },
    ],
    "ReduceLROnPlateau": [
        {"patience": 2},
        {"mode": "max", "factor": 0.5, "patience": 1, "threshold": 0.05},
        {"patience": 0, "cooldown": 3, "threshold": 0.1, "threshold_mode": "abs", "eps": 1e-3},
        {"mode": "max", "patience": 1, "threshold_mode": "abs", "min_lr": [0.01, 0.002]},
        {"patience": 1, "min_lr": 0.02},
    ],
    "SequentialLR": [
        {
            "schedulers": lambda m, o: [
                m.LinearLR(o, start_factor=0.2, total_iters=10),
                m.CosineAnnealingLR(o, T_max=20),
                m.StepLR(o, step_size=4, gamma=0.7),
            ],
            "milestones": [10, 30],
        },
        {
            "schedulers": lambda m, o: [
                m.ExponentialLR(o, gamma=0.9),
                m.MultiStepLR(o, milestones=[3, 5]),
            ],
            "milestones": [25],
        },
    ],
}
EACH = [(name, i) for name, cases in CASES.items() for i in range(len(cases))]
METRICS = 3 * np.exp(-np.arange(50) / 9) + np.random.default_rng(0).normal(size=50) * 0.1 + 0.5


def groups(parameters):
    return [{"params": [parameters[0]], "lr": 0.5}, {"params": [parameters[1]]}]


def optimisers():
    """An optimiser with momentum and one with betas, each with two groups."""
    for kind, options in (("SGD", {"momentum": 0.9}), ("Adam", {"betas": (0.8, 0.99)})):
        yield getattr(optim, kind)(groups([Value(1.0), Value(2.0)]), lr=0.2, **options)


def make(module, name, i, optimizer):
    arguments = {
        key: value(module, optimizer) if callable(value) else value
        for key, value in CASES[name][i].items()
    }
    return getattr(module, name)(optimizer, **arguments)


def run(scheduler, steps=range(50)):
    """Rates, momenta and betas after each step."""
    path = []
    for t in steps:
        scheduler.optimizer.step()
        if type(scheduler).__name__ == "ReduceLROnPlateau":
            scheduler.step(METRICS[t])
        else:
            scheduler.step()
        rates = [group["lr"] for group in scheduler.optimizer.param_groups]
        assert list(scheduler.get_last_lr()) == rates
        others = [
            x
            for group in scheduler.optimizer.param_groups
            for x in (group.get("momentum", 0.0), *group.get("betas", ()))
        ]
        path.append([*rates, *others])
    return np.array(path)


def test_every_schedule_and_every_argument_is_compared():
    assert set(CASES) == set(ours.__all__) - {"LRScheduler"}
    for name, cases in CASES.items():
        arguments = set(inspect.signature(getattr(ours, name)).parameters)
        assert set().union(*cases) == arguments - {"optimizer", "last_epoch"}, name


@pytest.mark.parity
@pytest.mark.parametrize(("name", "i"), EACH)
def test_fifty_steps_as_in_pytorch(name, i):
    torch = pytest.importorskip("torch")
    for mine in optimisers():
        parameters = [torch.tensor(1.0), torch.tensor(2.0)]
        defaults = {key: mine.defaults.get(key) for key in ("lr", "momentum", "betas")}
        defaults = {key: value for key, value in defaults.items() if value is not None}
        theirs = getattr(torch.optim, type(mine).__name__)(groups(parameters), **defaults)
        path = run(make(ours, name, i, mine))
        wanted = run(make(torch.optim.lr_scheduler, name, i, theirs))
        assert len(path) == 50
        np.testing.assert_allclose(path, wanted, rtol=1e-6, atol=1e-12)
        assert np.ptp(path[:, 0]) > 0


@pytest.mark.parity
@pytest.mark.parametrize("name", CASES)
def test_arguments_and_defaults_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(getattr(torch.optim.lr_scheduler, name)).parameters
    mine = inspect.signature(getattr(ours, name)).parameters
    assert [(key, a.default) for key, a in mine.items()] == [
        (key, a.default) for key, a in theirs.items()
    ]


@pytest.mark.parametrize(("name", "i"), EACH)
def test_a_loaded_state_continues_as_if_never_stopped(name, i):
    for whole, first, second in zip(optimisers(), optimisers(), optimisers(), strict=True):
        wanted = run(make(ours, name, i, whole))
        scheduler = make(ours, name, i, first)
        run(scheduler, range(23))
        saved = scheduler.state_dict()
        again = make(ours, name, i, second)
        second.load_state_dict(first.state_dict())
        again.load_state_dict(saved)
        np.testing.assert_array_equal(run(again, range(23, 50)), wanted[23:])
        assert saved == scheduler.state_dict()


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "LinearLR", "ExponentialLR"])
def test_last_epoch_continues_a_run(name):
    whole, second = next(optimisers()), next(optimisers())
    wanted = run(make(ours, name, 0, whole))
    for group in second.param_groups:
        group["initial_lr"] = group["lr"]
    arguments = CASES[name][0]
    again = getattr(ours, name)(second, **arguments, last_epoch=9)
    np.testing.assert_allclose(again.get_last_lr(), wanted[9, :2])
    np.testing.assert_allclose(run(again, range(10, 50)), wanted[10:])


@pytest.mark.parity
@pytest.mark.parametrize("name", ["StepLR", "ExponentialLR", "LinearLR", "ReduceLROnPlateau"])
def test_a_state_saved_by_pytorch_is_loaded(name):
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD(groups([torch.tensor(1.0), torch.tensor(2.0)]), lr=0.2, momentum=0.9)
    scheduler = make(torch.optim.lr_scheduler, name, 0, theirs)
    run(scheduler, range(23))
    mine = next(optimisers())
    again = make(ours, name, 0, mine)
    again.load_state_dict(scheduler.state_dict())
    mine.load_state_dict(theirs.state_dict())
    np.testing.assert_allclose(
        run(again, range(23, 50)), run(scheduler, range(23, 50)), rtol=1e-6, atol=1e-12
    )


def sgd(**options):
    return optim.SGD([Value(1.0)], lr=0.5, **options)


def grown():
    optimizer = sgd()
    scheduler = ours.StepLR(optimizer, 3)
    optimizer.add_param_group({"params": [Value(1.0)]})
    return scheduler


def finished():
    scheduler = ours.OneCycleLR(sgd(momentum=0.9), 0.5, total_steps=2)
    for _ in range(3):
        scheduler.step()


def sequence(optimizer, *schedulers):
    return ours.SequentialLR(optimizer, [ours.StepLR(optimizer, 3), *schedulers], milestones=[2])


ERRORS = {
    "no optimiser": (
        lambda: ours.StepLR([Value(1.0)], 3),
        TypeError("StepLR takes an optimiser, not a list"),
    ),
    "step size": (
        lambda: ours.StepLR(sgd(), 0),
        ValueError("StepLR: step_size is 0; it must be a whole number from 1"),
    ),
    "start factor": (
        lambda: ours.LinearLR(sgd(), start_factor=0),
        ValueError("LinearLR: start_factor is 0; it must be above 0 and at most 1"),
    ),
    "end factor": (
        lambda: ours.LinearLR(sgd(), end_factor=1.5),
        ValueError("LinearLR: end_factor is 1.5; it must be in [0, 1]"),
    ),
    "T_max": (
        lambda: ours.CosineAnnealingLR(sgd(), 2.5),
        ValueError("CosineAnnealingLR: T_max is 2.5; it must be a whole number from 1"),
    ),
    "functions": (
        lambda: ours.LambdaLR(sgd(), [lambda t: 1, lambda t: 2]),
        ValueError("LambdaLR: lr_lambda has 2 entries for 1 parameter groups"),
    ),
    "no length": (
        lambda: ours.OneCycleLR(sgd(momentum=0.9), 0.5, epochs=3),
        ValueError("OneCycleLR needs total_steps, or both epochs and steps_per_epoch"),
    ),
    "part": (
        lambda: ours.OneCycleLR(sgd(momentum=0.9), 0.5, total_steps=3, pct_start=2.0),
        ValueError("OneCycleLR: pct_start is 2.0; it must be in [0, 1]"),
    ),
    "strategy": (
        lambda: ours.OneCycleLR(sgd(), 0.5, total_steps=3, anneal_strategy="sin"),
        ValueError("OneCycleLR: anneal_strategy is 'sin'; it must be 'cos' or 'linear'"),
    ),
    "no momentum": (
        lambda: ours.OneCycleLR(optim.Adagrad([Value(1.0)]), 0.5, total_steps=3),
        ValueError("OneCycleLR: Adagrad has neither momentum nor betas; use cycle_momentum=False"),
    ),
    "too long": (
        finished,
        ValueError(
            "OneCycleLR: step 3 of a cycle of 2 steps; make total_steps the number of batches "
            "times the number of epochs"
        ),
    ),
    "rates": (
        lambda: ours.OneCycleLR(sgd(momentum=0.9), [0.5, 0.5], total_steps=3),
        ValueError("OneCycleLR: max_lr has 2 entries for 1 parameter groups"),
    ),
    "factor": (
        lambda: ours.ReduceLROnPlateau(sgd(), factor=1.0),
        ValueError("ReduceLROnPlateau: factor is 1.0; it must be below 1"),
    ),
    "mode": (
        lambda: ours.ReduceLROnPlateau(sgd(), mode="least"),
        ValueError("ReduceLROnPlateau: mode is 'least'; it must be 'min' or 'max'"),
    ),
    "no schedules": (
        lambda: ours.SequentialLR(sgd(), [], milestones=[]),
        ValueError("SequentialLR got no schedules"),
    ),
    "milestones": (
        lambda: ours.SequentialLR(sgd(), [None, None], milestones=[]),
        ValueError("SequentialLR: 2 schedules need 1 milestones, not 0"),
    ),
    "another optimiser": (
        lambda: sequence(sgd(), ours.StepLR(sgd(), 3)),
        ValueError("SequentialLR: schedule 1 is of another optimiser"),
    ),
    "plateau": (
        lambda: sequence(sgd(), ours.ReduceLROnPlateau(sgd())),
        ValueError(
            "SequentialLR: schedule 1 is a ReduceLROnPlateau, whose step needs a measure; step it "
            "yourself"
        ),
    ),
    "no start": (
        lambda: ours.StepLR(sgd(), 3, last_epoch=5),
        ValueError(
            "StepLR: to continue after step 5, group 0 needs its 'initial_lr'; load the "
            "optimiser's saved state first"
        ),
    ),
    "more groups": (
        lambda: grown().step(),
        ValueError(
            "StepLR was made for 1 parameter groups, and the optimiser has 2 now; make a new "
            "schedule"
        ),
    ),
    "another kind": (
        lambda: ours.StepLR(sgd(), 3).load_state_dict(ours.LinearLR(sgd()).state_dict()),
        ValueError(
            "StepLR: the saved state has no 'gamma'; was it saved by another kind of schedule?"
        ),
    ),
    "other groups": (
        lambda: ours.StepLR(sgd(), 3).load_state_dict(
            ours.StepLR(next(optimisers()), 3).state_dict()
        ),
        ValueError("StepLR: the saved state is of 2 parameter groups, the optimiser has 1"),
    ),
    "no formula": (
        lambda: ours.LRScheduler(sgd()),
        NotImplementedError("LRScheduler has no get_lr"),
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_and_what_next(what):
    call, expected = ERRORS[what]
    with pytest.raises(type(expected), match=f"^{re.escape(str(expected))}$"):
        call()


def test_a_refused_state_leaves_a_sequence_as_it_was():
    optimizer = sgd()
    scheduler = sequence(optimizer, ours.ExponentialLR(optimizer, 0.5))
    before = scheduler.state_dict()
    saved = scheduler.state_dict()
    saved["last_epoch"] = 40
    saved["_schedulers"][0]["last_epoch"] = 40
    del saved["_schedulers"][1]["gamma"]
    with pytest.raises(ValueError, match="gamma"):
        scheduler.load_state_dict(saved)
    assert scheduler.state_dict() == before
