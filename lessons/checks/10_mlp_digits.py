"""The exercises of lesson 10."""

import numpy as np
from sklearn.datasets import load_digits

from tinygrad_edu import data, nn, optim
from tinygrad_edu.learn.exercises import Exercise, Wrong

_EPOCHS = 3


def _train(model, loader, loss, optimizer, epochs, leave_out=()):
    """The right loop, or one that leaves something out."""
    if "train" not in leave_out:
        model.train()
    means = []
    for _ in range(epochs):
        losses = []
        for x, y in loader:
            if "zero_grad" not in leave_out:
                optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            if "step" not in leave_out:
                optimizer.step()
            losses.append(value.item())
        means.append(losses[-1] if "mean" in leave_out else sum(losses) / len(losses))
    if "eval" not in leave_out:
        model.eval()
    return means


def _without(*names):
    return lambda *args: _train(*args, leave_out=names)


def _once(model, loader, loss, optimizer, epochs):
    model.train()
    losses = []
    for _ in range(epochs):
        x, y = next(iter(loader))
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    model.eval()
    return losses


class Train(Exercise):
    id = "10.train"
    answer = "train"
    hints = (
        "Two loops: over the epochs, and inside it over the batches of the loader. In the inner "
        "one are the four things of the formula above.",
        "`optimizer.zero_grad()`, `value = loss(model(x), y)`, `value.backward()`, "
        "`optimizer.step()`. Collect `value.item()` in a list that begins anew each epoch.",
        "Before the loops `model.train()`; after an epoch `means.append(sum(losses) / "
        "len(losses))`; at the end `model.eval()` and `return means`.",
    )
    wrong = (
        Wrong(
            "never_forgets",
            _without("zero_grad"),
            "The gradients of all earlier batches are still there when you step: call "
            "`optimizer.zero_grad()` before the loss of each batch.",
        ),
        Wrong(
            "never_moves",
            _without("step"),
            "The parameters do not move: `optimizer.step()` is missing.",
        ),
        Wrong(
            "stays_in_training",
            _without("eval"),
            "After your loop the model is still in training mode, so it would answer with dropout. "
            "Switch it with `model.eval()` at the end.",
        ),
        Wrong(
            "trains_in_evaluation",
            _without("train"),
            "The model came in evaluation mode, and you trained it so: its dropout did nothing. "
            "Begin with `model.train()`.",
        ),
        Wrong(
            "last_batch_only",
            _without("mean"),
            "You return the loss of each epoch's last batch; the mean over its batches was asked "
            "for.",
        ),
        Wrong(
            "one_batch_an_epoch",
            _once,
            "You use one batch per epoch. An epoch is all batches of the loader.",
        ),
    )

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(3)]

    def _parts(self, seed):
        random = np.random.default_rng(seed)
        x, y = random.normal(size=(11, 4)), random.integers(0, 3, 11)
        model = nn.Sequential(
            nn.Linear(4, 6), nn.Dropout(0.5, generator=random), nn.Tanh(), nn.Linear(6, 3)
        ).double()
        for p in model.parameters():
            p.data = random.normal(size=p.shape)
        loader = data.DataLoader(data.TensorDataset(x, y), batch_size=4)
        return model.eval(), loader, optim.SGD(model.parameters(), lr=0.3)

    def outcome(self, answer, case):
        model, loader, optimizer = self._parts(case)
        means = answer(model, loader, nn.CrossEntropyLoss(), optimizer, _EPOCHS)
        weights = np.concatenate([p.data.ravel() for p in model.parameters()])
        return {"means": list(means), "weights": weights, "evaluation": not model.training}

    def judge(self, case, outcome):
        model, loader, optimizer = self._parts(case)
        start = np.concatenate([p.data.ravel() for p in model.parameters()])
        means = _train(model, loader, nn.CrossEntropyLoss(), optimizer, _EPOCHS)
        weights = np.concatenate([p.data.ravel() for p in model.parameters()])
        if np.allclose(outcome["weights"], start):
            return "The parameters are where they were at the start."
        if not np.allclose(outcome["weights"], weights):
            off = np.abs(outcome["weights"] - weights).max()
            return f"After {_EPOCHS} epochs a parameter is off by {off:.3g}."
        if not outcome["evaluation"]:
            return "The model is in training mode at the end."
        if len(outcome["means"]) != _EPOCHS:
            return f"For {_EPOCHS} epochs there are {len(outcome['means'])} losses in your list."
        if not np.allclose(outcome["means"], means):
            found, right = outcome["means"][0], means[0]
            return f"The mean loss of the first epoch is {right:.6g}; your list has {found:.6g}."
        return None

    def describe(self, case):
        return "11 examples in batches of 4"


class Order(Exercise):
    id = "10.order"
    answer = "order"
    hints = (
        "Small steps work because each batch looks like the whole. In which order does no batch "
        "look like the whole?",
        "Let the network see all zeros first, then all ones, and so on: sort by the label.",
        "`np.argsort(labels)` gives the places of the labels in increasing order.",
    )
    wrong = (
        Wrong(
            "as_it_was",
            lambda labels: np.arange(len(labels)),
            "In the order of the file all digits are mixed: it learns well. Batches must look "
            "different from the whole.",
        ),
        Wrong(
            "turned_around",
            lambda labels: np.arange(len(labels))[::-1],
            "Backwards the digits are as mixed as forwards.",
        ),
        Wrong(
            "not_all_of_them",
            lambda labels: np.flatnonzero(labels == 0),
            "That is no permutation: some examples never come. The network is to see every one.",
        ),
        Wrong(
            "one_again_and_again",
            lambda labels: np.zeros(len(labels), dtype=int),
            "That is one example again and again. The network is to see every one once.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randrange(2**31)]

    def outcome(self, answer, case):
        images, labels = load_digits(return_X_y=True)
        random = np.random.default_rng(case)
        chosen = random.permutation(len(labels))[:600]
        x, y = images[chosen] / 16, labels[chosen]
        rows = np.asarray(answer(y.copy()))
        if sorted(rows.tolist()) != list(range(len(y))):
            return {"every one": False, "how many": len(set(rows.tolist()))}
        w, b = np.zeros((64, 10)), np.zeros(10)
        for _ in range(2):
            for start in range(0, len(y), 32):
                batch = rows[start : start + 32]
                z = x[batch] @ w + b
                p = np.exp(z - z.max(axis=1, keepdims=True))
                p = p / p.sum(axis=1, keepdims=True) - np.eye(10)[y[batch]]
                w, b = w - 0.5 * x[batch].T @ p / len(batch), b - 0.5 * p.mean(axis=0)
        return {"every one": True, "right": float(np.mean((x @ w + b).argmax(axis=1) == y))}

    def judge(self, case, outcome):
        if not outcome["every one"]:
            return f"Of 600 examples your order has {outcome['how many']}."
        if outcome["right"] > 0.6:
            return f"With this order the network still reads {outcome['right']:.0%} of the digits."
        return None

    def describe(self, case):
        return "600 digits"
