"""Optimisers: parity with PyTorch over every option, both engines, groups, saving, errors."""

import inspect
import itertools
import re
import sys

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, ops, optim
from tinygrad_edu.optim import fused
from tinygrad_edu.optim import optimizer as base
from tinygrad_edu.readers.program import loading

# For each optimiser every argument of its constructor, with the values that are combined.  The
# first of each is not the default, so that every optimiser also runs with no default at all.
OPTIONS = {
    "SGD": {
        "lr": [0.1],
        "momentum": [0.9, 0],
        "dampening": [0.3, 0],
        "weight_decay": [0.05, 0],
        "nesterov": [True, False],
        "maximize": [True, False],
    },
    "Adagrad": {
        "lr": [0.1],
        "lr_decay": [0.02, 0],
        "weight_decay": [0.05, 0],
        "initial_accumulator_value": [0.2, 0],
        "eps": [1e-3, 1e-10],
        "maximize": [True, False],
    },
    "RMSprop": {
        "lr": [0.02],
        "alpha": [0.9, 0.99],
        "eps": [1e-3, 1e-8],
        "weight_decay": [0.05, 0],
        "momentum": [0.7, 0],
        "centered": [True, False],
        "maximize": [True, False],
    },
    "Adam": {
        "lr": [0.02],
        "betas": [(0.8, 0.95), (0.9, 0.999)],
        "eps": [1e-3, 1e-8],
        "weight_decay": [0.05, 0],
        "amsgrad": [True, False],
        "maximize": [True, False],
        "decoupled_weight_decay": [True, False],
    },
    "AdamW": {
        "lr": [0.02],
        "betas": [(0.8, 0.95), (0.9, 0.999)],
        "eps": [1e-3, 1e-8],
        "weight_decay": [0.05, 0],
        "amsgrad": [True, False],
        "maximize": [True, False],
    },
    "LBFGS": {
        "lr": [0.5],
        "max_iter": [3, 6],
        "max_eval": [7, None],
        "tolerance_grad": [1e-4, 1e-7],
        "tolerance_change": [1e-6, 1e-9],
        "history_size": [3, 100],
        "line_search_fn": ["strong_wolfe", None],
    },
}
ONE_BY_ONE = sorted(OPTIONS.keys() - {"LBFGS"})  # each number changes by itself, in each step once
FUSED = ("SGD", "Adagrad", "RMSprop", "Adam", "AdamW")
WITHOUT_COUNTERPART = {"GradientDescent"}


def combinations(name):
    options = OPTIONS[name]
    for values in itertools.product(*options.values()):
        chosen = dict(zip(options, values, strict=True))
        if chosen.get("nesterov") and (chosen["momentum"] == 0 or chosen["dampening"] != 0):
            continue
        yield chosen


CASES = [(name, chosen) for name in OPTIONS for chosen in combinations(name)]
SINGLY = [(name, chosen) for name in ONE_BY_ONE for chosen in combinations(name)]


def label(x):
    return x if isinstance(x, str) else "-".join(map(str, x.values())).replace(" ", "")


RNG = np.random.default_rng(0)
W, B = RNG.normal(size=(3, 4)), RNG.normal(size=4)
GOAL = RNG.normal(size=(3, 4))
INPUTS = RNG.normal(size=(50, 12, 3))
BATCHES = [(x, np.tanh(x @ GOAL) + 0.2 * RNG.normal(size=(12, 4))) for x in INPUTS]


def loss_of(w, b, x, y):
    """One expression for our tensors and PyTorch's."""
    return (((x @ w + b).tanh() - y) ** 2).mean()


def ours():
    return [Tensor(W, requires_grad=True), Tensor(B, requires_grad=True)]


def train(optimizer, params, batches=BATCHES):
    """The parameters after each step, one per batch; for our optimisers and PyTorch's."""
    path = []
    for x, y in batches:
        if not isinstance(params[0], Tensor):
            x, y = (params[0].new_tensor(a) for a in (x, y))
        optimizer.step(lambda x=x, y=y: closure(optimizer, params, x, y))
        path.append([p.detach().numpy().copy() for p in params])
    return path


def closure(optimizer, params, x, y):
    optimizer.zero_grad()
    loss = loss_of(*params, x, y)
    loss.backward()
    return loss


def batches_for(name, start=0, stop=50):
    """LBFGS learns from how the gradient changes, so its loss must stay the same."""
    return BATCHES[:1] * (stop - start) if name == "LBFGS" else BATCHES[start:stop]


def assert_close(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-6, atol=1e-9)


# Parity


def test_every_optimiser_and_every_argument_is_compared():
    things = {name: getattr(optim, name) for name in optim.__all__}
    classes = {
        name
        for name, thing in things.items()
        if inspect.isclass(thing) and issubclass(thing, optim.Optimizer)
    }
    assert set(OPTIONS) == classes - {"Optimizer"} - WITHOUT_COUNTERPART
    for name, options in OPTIONS.items():
        arguments = set(inspect.signature(getattr(optim, name)).parameters) - {"params", "fused"}
        assert set(options) == arguments
        assert all(len(values) > 1 for key, values in options.items() if key != "lr")


@pytest.mark.parity
@pytest.mark.parametrize(("name", "chosen"), CASES, ids=label)
def test_fifty_steps_as_in_pytorch(name, chosen):
    torch = pytest.importorskip("torch")
    params = ours()
    batches = batches_for(name)
    mine = train(getattr(optim, name)(params, **chosen), params, batches)
    theirs = [torch.tensor(a, requires_grad=True) for a in (W, B)]
    twin = getattr(torch.optim, name)(theirs, **chosen)
    assert len(mine) == 50
    assert_close(mine, train(twin, theirs, batches))


@pytest.mark.parity
@pytest.mark.parametrize("name", OPTIONS)
def test_arguments_and_defaults_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    for key, argument in inspect.signature(getattr(optim, name)).parameters.items():
        if (name, key) == ("RMSprop", "fused"):  # ours alone
            assert key not in theirs
            continue
        assert argument.default == theirs[key].default, key


@pytest.mark.parity
@pytest.mark.parametrize("name", OPTIONS)
def test_states_go_to_pytorch_and_come_back(name):
    torch = pytest.importorskip("torch")
    chosen = next(combinations(name))  # every option away from its default
    whole = ours()
    expected = train(getattr(optim, name)(whole, **chosen), whole, batches_for(name, 0, 20))[-1]

    params = ours()
    first = getattr(optim, name)(params, **chosen)
    train(first, params, batches_for(name, 0, 7))
    theirs = [torch.tensor(p.data, requires_grad=True) for p in params]
    twin = getattr(torch.optim, name)(theirs, **chosen)
    saved = first.state_dict()
    saved["state"] = {
        i: {key: in_torch(torch, value) for key, value in entry.items()}
        for i, entry in saved["state"].items()
    }
    saved["param_groups"] = [
        {**twin.state_dict()["param_groups"][0], **group} for group in saved["param_groups"]
    ]
    twin.load_state_dict(saved)
    train(twin, theirs, batches_for(name, 7, 13))
    scratch = {"al"}  # LBFGS: PyTorch keeps its scratch list among the state
    keys = first.state_dict()["state"][0].keys()
    assert twin.state_dict()["state"][0].keys() - scratch == keys

    params = [Tensor(p.detach().numpy(), requires_grad=True) for p in theirs]
    second = getattr(optim, name)(params, lr=123.0)
    second.load_state_dict(twin.state_dict())
    assert_close(train(second, params, batches_for(name, 13, 20))[-1:], [expected])


def in_torch(torch, value):
    """Arrays, and the numbers that PyTorch keeps as tensors, also in lists."""
    if isinstance(value, list):
        return [in_torch(torch, x) for x in value]
    return torch.as_tensor(value) if isinstance(value, int | np.ndarray) else value


# Both engines, blocks, dtypes


@pytest.mark.parametrize(("name", "chosen"), SINGLY, ids=label)
def test_values_and_tensors_take_the_same_steps(name, chosen):
    values = [Value(v) for v in B]
    tensor = Tensor(B, requires_grad=True)
    on_values = getattr(optim, name)(values, **chosen)
    on_tensor = getattr(optim, name)([tensor], **chosen)
    for g in np.random.default_rng(1).normal(size=(10, *B.shape)):
        for v, slope in zip(values, g, strict=True):
            v.grad = slope
        tensor.grad = g
        on_values.step()
        on_tensor.step()
    np.testing.assert_allclose([v.data for v in values], tensor.data, rtol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_blocks_change_nothing(name, order, monkeypatch):
    chosen = next(combinations(name))
    ends = []
    for size in (10**6, 5):
        monkeypatch.setattr(base, "BLOCK", size)
        p = Tensor(np.asarray(W, order=order), requires_grad=True)
        optimizer = getattr(optim, name)([p], **chosen)
        for g in np.random.default_rng(1).normal(size=(6, *W.shape)):
            p.grad = g
            optimizer.step()
        ends.append(p.numpy())
    np.testing.assert_array_equal(*ends)
    assert not np.allclose(ends[0], W)


def steps_of(name, **options):
    """Twenty steps on three arrays, the rate falling; the arrays, and the optimiser."""
    params = [Tensor(np.asarray(W, order="F"), requires_grad=True), *ours()]
    optimizer = getattr(optim, name)(params, **options)
    for g in np.random.default_rng(1).normal(size=(20, *W.shape)):
        for p in params:
            p.grad = np.resize(g, p.shape)
        optimizer.step()
        optimizer.param_groups[0]["lr"] *= 0.9
    return [p.numpy() for p in params], optimizer


def in_python(written):
    """The loop of a fused update as it stands, without numba."""
    names = {name: getattr(np, name) for name in written.uses} | {"float64": float}
    exec(written.text, names)
    return names["loop"]


@pytest.mark.parametrize(
    ("name", "chosen"), [case for case in CASES if case[0] in FUSED], ids=label
)
def test_one_loop_does_what_the_formula_does(name, chosen, monkeypatch):
    monkeypatch.setattr(loading, "need_numba", lambda what: None)
    monkeypatch.setattr(fused, "load_loop", in_python)
    expected, _ = steps_of(name, **chosen)
    found, optimizer = steps_of(name, **chosen, fused=True)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert len(optimizer._loops) == 1  # for all arrays and rates; the F-ordered one goes without


def test_a_wrong_formula_is_wrong_in_the_loop_too(monkeypatch):
    monkeypatch.setattr(loading, "need_numba", lambda what: None)
    monkeypatch.setattr(fused, "load_loop", in_python)
    right, _ = steps_of("SGD", lr=0.1, fused=True)

    def wrong(self, xp, x, g, state, group):
        x += group["lr"] * g

    monkeypatch.setattr(optim.SGD, "_update", wrong)
    found, _ = steps_of("SGD", lr=0.1, fused=True)
    assert not np.allclose(right[1], found[1])


@pytest.mark.numba
@pytest.mark.parametrize("name", FUSED)
def test_machine_code_takes_the_same_steps(name):
    pytest.importorskip("numba")
    expected, _ = steps_of(name, **next(combinations(name)))
    found, optimizer = steps_of(name, **next(combinations(name)), fused=True)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    ends = []
    for one_loop in (False, True):
        p = Tensor([1.0, 2.0], requires_grad=True)
        optimizer = getattr(optim, name)([p], **next(combinations(name)), fused=one_loop)
        for g in np.random.default_rng(2).normal(size=(20, 2)).astype("float32"):
            p.grad = g
            optimizer.step()
        ends.append(p.numpy())
    assert ends[1].dtype == np.float32
    assert optimizer._loops
    np.testing.assert_allclose(*ends, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "option"), [("SGD", "momentum"), ("Adam", "betas")])
def test_numbers_that_change_in_each_step_need_no_new_loop(name, option, monkeypatch):
    monkeypatch.setattr(loading, "need_numba", lambda what: None)
    monkeypatch.setattr(fused, "load_loop", in_python)
    ends = []
    for one_loop in (False, True):
        (p,) = params = [Tensor(B, requires_grad=True)]
        optimizer = getattr(optim, name)(
            params, **{option: OPTIONS[name][option][0]}, fused=one_loop
        )
        schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=20)
        for g in np.random.default_rng(3).normal(size=(19, *B.shape)):
            p.grad = g
            optimizer.step()
            schedule.step()
        ends.append(p.numpy())
    np.testing.assert_allclose(*ends, rtol=1e-12)
    assert len(optimizer._loops) == 1


def test_a_file_without_the_word_fused_loads_and_leaves_it():
    p = Tensor(B, requires_grad=True)
    optimizer = optim.RMSprop([p])
    saved = optimizer.state_dict()
    del saved["param_groups"][0]["fused"]
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["fused"] is None


def test_numbers_and_names_from_a_file_do_not_enter_a_loop(monkeypatch):
    monkeypatch.setattr(loading, "need_numba", lambda what: None)
    monkeypatch.setattr(fused, "load_loop", in_python)
    v, p = Value(1.0), Tensor(B, requires_grad=True)
    optimizer = optim.Adam([v, p], fused=True)
    v.grad, p.grad = 1.0, np.ones_like(B)
    optimizer.step()
    saved = optimizer.state_dict()
    saved["state"][1]["x):\n import os"] = np.zeros_like(B)
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert optimizer.state[p]["step"] == 2


def test_fused_without_numba_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    message = re.escape('Adam(fused=True) needs numba: pip install "tinygrad_edu[jit]"')
    with pytest.raises(ModuleNotFoundError, match=message):
        optim.Adam([Value(1.0)], fused=True)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_float32_stays_float32(name):
    p = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = getattr(optim, name)([p], **next(combinations(name)))
    p.grad = [0.5, -0.5]
    optimizer.step()
    arrays = [p.data, *(v for v in optimizer.state[p].values() if isinstance(v, np.ndarray))]
    assert len(arrays) > 1
    assert {a.dtype for a in arrays} == {np.dtype("float32")}


@pytest.mark.parametrize("kind", [Tensor, Value])
def test_a_graph_recorded_before_a_step_refuses_to_run_backward(kind):
    w = Tensor(2.0, requires_grad=True) if kind is Tensor else Value(2.0)
    loss = w * w
    w.grad = 1.0
    optim.SGD([w], lr=0.5).step()
    assert w.data == 1.5
    with pytest.raises(RuntimeError, match="chang"):
        loss.backward()


# Steps and groups


def test_a_parameter_without_gradient_stays():
    w, b = ours()
    w.grad = np.ones_like(W)
    optimizer = optim.Adam([w, b], lr=0.1, weight_decay=0.5)
    optimizer.step()
    assert not np.array_equal(w.data, W)
    np.testing.assert_array_equal(b.data, B)
    assert b not in optimizer.state


def test_zero_grad_forgets_or_zeroes():
    w, v = Tensor([1.0, 2.0], requires_grad=True), Value(3.0)
    optimizer = optim.SGD([{"params": [w]}, {"params": [v]}], lr=1.0)
    w.grad, v.grad = [1.0, 1.0], 2.0
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0, 0.0]
    assert (v.grad, v.has_grad) == (0.0, True)
    optimizer.zero_grad()
    assert w.grad is None
    assert not v.has_grad
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is None


def test_a_closure_is_called_once_and_its_loss_returned():
    w = Value(3.0)
    optimizer = optim.SGD([w], lr=0.25)
    calls = []

    def closure():
        calls.append(w.data)
        optimizer.zero_grad()
        loss = w * w
        loss.backward()
        return loss

    assert optimizer.step(closure).data == 9.0
    assert calls == [3.0]
    assert w.data == 1.5
    assert optimizer.step() is None


def test_groups_have_options_of_their_own():
    a, b, c = Value(1.0), Value(1.0), Value(1.0)
    optimizer = optim.SGD([{"params": [a], "lr": 0.5, "name": "first"}, {"params": b}], lr=0.1)
    optimizer.add_param_group({"params": [c], "lr": 1.0})
    a.grad = b.grad = c.grad = 1.0
    optimizer.step()
    assert [p.data for p in (a, b, c)] == [0.5, 0.9, 0.0]
    assert "Parameter Group 2\n    dampening: 0\n    fused: None\n    lr: 1.0" in repr(optimizer)
    assert "name: first" in repr(optimizer)


def test_options_may_be_switched_on_later():
    w = Value(1.0)
    optimizer = optim.Adam([w], lr=0.1)
    w.grad = 1.0
    optimizer.step()
    optimizer.param_groups[0]["amsgrad"] = True
    optimizer.step()
    assert optimizer.state[w].keys() == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}


# Saving and loading


@pytest.mark.parametrize("name", OPTIONS)
def test_a_loaded_state_continues_bit_for_bit(name):
    chosen = next(combinations(name))
    whole = ours()
    expected = train(getattr(optim, name)(whole, **chosen), whole, batches_for(name, 0, 8))[-1]
    params = ours()
    first = getattr(optim, name)(params, **chosen)
    train(first, params, batches_for(name, 0, 3))
    saved = first.state_dict()
    params = [Tensor(p.data, requires_grad=True) for p in params]
    second = getattr(optim, name)(params)
    second.load_state_dict(saved)
    for mine, wanted in zip(
        train(second, params, batches_for(name, 3, 8))[-1], expected, strict=True
    ):
        np.testing.assert_array_equal(mine, wanted)


def test_a_saved_state_is_a_copy():
    params = ours()
    optimizer = optim.Adam(params)
    train(optimizer, params, BATCHES[:1])
    saved = optimizer.state_dict()
    before = saved["state"][0]["exp_avg"].copy()
    train(optimizer, params, BATCHES[:1])
    np.testing.assert_array_equal(saved["state"][0]["exp_avg"], before)
    optimizer.load_state_dict(saved)
    train(optimizer, params, BATCHES[:1])
    np.testing.assert_array_equal(saved["state"][0]["exp_avg"], before)


def change(saved, **changes):
    return {**saved, **changes}


LOADING_ERRORS = {
    "no groups": (
        lambda s: {"state": s["state"]},
        "Adam: the saved state has no 'param_groups'",
    ),
    "more groups": (
        lambda s: change(s, param_groups=s["param_groups"] * 2),
        "Adam has 1 parameter groups, the saved state 2",
    ),
    "fewer parameters": (
        lambda s: change(s, param_groups=[{**s["param_groups"][0], "params": [0]}]),
        "Adam: group 0 has 2 parameters, the saved one 1",
    ),
    "another kind": (
        lambda s: change(s, param_groups=optim.SGD(ours()).state_dict()["param_groups"]),
        "Adam: the saved group 0 has no 'amsgrad'; was it saved by another kind of optimiser?",
    ),
    "an option out of range": (
        lambda s: change(s, param_groups=[{**s["param_groups"][0], "lr": -1.0}]),
        "Adam: lr is -1.0; it must be at least 0",
    ),
    "an unknown parameter": (
        lambda s: change(s, state={**s["state"], 7: {}}),
        "Adam: the saved state is of parameter 7, which no saved group lists",
    ),
    "an array missing": (
        lambda s: change(s, state={**s["state"], 1: {"step": 3, "exp_avg": B}}),
        "Adam: the saved state of parameter 1 has no 'exp_avg_sq'",
    ),
    "another shape": (
        lambda s: change(s, state={**s["state"], 1: {**s["state"][1], "exp_avg": W}}),
        "Adam: the saved 'exp_avg' of parameter 1 has shape (3, 4), the parameter (4,)",
    ),
}


@pytest.mark.parametrize("what", LOADING_ERRORS)
def test_what_does_not_fit_is_refused_and_nothing_loaded(what):
    damage, message = LOADING_ERRORS[what]
    params = ours()
    optimizer = optim.Adam(params, lr=0.5)
    train(optimizer, params, BATCHES[:2])
    saved = optimizer.state_dict()
    fresh = optim.Adam(params, lr=0.25)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fresh.load_state_dict(damage(saved))
    assert fresh.state == {}
    assert fresh.param_groups[0]["lr"] == 0.25


# Errors

w = Tensor([1.0, 2.0], requires_grad=True, name="w")

ERRORS = {
    "lr": (
        lambda: optim.SGD([w], lr=-0.1),
        ValueError("SGD: lr is -0.1; it must be at least 0"),
    ),
    "lr no number": (
        lambda: optim.SGD([w], lr="fast"),
        ValueError("SGD: lr is 'fast'; it must be at least 0"),
    ),
    "lr nan": (
        lambda: optim.SGD([w], lr=float("nan")),
        ValueError("SGD: lr is nan; it must be at least 0"),
    ),
    "nesterov": (
        lambda: optim.SGD([w], nesterov=True),
        ValueError(
            "SGD: nesterov needs momentum above 0 and dampening 0, not momentum 0 and dampening 0"
        ),
    ),
    "alpha": (
        lambda: optim.RMSprop([w], alpha=1.0),
        ValueError("RMSprop: alpha is 1.0; it must be at least 0 and below 1"),
    ),
    "betas": (
        lambda: optim.AdamW([w], betas=(0.9, 1.0)),
        ValueError(
            "AdamW: betas is (0.9, 1.0); there must be 2 numbers, and each must be at least 0 and "
            "below 1"
        ),
    ),
    "one beta": (
        lambda: optim.Adam([w], betas=0.9),
        ValueError(
            "Adam: betas is 0.9; there must be 2 numbers, and each must be at least 0 and below 1"
        ),
    ),
    "eps": (
        lambda: optim.Adagrad([w], eps=-1e-8),
        ValueError("Adagrad: eps is -1e-08; it must be at least 0"),
    ),
    "nothing": (
        lambda: optim.SGD([]),
        ValueError(
            "SGD got no parameters; a generator can be read only once, so keep "
            "list(model.parameters()) if it is needed twice"
        ),
    ),
    "not a list": (
        lambda: optim.SGD(w),
        TypeError("SGD takes a list of parameters, not one Tensor; write it in brackets"),
    ),
    "an array": (
        lambda: optim.SGD([w, np.ones(3)]),
        TypeError("SGD: parameter 1 is a ndarray, not a Tensor or Value"),
    ),
    "named": (
        lambda: optim.SGD([("w", w)]),
        TypeError(
            "SGD: parameter 0 is a tuple, not a Tensor or Value; pass parameters without their "
            "names"
        ),
    ),
    "a result": (
        lambda: optim.SGD([w * 2]),
        ValueError(
            "SGD: parameter 0 is the result of multiply of shape (2,), which is computed anew in "
            "each pass; optimise the leaf it comes from"
        ),
    ),
    "whole numbers": (
        lambda: optim.SGD([Tensor(np.arange(3))]),
        TypeError("SGD: parameter 0 holds int64, which has no derivative; use .astype('float32')"),
    ),
    "twice": (
        lambda: optim.SGD([w, w]),
        ValueError(
            "SGD: parameter 1 of the group, 'w' of shape (2,), is there already; it would be "
            "updated twice in each step"
        ),
    ),
    "twice in two groups": (
        lambda: optim.SGD([{"params": [w]}, {"params": [w]}]),
        ValueError(
            "SGD: parameter 0 of the group, 'w' of shape (2,), is there already; it would be "
            "updated twice in each step"
        ),
    ),
    "an unknown option": (
        lambda: optim.SGD([{"params": [w], "learning_rate": 1}]),
        TypeError(
            "SGD has no option 'learning_rate'; it has lr, momentum, dampening, weight_decay, "
            "nesterov, maximize, fused"
        ),
    ),
    "a group without parameters": (
        lambda: optim.SGD([{"lr": 0.1}]),
        TypeError("SGD: a group is a dict with the key 'params', not {'lr': 0.1}"),
    ),
    "no formula": (
        lambda: with_gradient(optim.Optimizer([Value(1.0)], {"lr": 1.0})).step(),
        NotImplementedError("Optimizer has no _update"),
    ),
}


def with_gradient(optimizer):
    optimizer.param_groups[0]["params"][0].grad = 1.0
    return optimizer


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_and_what_next(what):
    call, expected = ERRORS[what]
    with pytest.raises(type(expected), match=f"^{re.escape(str(expected))}$"):
        call()


def test_a_refused_group_leaves_the_optimiser_as_it_was():
    optimizer = optim.SGD([w], lr=0.1)
    with pytest.raises(ValueError, match="lr"):
        optimizer.add_param_group({"params": [Value(1.0)], "lr": -1.0})
    assert len(optimizer.param_groups) == 1


def test_training_with_an_optimiser_reaches_the_solution():
    target = Tensor([[1.0, -2.0], [0.5, 3.0]])
    p = Tensor(np.zeros((2, 2), "float32"), requires_grad=True)
    optimizer = optim.AdamW([p], lr=0.1, weight_decay=0)
    for _ in range(400):
        optimizer.zero_grad()
        ops.mean((p - target) ** 2).backward()
        optimizer.step()
    np.testing.assert_allclose(p.data, target.data, atol=1e-3)
