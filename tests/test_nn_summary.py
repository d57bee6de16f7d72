"""Module.summary: counts against numbers worked out by hand and against PyTorch's counter."""

from xml.etree import ElementTree

import numpy as np
import pytest

from tinygrad_edu import Tensor, checkpoint, nn, ones, ops, zeros
from tinygrad_edu.nn import functional as F
from tinygrad_edu.readers.cost import multiply_adds


def lenet(nn=nn):
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, 10),
    )


def test_lenet_as_counted_by_hand():
    summary = lenet().summary(zeros(3, 1, 28, 28))
    rows = {row.name: row for row in summary.rows if row.parameters}
    assert {name: row.parameters for name, row in rows.items()} == {
        "0": 6 * 25 + 6,
        "3": 16 * 6 * 25 + 16,
        "7": 400 * 120 + 120,
        "9": 120 * 84 + 84,
        "11": 84 * 10 + 10,
    }
    assert {name: row.multiply_adds for name, row in rows.items()} == {
        "0": 3 * 28 * 28 * 6 * 25,
        "3": 3 * 10 * 10 * 16 * 6 * 25,
        "7": 3 * 400 * 120,
        "9": 3 * 120 * 84,
        "11": 3 * 84 * 10,
    }
    assert rows["3"].output == "(3, 16, 10, 10)"
    assert summary.parameters == summary.trained == 61_706
    assert summary.multiply_adds == 3 * 416_520
    assert summary.flops == 6 * 416_520
    assert sum(row.multiply_adds for row in summary.rows if row.name not in rows) == 0


@pytest.mark.parametrize(
    ("made", "shapes", "count"),
    [
        (lambda: nn.Conv1d(4, 6, 3, groups=2), [(2, 4, 10)], 2 * 8 * 6 * 2 * 3),
        (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), [(1, 2, 5, 5)], 3 * 3 * 3 * 2 * 9),
        (lambda: nn.ConvTranspose2d(3, 2, 2, stride=2), [(1, 3, 4, 4)], 16 * 3 * 2 * 4),
        (lambda: nn.Bilinear(3, 4, 5), [(7, 3), (7, 4)], 7 * 3 * 4 * 5),
        (lambda: nn.Linear(3, 5), [(2, 7, 3)], 2 * 7 * 3 * 5),
        (lambda: nn.BatchNorm2d(3), [(2, 3, 4, 4)], 0),
    ],
)
def test_layers_as_counted_by_hand(made, shapes, count):
    assert made().summary(*(ones(*shape) for shape in shapes)).multiply_adds == count


@pytest.mark.parametrize(
    ("made", "count"),
    [
        (lambda x, y: x @ y, 2 * 3 * 4),
        (lambda x, y: x[0] @ y, 3 * 4),
        (lambda x, y: ops.einsum(x, y, subscripts="nk,km->nm"), 2 * 3 * 4),
        (lambda x, y: ops.einsum(x, y, subscripts="...k,km->..."), 2 * 3 * 4),
        (lambda x, y: ops.einsum(x, subscripts="nk->k"), 0),
        (lambda x, y: x + x, 0),
        (lambda x, y: x, 0),
    ],
)
def test_the_cost_of_one_node(made, count):
    assert multiply_adds(made(ones(2, 3, requires_grad=True), ones(3, 4))) == count


class Attentive(nn.Module):
    """Work of its own before, between and after its layers; one layer called twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.layer.weight
        self.unused = nn.ModuleList([nn.Linear(2, 2)])

    def forward(self, x, scale=1.0):
        x = F.scaled_dot_product_attention(x, x, x)  # 2 x 3 x 3 x 4
        x = self.layer(self.layer(x * scale))
        return self.tied(x) @ x.mT, x  # 3 x 3 x 4


def test_work_belongs_to_the_module_that_does_it():
    summary = Attentive().summary(ones(3, 4), scale=0.5)
    rows = {row.name: row for row in summary.rows}
    assert [*rows] == ["", "layer", "tied", "unused", "unused.0"]
    assert [row.parameters for row in rows.values()] == [0, 16, 0, 0, 6]
    assert [row.multiply_adds for row in rows.values()] == [2 * 36 + 36, 2 * 48, 48, 0, 0]
    assert [row.calls for row in rows.values()] == [1, 2, 1, 0, 0]
    assert rows[""].output == "(3, 3), (3, 4)"
    assert rows["unused"].output == ""
    assert "Linear, 2 calls" in repr(summary)


def test_a_checkpoint_hides_nothing_and_counts_nothing_twice():
    class Saving(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 5)

        def forward(self, x):
            return checkpoint(self.layer, x)

    assert Saving().summary(ones(2, 4)).multiply_adds == 40


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    model[2].eval()
    before = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
    x = ones(2, 3)
    summary = model.summary(x)
    assert summary.multiply_adds == 2 * (12 + 8)  # of frozen layers too
    assert (summary.parameters, summary.trained) == (16 + 8 + 10, 8 + 10)
    assert repr(summary).splitlines()[-1].split() == ["trained", "18"]
    assert [m.training for m in model.modules()] == [True, True, True, False, True]
    assert [p.requires_grad for p in model.parameters()] == [False] * 2 + [True] * 4
    assert {name: tensor.tolist() for name, tensor in model.state_dict().items()} == before
    assert not any(m._hooks or m._pre_hooks for m in model.modules())
    assert not x.requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_also_when_it_fails():
    model = nn.Sequential(nn.Dropout(), nn.Linear(3, 4))
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        model.summary(ones(2, 5))
    assert model[0].training
    assert not any(m._hooks or m._pre_hooks for m in model.modules())


def test_indices_are_inputs_too():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    summary = model.summary(Tensor(np.array([0, 4])))
    assert [row.output for row in summary.rows] == ["(2, 2)", "(2, 3)", "(2, 2)"]
    assert summary.multiply_adds == 12


def test_the_table_in_a_notebook_has_the_same_cells_escaped():
    model = nn.ModuleDict({"<b>&": nn.Linear(2, 3)})
    model.forward = lambda x: model["<b>&"](x)
    summary = model.summary(ones(1, 2))
    table = ElementTree.fromstring(summary._repr_html_())
    cells = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    assert cells[0] == ["module", "class", "output shape", "parameters", "multiply-adds"]
    assert cells[2] == ["<b>&", "Linear", "(1, 3)", "9", "6"]
    assert cells[-1] == ["total", "", "", "9", "6"]
    assert len(cells) == len(repr(summary).splitlines()) - 2  # the rules


@pytest.mark.parity
def test_pytorchs_counter_agrees():
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    def build(nn):
        return nn.Sequential(
            *(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(8, 8, (1, 3), groups=4), nn.ConvTranspose2d(8, 4, 3, stride=2)),
            *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(324, 7)),
        )

    with FlopCounterMode(display=False) as counter:
        build(torch.nn)(torch.zeros(2, 3, 17, 21))
    assert build(nn).summary(zeros(2, 3, 17, 21)).flops == counter.get_total_flops()
