"""The average of weights: its formula against PyTorch, its use, its errors."""

import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, optim

WEIGHTS = np.random.default_rng(0).normal(size=(50, 3))


@pytest.mark.parity
@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999, 1.0])
def test_fifty_updates_as_in_pytorch(decay):
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 1, bias=False, dtype=torch.float64)
    twin = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    )
    tensor, values = Tensor(np.zeros(3), requires_grad=True), [Value(0.0) for _ in range(3)]
    average = optim.AveragedParameters([tensor, *values], decay)
    for row in WEIGHTS:
        tensor.data = row
        for v, number in zip(values, row, strict=True):
            v.data = number
        average.update_parameters()
        with torch.no_grad():
            model.weight.copy_(torch.as_tensor(row))
        twin.update_parameters(model)
        wanted = twin.module.weight.detach().numpy()[0]
        np.testing.assert_allclose(average.averages[0], wanted, rtol=1e-12)
        np.testing.assert_allclose(np.array(average.averages[1:]), wanted, rtol=1e-12)
    assert average.n_averaged == int(twin.n_averaged) == 50


def averaged():
    p = Tensor([1.0, 2.0], requires_grad=True)
    average = optim.AveragedParameters([p], decay=0.5)
    average.update_parameters()
    p.data = [3.0, 6.0]
    average.update_parameters()
    return p, average


def test_the_average_is_applied_and_taken_back_even_after_an_error():
    p, average = averaged()

    def spoil():
        with average.applied():
            assert p.tolist() == [2.0, 4.0]
            p.data -= 1.0
            raise KeyError

    with pytest.raises(KeyError):
        spoil()
    assert p.tolist() == [3.0, 6.0]
    assert average.averages[0].tolist() == [2.0, 4.0]


def test_training_goes_on_without_touching_the_average():
    p, average = averaged()
    p.grad = [1.0, 1.0]
    optim.SGD([p], lr=1.0).step()
    assert p.tolist() == [2.0, 5.0]
    assert average.averages[0].tolist() == [2.0, 4.0]


def test_a_saved_average_is_a_copy_and_goes_on():
    p, average = averaged()
    saved = average.state_dict()
    average.update_parameters()
    again = optim.AveragedParameters([p], decay=0.5)
    again.load_state_dict(saved)
    again.update_parameters()
    assert again.averages[0].tolist() == average.averages[0].tolist() == [2.5, 5.0]
    assert again.n_averaged == 3
    assert saved["averages"][0].tolist() == [2.0, 4.0]


w = Value(1.0)

ERRORS = {
    "decay": (
        lambda: optim.AveragedParameters([w], decay=1.5),
        ValueError("AveragedParameters: decay is 1.5; it must be in [0, 1]"),
    ),
    "nothing": (
        lambda: optim.AveragedParameters([]),
        ValueError("AveragedParameters got no parameters"),
    ),
    "not a list": (
        lambda: optim.AveragedParameters(w),
        TypeError(
            "AveragedParameters takes a list of parameters, not one Value; write it in brackets"
        ),
    ),
    "an array": (
        lambda: optim.AveragedParameters([np.ones(3)]),
        TypeError("AveragedParameters: parameter 0 is a ndarray, not a Tensor or Value"),
    ),
    "incomplete": (
        lambda: optim.AveragedParameters([w]).load_state_dict({"averages": []}),
        ValueError("AveragedParameters: the saved state has no 'n_averaged'"),
    ),
    "another number": (
        lambda: optim.AveragedParameters([w]).load_state_dict({"averages": [], "n_averaged": 1}),
        ValueError("AveragedParameters has 1 averages, the saved state 0"),
    ),
    "another shape": (
        lambda: optim.AveragedParameters([w]).load_state_dict(averaged()[1].state_dict()),
        ValueError("AveragedParameters: the saved average 0 has shape (2,), the parameter ()"),
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_and_what_next(what):
    call, expected = ERRORS[what]
    with pytest.raises(type(expected), match=f"^{re.escape(str(expected))}$"):
        call()
