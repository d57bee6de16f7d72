"""Module and its containers: registration, modes, hooks, state, conversion, printing."""

import copy
import gc
import weakref
from contextlib import nullcontext

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, no_grad, record_lines, scope, trace


class MLP(nn.Module):
    """Two layers, a buffer, and a tensor that is neither."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.fc2 = nn.Linear(4, 2, bias=False)
        self.register_buffer("count", Tensor([1.0]))
        self.register_buffer("scratch", Tensor([5.0]), persistent=False)
        self.loose = Tensor([7.0])

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())


KEYS = ["count", "fc1.weight", "fc1.bias", "fc2.weight"]
INPUT = Tensor(np.ones((2, 3), "float32"))


def test_parts_are_found_by_assignment():
    model = MLP()
    assert [name for name, _ in model.named_parameters()] == KEYS[1:]
    assert [name for name, _ in model.named_parameters(recurse=False)] == []
    assert next(name for name, _ in model.named_parameters("net")) == "net.fc1.weight"
    assert [name for name, _ in model.named_buffers()] == ["count", "scratch"]
    assert [name for name, _ in model.named_modules()] == ["", "fc1", "fc2"]
    assert [*model.children()] == [model.fc1, model.fc2]
    assert all(isinstance(p, nn.Parameter) for p in model.parameters())
    model.fc2 = None
    assert [name for name, _ in model.named_parameters()] == KEYS[1:3]
    del model.fc1
    assert [*model.parameters()] == []


def test_results_of_parameters_are_plain_tensors():
    p = nn.Parameter([1.0, 2.0], name="p")
    assert type(p * 2) is Tensor
    assert type(p.detach()) is Tensor
    (p * p).sum().backward()
    assert p.grad.tolist() == [2.0, 4.0]
    with no_grad():
        q = p
        q -= 0.5
    assert q is p
    assert p.tolist() == [0.5, 1.5]
    assert not nn.Parameter([1.0], requires_grad=False).requires_grad


def test_a_tensor_does_not_take_the_place_of_a_parameter():
    model = MLP()
    with pytest.raises(TypeError, match=r"weight of this Linear is a Parameter.*weight\.data"):
        model.fc1.weight = model.fc1.weight - 1.0
    model.fc1.weight = nn.Parameter(np.zeros((4, 3)))
    model.fc1.bias = None
    assert model(INPUT).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("name", ["", "a.b", "forward", "training"])
def test_names_that_parts_cannot_have(name):
    with pytest.raises(KeyError):
        nn.Module().register_parameter(name, nn.Parameter([1.0]))
    with pytest.raises(KeyError):
        nn.ModuleDict({name: nn.Identity()})
    with pytest.raises(KeyError):
        nn.Module().register_buffer(name, Tensor([1.0]))


def test_shared_parts_count_once_and_are_saved_under_both_names():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert len([*model.parameters()]) == 2
    assert len([*model.modules()]) == 3
    assert len([*model.children()]) == 2
    assert len(model) == 3
    assert [*model.state_dict()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    assert [name for name, _ in tied.named_parameters()] == ["0.weight"]


def test_modes_reach_every_module():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    assert model.eval() is model
    assert [m.training for m in model.modules()] == [False] * 4
    assert [m.training for m in model.train().modules()] == [True] * 4


def test_apply_visits_children_first():
    seen = []
    model = nn.Sequential(nn.Tanh(), nn.Sequential(nn.ReLU()))
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Tanh", "ReLU", "Sequential", "Sequential"]


def test_gradients_are_forgotten_and_switched_off():
    model = MLP()
    model(INPUT).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    model.requires_grad_(False)
    assert not model(INPUT).requires_grad
    assert model.requires_grad_()(INPUT).requires_grad


def test_hooks_see_and_replace():
    layer, calls = nn.Identity(), []
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    single = layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
    after = layer.register_forward_hook(lambda module, args, out: calls.append((args, out)))
    assert layer(Tensor([3.0])).tolist() == [7.0]
    assert calls[0][0][0] is calls[0][1]
    single.remove()
    single.remove()
    with layer.register_forward_hook(lambda module, args, out: out * 10):
        assert layer(Tensor([3.0])).tolist() == [60.0]
    after.remove()
    before.remove()
    assert layer(Tensor([3.0])).tolist() == [3.0]
    assert len(calls) == 2
    assert not nn.Identity()._hooks  # no other module has them


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="ModuleList defines no forward"):
        nn.ModuleList([nn.Tanh()])(INPUT)


def test_submodules_by_name():
    model = nn.Sequential(MLP())
    assert model.get_submodule("0.fc1") is model[0].fc1
    assert model.get_submodule("") is model
    with pytest.raises(AttributeError, match="MLP has no module 'fc3'; its children: fc1, fc2"):
        model.get_submodule("0.fc3")


# State


def test_state_is_a_copy_and_comes_back():
    model = MLP()
    state = model.state_dict()
    assert [*state] == KEYS
    assert all(type(t) is Tensor and not t.requires_grad for t in state.values())
    before = model(INPUT).tolist()
    for p in model.parameters():
        p.data -= 1.0
    assert model(INPUT).tolist() != before
    assert model.load_state_dict(state) == ([], [])
    assert model(INPUT).tolist() == before
    model.fc1.weight.data += 1.0
    assert model.load_state_dict(state) == ([], [])  # the state was not written into either
    assert model(INPUT).tolist() == before


def test_loading_keeps_the_parameters_and_their_dtype():
    model = MLP()
    same, weight = model.fc1.weight, np.full((4, 3), 0.1)
    assert model.load_state_dict({"fc1.weight": weight}, strict=False).missing_keys == [
        "count",
        "fc1.bias",
        "fc2.weight",
    ]
    assert model.fc1.weight is same
    assert same.dtype == np.float32
    weight[:] = 5.0
    assert same.data.max() < 1.0


def test_differences_are_listed_and_nothing_is_loaded():
    model = MLP()
    before = {name: t.tolist() for name, t in model.state_dict().items()}
    state = dict(MLP().state_dict())
    state["head.weight"] = state.pop("fc2.weight")
    state["fc1.bias"] = Tensor([1.0])
    state["count"] = "many"
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict(state)
    assert str(error.value) == (
        "cannot load this state into MLP, which stays as it was:\n"
        "  count: str is not an array\n"
        "  fc1.bias: (1,) given, (4,) here\n"
        "  missing: fc2.weight (2, 4)\n"
        "  unexpected: head.weight\n"
        "strict=False loads what has a name here"
    )
    with pytest.raises(RuntimeError, match=r"fc1\.bias: "):
        model.load_state_dict(state, strict=False)
    assert {name: t.tolist() for name, t in model.state_dict().items()} == before


def test_a_graph_made_before_loading_refuses_to_run_backward():
    model = MLP()
    out = model(INPUT).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError):
        out.backward()


def test_copies_are_independent():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    twin = copy.deepcopy(model)
    twin[0].weight.data -= 1.0
    twin[1](INPUT)
    assert twin[0].weight.tolist() != model[0].weight.tolist()
    assert model[1].num_batches_tracked.item() == 0


# Conversion


def test_dtype_changes_in_place_gradients_and_buffers_too():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    model(INPUT).sum().backward()
    same = [*model.parameters()]
    assert model.double() is model
    assert all(p is q for p, q in zip(model.parameters(), same, strict=True))
    assert {p.dtype for p in same} == {p.grad.dtype for p in same} == {np.dtype("float64")}
    assert model[1].running_var.dtype == np.float64
    assert model[1].num_batches_tracked.dtype == np.int64
    assert model.float()(INPUT).dtype == np.float32
    assert model.to("cpu", "float64")[0].bias.dtype == np.float64
    with pytest.raises(TypeError, match="not int64"):
        model.to("int64")


def test_factory_arguments():
    layer = nn.Linear(2, 2, dtype="float64")
    assert layer.weight.dtype == layer.bias.dtype == np.float64
    assert nn.BatchNorm1d(2, dtype="float64").running_mean.dtype == np.float64


# Frames


def scopes(out):
    """The frames of the graph's nodes by operation, for operations that occur once."""
    return {n.op.name: n.scope for n in trace(out).nodes if n.op is not None}


def test_pictures_find_what_each_module_made():
    model = MLP()
    frames = ("MLP", "fc1 (Linear)"), ("MLP",), ("MLP", "fc2 (Linear)")
    for lines in (False, True):
        with record_lines() if lines else nullcontext():
            out = model(INPUT)
            loss = (out * 2).sum()
        assert out.scope == ()  # it is found when asked for, not kept on every node
        graph = trace(loss)
        found = [n.scope for n in graph.nodes if n.op is not None]
        assert found == [*frames, (), ()]
        assert (graph.nodes[-1].line is not None) == lines


def test_modules_and_scopes_nest_in_each_other():
    class Inner(nn.Module):
        def forward(self, x):
            with scope("inside"):
                y = x.exp()
            return y.tanh()

    with scope("outside"):
        out = nn.Sequential(Inner())(Tensor([1.0], requires_grad=True))
    around = ("outside", "Sequential", "0 (Inner)")
    assert scopes(out) == {"exp": (*around, "inside"), "tanh": around}


def test_a_module_that_returns_several_tensors_is_one_frame():
    class Pair(nn.Module):
        def forward(self, x, *, state):
            h = x * state["h"]
            return h.exp(), [h.tanh()]

    x = Tensor([1.0], requires_grad=True).square()
    a, [b] = Pair()(x, state={"h": x.log()})
    found = scopes(a + b)
    assert {name for name, frame in found.items() if frame == ("Pair",)} == {
        "multiply",
        "exp",
        "tanh",
    }
    assert found["log"] == found["square"] == found["add"] == ()


def test_a_module_that_keeps_its_output_does_not_take_in_the_call_before():
    class Stateful(nn.Module):
        h = None

        def forward(self, x):
            self.h = x.exp() if self.h is None else (x + self.h).tanh()
            return self.h

    cell, x = Stateful(), Tensor([1.0], requires_grad=True)
    for _ in range(3):
        out = cell(x)
    assert {n.scope for n in trace(out).nodes if n.op is not None} == {("Stateful",)}


def test_a_call_that_made_nothing_has_no_frame():
    x = Tensor([1.0], requires_grad=True)
    assert scopes(nn.Identity()(x.exp()).tanh()) == {"exp": (), "tanh": ()}
    with no_grad():
        assert nn.ReLU()(x).op is None


def test_a_freed_graph_lets_go_of_what_modules_were_given():
    x = Tensor([1.0], requires_grad=True)
    between = x.exp()
    alive = weakref.ref(between)
    out = nn.ReLU()(between)
    del between
    out.backward(free=True)
    assert alive() is None


# Containers


def kinds(container):
    return [type(m).__name__ for m in container]


def test_sequential_is_a_list_of_modules():
    model = nn.Sequential(nn.Tanh(), nn.ReLU())
    assert model(Tensor([-1.0])).tolist() == [0.0]
    assert model.append(nn.Sigmoid()) is model
    model.insert(1, nn.Identity())
    assert kinds(model) == ["Tanh", "Identity", "ReLU", "Sigmoid"]
    assert [name for name, _ in model.named_children()] == ["0", "1", "2", "3"]
    assert kinds(model[1:3]) == ["Identity", "ReLU"]
    assert model[-1] is model[3]
    model[0] = nn.GELU()
    del model[1]
    assert kinds(model) == ["GELU", "ReLU", "Sigmoid"]
    del model[1:]
    assert kinds(model) == ["GELU"]
    assert nn.Sequential()(INPUT) is INPUT
    with pytest.raises(IndexError, match="index 1 is out of range: 1 modules"):
        model[1]


def test_sequential_takes_names():
    model = nn.Sequential({"in": nn.Linear(3, 2), "act": nn.Tanh()})
    assert [*model.state_dict()] == ["in.weight", "in.bias"]
    assert [name for name, _ in model[1:].named_children()] == ["act"]


def test_module_list_and_dict():
    layers = nn.ModuleList([nn.Tanh()]).extend([nn.ReLU(), nn.Tanh()])
    assert kinds(layers) == ["Tanh", "ReLU", "Tanh"]
    assert kinds(layers[::2]) == ["Tanh", "Tanh"]
    heads = nn.ModuleDict({"a": nn.Tanh()})
    heads["b"] = nn.ReLU()
    assert [*heads] == heads.keys() == ["a", "b"]
    assert "a" in heads
    assert "c" not in heads
    assert kinds(heads.values()) == ["Tanh", "ReLU"]
    assert type(heads.pop("a")) is nn.Tanh
    assert [name for name, _ in heads.items()] == ["b"]
    assert len(heads) == 1
    with pytest.raises(KeyError, match="no module is called 'a'"):
        del heads["a"]


@pytest.mark.parametrize(
    "make",
    [
        lambda x: nn.Sequential(x),
        lambda x: nn.ModuleList([x]),
        lambda x: nn.ModuleDict({"a": x}),
    ],
)
def test_only_modules_are_taken(make):
    with pytest.raises(TypeError, match=r"not function; .*nn\.ReLU for F\.relu"):
        make(nn.functional.relu)


# Layers: what the table of parity does not ask


def test_losses_keep_their_weights_as_buffers():
    loss = nn.CrossEntropyLoss(weight=Tensor([1.0, 2.0]))
    assert [*loss.state_dict()] == ["weight"]
    assert [*loss.parameters()] == []
    assert loss.double().weight.dtype == np.float64
    assert [*nn.CrossEntropyLoss().state_dict()] == []


def test_dropout_follows_the_mode_and_the_generator():
    layer = nn.Dropout(0.5, generator=np.random.default_rng(0))
    ones = Tensor(np.ones(1000))
    assert 400 < (layer(ones).data == 0).sum() < 600
    assert layer.eval()(ones) is ones
    with pytest.raises(ValueError, match="not 2"):
        nn.Dropout(2)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.BatchNorm1d(3)(Tensor(np.ones((2, 4)))), ValueError, r"3 channels.*\(2, 4\)"),
        (lambda: nn.BatchNorm2d(3)(Tensor(np.ones((2, 3)))), ValueError, r"4 axes.*\(2, 3\)"),
        (lambda: nn.GroupNorm(3, 4), ValueError, "4 channels .* 3 groups"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), IndexError, "padding_idx 3 .* 3 rows"),
        (lambda: nn.ZeroPad2d((1, 2)), ValueError, "one number or 4.*not 2"),
        (lambda: nn.Flatten(2, 1)(Tensor(np.ones((2, 3, 4)))), ValueError, "axes 2 to 1"),
        (lambda: nn.Flatten()(Tensor(np.ones(3))), ValueError, "axes 1 to -1"),
        (lambda: nn.Linear(3, 2)(Tensor(np.ones((2, 4)))), ValueError, r"\(2, 4\)"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "2 groups .* 3 channels in and 4 out"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ValueError, r"kernel_size .* 2 axes; it is \(3, 3, 3"),
        (lambda: nn.Conv1d(3, 4, 3, 2, "same"), ValueError, r"'same' needs stride 1, not \(2,\)"),
        (lambda: nn.Conv1d(3, 4, 3, padding="full"), ValueError, "'full', not 'same'"),
        (lambda: nn.Conv1d(3, 4, 3, padding_mode="edge"), ValueError, "'edge', not one of"),
        (lambda: nn.ConvTranspose1d(3, 4, 3, padding_mode="reflect"), ValueError, "with zeros"),
        (
            lambda: nn.ConvTranspose1d(1, 1, 3, 2)(Tensor(np.ones((1, 1, 4))), output_size=[11]),
            ValueError,
            r"output_size \(11,\) .* \(1, 1, 4\): the sizes are \(9,\) to \(10,\)",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_network_of_modules_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2)).astype("float32")
    y = Tensor((x[:, 0] * x[:, 1] > 0).astype("int64"))
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    loss = nn.CrossEntropyLoss()
    for _ in range(300):
        model.zero_grad()
        loss(model(Tensor(x)), y).backward()
        for p in model.parameters():
            p.data -= 0.5 * p.grad
    assert (model(Tensor(x)).data.argmax(axis=1) == y.data).mean() > 0.95


@pytest.mark.parametrize(
    "hidden", [nn.Dropout(0.0), nn.Identity(), nn.TransformerEncoderLayer(2, 1)]
)
def test_what_a_module_passes_on_is_freed_without_the_garbage_collector(hidden):
    model = nn.Sequential(nn.Linear(2, 2), hidden, nn.Linear(2, 2)).eval()
    out = model(Tensor([[[1.0, 2.0]]]))
    node = weakref.ref(out.inputs[0])
    gc.disable()
    try:
        del out
        assert node() is None
    finally:
        gc.enable()
