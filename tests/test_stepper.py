"""The stepper: a state machine over a story."""

import pytest
from test_picture import neuron, random_scalars, trained_mlp
from test_story import GRAPHS, same

from tinygrad_edu import Tensor, Value, record_lines, scope, trace
from tinygrad_edu.readers.stepper import GRANULARITIES, Stepper
from tinygrad_edu.readers.story import replay
from tinygrad_edu.readers.wording import DASH, MINUS


@pytest.mark.parametrize("make", GRAPHS)
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_steps_cover_the_story_once_and_in_order(make, granularity):
    stepper = Stepper(make(), granularity=granularity)
    told = [event for step in stepper.steps for event in step.events]
    assert told == stepper.events
    assert [s.stop for s in stepper.steps][-1] == len(told)
    assert all(step.events and step.title and str(step) for step in stepper.steps)


def test_granularities_of_a_neuron():
    stepper = Stepper(neuron())
    counts = {}
    for granularity in GRANULARITIES:
        stepper.granularity = granularity
        counts[granularity] = len(stepper)
    assert counts == {"edge": 15, "op": 11, "module": 2, "pass": 2}


def test_modules_are_the_scopes():
    titles = [step.title for step in Stepper(trained_mlp(), granularity="module").steps]
    assert titles == [
        "forward through hidden (3 operations)",
        "forward through output (2 operations)",
        "loss = cross_entropy(t5, y)",
        "backward through loss = cross_entropy(t5, y)",
        "backward through output (2 operations)",
        "backward through hidden (3 operations)",
    ]


def test_a_step_of_one_operation_says_where_it_is():
    with scope("net"):
        y = Value(2.0, name="x").tanh()
    titles = [step.title for step in Stepper(y, granularity="module").steps]
    assert titles == ["t1 = tanh(x), in net", "backward through t1 = tanh(x), in net"]


def test_moving():
    stepper = Stepper(neuron())
    assert stepper.position == 0
    assert stepper.step is None
    assert stepper.prev() is None
    first = stepper.next()
    assert first is stepper.step is stepper.steps[0]
    assert stepper.goto(99) is stepper.steps[-1]
    assert stepper.next() is stepper.steps[-1]
    assert stepper.position == len(stepper) == 15
    assert stepper.goto(-3) is None


def test_the_state_grows_event_by_event_and_ends_at_the_gradients():
    root = random_scalars(40)
    stepper = Stepper(root)
    seen = stepper.state
    assert all(stepper.graph.nodes[i].op is None for i in seen.values)
    assert not seen.gradients
    while stepper.position < len(stepper):
        stepper.next()
        state = stepper.state
        assert seen.values.keys() <= state.values.keys()
        assert seen.complete <= state.complete
        assert sum(state.received.values()) >= sum(seen.received.values())
        seen = state
    root.backward()
    held = {n.index: n.grad for n in trace(root).nodes if n.grad is not None}
    assert seen.gradients == held
    assert seen.complete == held.keys()
    assert seen.received == seen.expected


@pytest.mark.parametrize("make", GRAPHS)
def test_stepping_to_the_end_gives_the_gradients_bit_for_bit(make):
    stepper = Stepper(make())
    stepper.goto(len(stepper))
    told = replay(stepper.events)
    assert stepper.state.gradients.keys() == told.keys()
    assert all(same(stepper.state.gradients[i], told[i]) for i in told)


def test_changing_the_granularity_keeps_what_has_happened():
    stepper = Stepper(neuron())
    stepper.goto(9)
    before = stepper.state.gradients
    stepper.granularity = "op"
    assert stepper.state.gradients == before
    stepper.granularity = "pass"
    assert stepper.position == 1
    stepper.granularity = "edge"
    assert stepper.position == 5


def test_explanations():
    with record_lines():
        x = Value(3.0, name="x")
        y = x * x
    stepper = Stepper(y)
    assert stepper.explain() == "at the start the leaves hold their numbers: x = 3"
    stepper.goto(3)
    assert stepper.explain().splitlines() == [
        "t1 gives x its share, as operand 1",
        "  ∂L/∂x += ∂L/∂t1 · ∂t1/∂x",
        "  ∂t1/∂x = x = 3",
        "  1 · 3 = 3",
        "  1 of 2 contributions received",
        f"  line {y.line[1]}: y = x * x",
    ]
    assert repr(stepper) == "<Stepper at 3 of 4: t1 gives x its share, as operand 1>"


def test_a_notebook_shows_a_step_in_words():
    stepper = Stepper(neuron())
    assert repr(stepper.next()) == str(stepper.step)
    assert repr(stepper.answer(3)) == "not 3; work out 1 · 0"


def test_text_shows_what_is_known_so_far():
    stepper = Stepper(neuron())
    stepper.goto(8)
    assert stepper.text() == (
        "step 8 of 15: t4 gives t3 its share\n"
        "  ∂L/∂t3 += ∂L/∂t4 · ∂t4/∂t3\n"
        "  ∂t4/∂t3 = 1\n"
        "  0.5 · 1 = 0.5\n"
        "  1 of 1 contribution received\n"
        "\n"
        "node  made from   value  grad  received\n"
        f"w1    input          -3     {DASH}\n"
        f"x1    input           2     {DASH}\n"
        f"t1    w1 * x1        -6     {DASH}\n"
        f"w2    input           1     {DASH}\n"
        f"x2    input           0     {DASH}\n"
        f"t2    w2 * x2         0     {DASH}\n"
        "t3    t1 + t2        -6   0.5    1 of 1\n"
        f"b     input       6.881     {DASH}\n"
        "t4    t3 + b     0.8814   0.5    1 of 1\n"
        "o     tanh(t4)   0.7071     1"
    )
    told = stepper.told()
    assert told.count("gives") == 9
    assert told.endswith(Stepper(neuron()).told()[-60:])
    assert stepper.position == 8


def test_results_not_computed_yet_have_a_dash():
    rows = Stepper(neuron()).table().splitlines()
    assert rows[-1].split() == ["o", "tanh(t4)", DASH, DASH]


# Predicting


def test_right_and_wrong_predictions():
    stepper = Stepper(neuron(), mode="predict")
    stepper.goto(6)
    assert stepper.question == "∂L/∂t4 += ∂L/∂o · ∂o/∂t4 = ?"
    wrong = stepper.answer(0.7)
    assert not wrong
    assert str(wrong) == f"not 0.7; ∂o/∂t4 = 1 {MINUS} o² = 0.5; work out 1 · 0.5"
    assert stepper.position == 6
    right = stepper.answer("0.502")  # within one in a hundred
    assert right
    assert str(right) == "right: 1 · 0.5 = 0.5"
    assert stepper.position == 7
    assert not Stepper(neuron(), mode="predict", tolerance=1e-6).answer("-6.001")


def test_numbers_are_read_as_they_are_written():
    stepper = Stepper(neuron(), mode="predict")
    assert stepper.answer("\u22126")
    assert stepper.answer("0.0")
    assert not stepper.answer("no idea")
    assert not stepper.answer([1.0, 2.0])
    assert stepper.answer("-6e0")


def test_of_an_array_the_shape_is_asked_for():
    stepper = Stepper(trained_mlp(), mode="predict")
    assert stepper.question == "t1 = X @ W1: of which shape?"
    assert stepper.hint == "work out (32, 64) @ (64, 16)"
    assert not stepper.answer((32, 64))
    assert stepper.answer("32 x 16")
    assert stepper.answer((32, 16))


def test_nothing_is_left_to_predict_at_the_end():
    stepper = Stepper(neuron(), mode="predict")
    stepper.goto(99)
    assert stepper.question == stepper.hint == ""
    assert str(stepper.answer(1)) == "nothing is left to predict"


# Changing and comparing


def test_a_leaf_can_be_changed_and_everything_follows():
    root = neuron()
    stepper = Stepper(root, mode="what-if").change(b=0.0, x2=2)
    stepper.goto(99)
    expected = neuron()
    values = {n.name: n for n in [*trace(expected).nodes] if n.name}
    assert stepper.state.values[values["b"].index] == 0.0
    assert stepper.state.values[len(stepper.graph.nodes) - 1] == pytest.approx(-0.9993, abs=1e-4)
    assert trace(root).nodes[values["b"].index].data == 6.8813735870195432
    with pytest.raises(KeyError, match="no leaf is called 'w9'; there are w1, x1, w2, x2, b"):
        stepper.change(w9=1.0)


def test_a_change_keeps_the_position():
    stepper = Stepper(neuron())
    stepper.goto(7)
    assert stepper.change(b=1.0).position == 7


def test_comparing_puts_differences_beside_the_gradients():
    stepper = Stepper(neuron(), mode="compare")
    stepper.goto(99)
    header, *rows = [line.split() for line in stepper.table().splitlines()]
    assert header[-1] == "difference"
    assert rows[0][-1] == "1"
    assert rows[1][-1] == "-1.5"
    array = Stepper(Tensor([1.0, 2.0], requires_grad=True, name="w").sum(), mode="compare")
    array.goto(99)
    assert "off (2 of 2)" in array.table()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "guess"}, "mode is 'guess', not one of watch, predict, what-if, compare"),
        ({"granularity": "atom"}, "granularity is 'atom', not one of edge, op, module, pass"),
    ],
)
def test_unknown_choices(options, message):
    with pytest.raises(ValueError, match=message):
        Stepper(neuron(), **options)
