"""Training: the loop does what it says, and goes on after a crash as if nothing had happened."""

import ast
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from test_files import same

from tinygrad_edu import Tensor, data, load, manual_seed, metrics, nn, optim, save, train
from tinygrad_edu.nn import functional as F

pytest.importorskip("safetensors")
X = np.random.default_rng(0).normal(size=(12, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3
BATCHES = [(X[:4], Y[:4]), (X[4:8], Y[4:8]), (X[8:], Y[8:])]


def linear(seed=0):
    manual_seed(seed)
    return nn.Linear(3, 1).double()


def fit(model, loader=BATCHES, *, optimizer=None, **options):
    """`train.fit` with what most tests here want."""
    if optimizer is None:
        optimizer = optim.Adam(model.parameters(), lr=0.01)
    options = {"loss": F.mse_loss, "epochs": 3, "progress": False, **options}
    return train.fit(model, loader, optimizer=optimizer, **options)


def distance(output, target):
    """A metric: the mean absolute error."""
    return np.abs(output.data - target.data).mean()


# The step and the loop


def test_fit_is_the_loop_one_would_write():
    by_hand = linear()
    optimizer = optim.Adam(by_hand.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        for x, y in BATCHES:
            optimizer.zero_grad()
            loss = F.mse_loss(by_hand(Tensor(x)), Tensor(y))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    model = linear()
    history = fit(model, metrics={"distance": distance})
    assert same(model.state_dict(), by_hand.state_dict())
    assert history.steps["loss"] == losses
    np.testing.assert_allclose(history["loss"], np.mean(np.reshape(losses, (3, 3)), axis=1))
    assert history["step"] == [3, 6, 9]
    assert len(history) == 3
    assert history["distance"][-1] < history["distance"][0]


@pytest.mark.parametrize("sizes", [(4, 4, 4), (5, 4, 3), (1, 11)])
def test_accumulated_batches_are_one_large_batch(sizes):
    ends = np.cumsum(sizes)
    small = [(X[end - n : end], Y[end - n : end]) for n, end in zip(sizes, ends, strict=True)]
    one, several = linear(), linear()
    whole = fit(one, [(X, Y)], metrics={"distance": distance})
    parts = fit(several, small, accumulate=len(small), metrics={"distance": distance})
    np.testing.assert_allclose(several.weight.data, one.weight.data, rtol=1e-12)
    for name in ("loss", "distance"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-12)
    assert parts["step"] == [1, 2, 3]


def test_the_last_group_of_batches_may_be_smaller():
    assert fit(linear(), accumulate=2)["step"] == [2, 4, 6]


def test_clipping_limits_the_gradients():
    seen = []

    class Look:
        def on_step_end(self, run):
            seen.append([p.grad.copy() for p in run.model.parameters()])

    fit(linear(), clip_norm=0.1, callbacks=[Look()])
    norms = [np.sqrt(sum((g * g).sum() for g in gradients)) for gradients in seen]
    np.testing.assert_allclose(norms[:3], 0.1, rtol=1e-5)
    seen.clear()
    fit(linear(), clip_value=0.1, callbacks=[Look()])
    assert max(np.abs(g).max() for gradients in seen for g in gradients) == 0.1


@pytest.mark.parametrize("kind", ["LBFGS", "GradientDescent"])
def test_an_optimiser_that_looks_at_several_points_has_its_closure(kind):
    model = linear()
    optimizer = getattr(optim, kind)(model.parameters())
    history = fit(model, [(X, Y)], optimizer=optimizer, epochs=30, metrics={"distance": distance})
    np.testing.assert_allclose(history["loss"][0], F.mse_loss(linear()(Tensor(X)), Y).item())
    assert history["loss"][-1] < 1e-3 * history["loss"][0]
    assert history["distance"][-1] < 0.1 * history["distance"][0]


def test_a_model_may_take_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1).double()

        def forward(self, x, y):
            return self.layer(x * y)

    assert len(fit(Two(), [(X, X, Y)])) == 3


def test_validation_leaves_modes_and_statistics_alone():
    model = nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1), nn.Dropout(0.5)).double()
    model[1].eval()
    before = model.state_dict()
    first = train.evaluate(model, BATCHES, F.mse_loss, {"distance": distance})
    assert first == train.evaluate(model, BATCHES, F.mse_loss, {"distance": distance})
    assert [m.training for m in model.modules()] == [True, True, False, True]
    assert same(model.state_dict(), before)
    out = model.eval()(Tensor(X)).data
    np.testing.assert_allclose(first["loss"], ((out - Y) ** 2).mean(), rtol=1e-12)


@pytest.mark.parametrize("schedule", ["epoch", "step"])
def test_a_schedule_moves_by_epoch_or_step(schedule):
    model = linear()
    optimizer = optim.SGD(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    history = fit(model, optimizer=optimizer, scheduler=scheduler, schedule=schedule)
    every = 3 if schedule == "epoch" else 1
    assert history.steps["lr"] == [1e-3 * 0.5 ** (i // every) for i in range(9)]
    assert history["lr"] == history.steps["lr"][2::3]


def test_a_plateau_is_of_the_monitored_number():
    model = linear()
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    fit(model, optimizer=optimizer, scheduler=plateau, validation=BATCHES, epochs=4)
    assert plateau.num_bad_epochs == 1  # never better: after two bad epochs it counts anew
    assert plateau.last_epoch == 4


def test_a_compiled_run_takes_the_same_course():
    def run(**ways):
        manual_seed(0)
        model = nn.Sequential(
            *(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        ).double()
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(70, 2)), rng.integers(0, 3, 70)
        batches = [(x[:32], y[:32]), (x[32:64], y[32:64]), (x[64:], y[64:])]
        history = train.fit(
            model,
            batches,
            loss=nn.CrossEntropyLoss(),
            optimizer=optim.Adam(model.parameters(), lr=0.01),
            epochs=4,
            validation=batches,
            metrics={"accuracy": metrics.accuracy},
            accumulate=2,
            clip_norm=1.0,
            progress=False,
            **ways,
        )
        return model.state_dict(), history.epochs

    plain = run()
    for compiled in (run(compile=True), run(compile=True, memory="low")):
        for name, tensor in plain[0].items():
            assert np.allclose(tensor.data, compiled[0][name].data, rtol=1e-9), name
        for name, values in plain[1].items():
            assert values == pytest.approx(compiled[1][name]), name


def test_how_to_compile_reaches_the_compiler(monkeypatch):
    seen = []
    compiled = train.loop.compiled
    monkeypatch.setattr(
        train.loop, "compiled", lambda f, **ways: seen.append(ways) or compiled(f, memory="low")
    )
    fit(linear(), epochs=1, compile=True, jit="numba", memory="low")
    assert seen == [{"jit": "numba", "memory": "low"}]


@pytest.mark.parametrize("way", ["jit", "memory"])
def test_a_way_to_compile_that_cannot_be_is_refused(way):
    model = linear()
    with pytest.raises(ValueError, match="compile=True"):
        fit(model, **{way: "low"})
    with pytest.raises(ValueError, match=f"{way} is 'no such'"):
        fit(model, compile=True, **{way: "no such"})
    assert same(model.state_dict(), linear().state_dict())


def test_one_seed_makes_a_run_repeat():
    def run(seed):
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1)).double()
        model.load_state_dict({name: 0.1 * np.ones(t.shape) for name, t in model._state().items()})
        fit(model, seed=seed)
        return model.state_dict()

    assert same(run(1), run(1))
    assert not same(run(1), run(2))


def test_a_data_loader_of_tensors_and_a_metric_of_classes():
    model = nn.Linear(3, 2)
    examples = data.TensorDataset(X.astype("float32"), (Y[:, 0] > 0).astype("int64"))
    history = fit(
        model,
        data.DataLoader(examples, 4, shuffle=True, generator=np.random.default_rng(0)),
        loss=nn.CrossEntropyLoss(),
        epochs=60,
        optimizer=optim.Adam(model.parameters(), lr=0.1),
        validation=data.DataLoader(examples, 5),
        metrics={"accuracy": lambda out, target: (out.data.argmax(1) == target.data).mean()},
    )
    assert history["val_accuracy"][-1] == 1.0


# Early stopping


@pytest.mark.parametrize(
    ("options", "values", "best", "stops"),
    [
        ({"patience": 2}, [5, 4, 4, 4, 1], 2, 4),
        ({"patience": 2}, [5, 4, 6, 3, 6, 6, 6], 4, 6),
        ({"patience": 1, "min_delta": 0.5}, [5, 4.5, 1], 1, 2),
        ({"patience": 1, "min_delta": 0.5}, [5, 4.4, 1, 2], 3, 4),
        ({"patience": 2, "mode": "max"}, [0.1, 0.3, 0.2, 0.1, 0.9], 2, 4),
        ({"patience": None}, [1, 2, 3, 4], 1, None),
        ({"patience": 2}, [np.nan, np.nan, 1.0], 0, 2),
        ({"patience": 3}, [np.nan, 1.0, np.nan, 2.0], 2, None),
    ],
)
def test_the_patience_on_written_curves(options, values, best, stops):
    stopping = train.EarlyStopping(**options)
    stop = None
    for epoch, value in enumerate(values, start=1):
        stopping.update(value, epoch)
        if stopping.stopped:
            stop = epoch
            break
    assert (stop, stopping.best_epoch) == (stops, best)


@pytest.mark.parametrize(
    "options", [{"patience": 0}, {"patience": 1.5}, {"min_delta": -1}, {"mode": "best"}]
)
def test_a_wrong_option_of_early_stopping_is_named(options):
    with pytest.raises(ValueError, match=f"EarlyStopping: {next(iter(options))} is"):
        train.EarlyStopping(**options)


@pytest.mark.parametrize("restore", [True, False])
def test_the_best_weights_come_back(restore, tmp_path):
    model, states = linear(), []
    validation = [(X, -Y)]  # the better the model fits, the worse it does here
    fit(
        model,
        validation=validation,
        epochs=9,
        early_stopping=train.EarlyStopping(3, restore_best=restore),
        checkpoint=tmp_path,
        callbacks=[lambda run: states.append(run.model.state_dict())],
    )
    assert len(states) == 4
    assert same(model.state_dict(), states[0 if restore else -1])
    assert same(load(tmp_path / "best.safetensors"), states[0])


# Callbacks


def test_callbacks_are_told_of_every_step_and_epoch():
    told = []

    class Listener:
        def on_train_begin(self, run):
            told.append(("begin", run.epoch, run.step))

        def on_step_end(self, run):
            told.append(("step", run.epoch, run.step))
            assert run.latest["loss"] == run.history.steps["loss"][-1]

        def on_epoch_end(self, run):
            told.append(("epoch", run.epoch, run.step))
            assert len(run.history) == run.epoch

        def on_train_end(self, run):
            told.append(("end", run.epoch, run.step))

    fit(linear(), BATCHES[:2], epochs=2, callbacks=[Listener(), lambda run: told.append("f")])
    assert told == [
        ("begin", 0, 0),
        *(("step", 0, 1), ("step", 0, 2), ("epoch", 1, 2), "f"),
        *(("step", 1, 3), ("step", 1, 4), ("epoch", 2, 4), "f"),
        ("end", 2, 4),
    ]


@pytest.mark.parametrize(("hook", "steps"), [("on_step_end", 1), ("on_epoch_end", 3)])
def test_a_callback_can_end_the_training(hook, steps):
    stop = type("Stop", (), {hook: lambda self, run: run.stop()})()
    assert len(fit(linear(), callbacks=[stop]).steps["loss"]) == steps


# Options that do not fit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0; it must be a whole number from 1"),
        ({"accumulate": 1.5}, r"accumulate is 1\.5"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"schedule": "batch"}, "schedule is 'batch'; it must be 'epoch' or 'step'"),
        ({"early_stopping": train.EarlyStopping(monitor="val_loss")}, "no 'val_loss' to monitor"),
        ({"callbacks": [3]}, "callback 0 is a int, neither a function nor an object with one"),
        ({"resume": True}, "resume and checkpoint_every need a folder"),
        ({"checkpoint_every": 5}, "resume and checkpoint_every need a folder"),
        ({"loader": []}, "the loader gives no batch"),
        ({"loader": [(X,)]}, "a batch is a tuple .* not a tuple of length 1"),
        ({"loader": [{"x": X}]}, "a batch is a tuple .* not a dict;"),
        ({"validation": []}, "evaluate: the loader gives no batch"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fit(linear(), options.pop("loader", BATCHES), **options)


def test_a_plateau_cannot_move_by_step():
    model = linear()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(ValueError, match="ReduceLROnPlateau looks at whole epochs"):
        fit(model, optimizer=optimizer, scheduler=plateau, schedule="step")


# The progress bar and the history


def test_the_bar_shows_epochs_steps_and_numbers(capsys):
    fit(linear(), progress=True, metrics={"distance": distance})
    shown = capsys.readouterr().err
    assert "epoch 3/3: 100%" in shown
    assert "9/9" in shown
    assert "distance=" in shown


def test_a_loader_without_length_has_a_bar_without_end(capsys):
    class Stream:
        def __iter__(self):
            return iter(BATCHES)

    fit(linear(), Stream(), progress=True)
    assert "9step" in capsys.readouterr().err.replace(" ", "")


@pytest.mark.parametrize(
    ("module", "message"),
    [("tqdm.auto", r'pip install "tinygrad_edu\[train\]", or progress=False'), ("matplotlib", "")],
)
def test_without_an_optional_package_the_command_is_named(module, message, monkeypatch):
    history = fit(linear())
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=message or r'pip install "tinygrad_edu\[train\]"'):
        _ = fit(linear(), progress=True) if message else history.plot()


def test_a_history_prints_its_first_and_last_epochs():
    history = fit(linear(), epochs=20, validation=BATCHES)
    lines = repr(history).splitlines()
    assert lines[0].split() == ["epoch", "loss", "lr", "val_loss"]
    numbers = [line.split()[0] for line in lines[1:]]
    assert numbers == ["1", "2", "3", "...", *map(str, range(13, 21))]
    assert len({len(line) for line in lines}) == 1
    with pytest.raises(KeyError, match="no 'accuracy' in this history; it has loss"):
        _ = history["accuracy"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_curves(theme):
    history = fit(linear(), epochs=4, validation=BATCHES, metrics={"distance": distance})
    history.add_step({"loss": 1.0})  # of an epoch that was not finished
    figure = history.plot(theme)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "distance"]
    training, validation, steps = figure.axes[0].lines
    assert training.get_ydata().tolist() == history["loss"]
    assert validation.get_ydata().tolist() == history["val_loss"]
    np.testing.assert_allclose(steps.get_xdata(), np.arange(1, 13) / 3)
    assert steps.get_ydata().tolist() == history.steps["loss"][:12]
    with pytest.raises(ValueError, match="no epoch yet"):
        train.History().plot()


# Checkpoints


class Crash(Exception):
    """What stops a training in these tests."""


class CrashAt:
    """A callback that fails at one step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, run):
        if run.step == self.step:
            raise Crash


@pytest.mark.parametrize("step", [1, 3, 5, 6])
@pytest.mark.parametrize("every", [None, 1, 2])
def test_a_list_of_batches_resumes_where_it_was(step, every, tmp_path):
    whole = linear()
    history = fit(whole)
    with pytest.raises(Crash):
        fit(
            linear(),
            checkpoint=tmp_path,
            checkpoint_every=every,
            callbacks=[CrashAt(step)],
        )
    model = linear(seed=1)
    again = fit(model, checkpoint=tmp_path, resume=True)
    assert same(model.state_dict(), whole.state_dict())
    assert same(again.state_dict(), history.state_dict())
    assert sorted(os.listdir(tmp_path)) == ["last.safetensors"]


def test_a_finished_run_resumes_to_its_end_and_can_be_made_longer(tmp_path):
    whole, model = linear(), linear()
    fit(whole, epochs=5)
    fit(model, checkpoint=tmp_path, epochs=3)
    other = linear(seed=1)
    fit(other, checkpoint=tmp_path, epochs=3, resume=True)
    assert same(other.state_dict(), model.state_dict())
    fit(other, checkpoint=tmp_path, epochs=5, resume=True)
    assert same(other.state_dict(), whole.state_dict())


def test_a_checkpoint_is_not_overwritten_by_a_new_run(tmp_path):
    fit(linear(), checkpoint=tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()
    model = linear(seed=1)
    state = model.state_dict()
    with pytest.raises(FileExistsError, match="resume=True goes on from it"):
        fit(model, checkpoint=tmp_path)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert same(model.state_dict(), state)


@pytest.mark.parametrize("damage", ["cut off", "another model", "another optimiser", "no schedule"])
def test_a_checkpoint_that_does_not_fit_changes_nothing(damage, tmp_path):
    fit(linear(), checkpoint=tmp_path)
    model = linear(seed=1) if damage != "another model" else nn.Linear(2, 1).double()
    optimizer = optim.Adam(model.parameters(), lr=0.5)
    scheduler = None
    if damage == "cut off":
        last = tmp_path / "last.safetensors"
        last.write_bytes(last.read_bytes()[:-1])
    elif damage == "another optimiser":
        optimizer = optim.SGD(model.parameters(), lr=0.5)
    elif damage == "no schedule":
        scheduler = optim.lr_scheduler.StepLR(optimizer, 1)
    before = model.state_dict(), optimizer.state_dict()
    with pytest.raises(ValueError, match=r"cannot (resume from|load) '.*last\.safetensors'"):
        fit(model, optimizer=optimizer, scheduler=scheduler, checkpoint=tmp_path, resume=True)
    assert same((model.state_dict(), optimizer.state_dict()), before)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    save([1, 2], tmp_path / "last.safetensors")
    with pytest.raises(ValueError, match="it has the states of something else; this run has model"):
        fit(linear(), checkpoint=tmp_path, resume=True)


def test_a_full_disk_ends_the_training_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    class Fill:
        def on_epoch_end(self, run):
            if run.epoch == 2:
                monkeypatch.setattr(os, "replace", fail)

    with pytest.raises(OSError, match="No space left on device; the file there is as it was"):
        fit(linear(), checkpoint=tmp_path, callbacks=[Fill()])
    assert load(tmp_path / "last.safetensors")["progress"]["epoch"] == 1


# Interruptions


def test_ctrl_c_ends_after_the_step_with_a_whole_checkpoint(tmp_path):
    class Press:
        def on_step_end(self, run):
            if run.step == 5:
                os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    history = fit(linear(), checkpoint=tmp_path, callbacks=[Press()])
    assert signal.getsignal(signal.SIGINT) is handler
    assert (len(history), len(history.steps["loss"])) == (1, 5)
    model, whole = linear(seed=1), linear()
    fit(model, checkpoint=tmp_path, resume=True)
    fit(whole)
    assert same(model.state_dict(), whole.state_dict())


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    def loss(output, target):
        seen.append(1)
        if len(seen) == 5:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return F.mse_loss(output, target)

    seen = []
    history = fit(linear(), loss=loss, checkpoint=tmp_path)
    assert (len(history), len(history.steps["loss"]), len(seen)) == (1, 4, 5)
    assert load(tmp_path / "last.safetensors")["progress"]["step"] == 3


def test_training_in_another_thread_leaves_signals_alone():
    lengths = []
    thread = threading.Thread(target=lambda: lengths.append(len(fit(linear()))))
    thread.start()
    thread.join()
    assert lengths == [3]


def killed(folder, kills, seed=0, *planted):
    """Kill a training that often; returns the steps each got to, and the two ends."""
    script = Path(__file__).parent / "killed_training.py"
    result = subprocess.run(
        [sys.executable, script, folder, str(kills), str(seed), *planted],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=True,
    )
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["steps"] * kills, result.stdout
    assert sorted(os.listdir(folder / "killed" / "checkpoint")) == [
        "best.safetensors",
        "last.safetensors",
    ]
    ends = [load(folder / name / "end.safetensors") for name in ("whole", "killed")]
    return [ast.literal_eval(line.split()[1]) for line in lines], ends


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills children that are forked")
def test_a_training_killed_at_20_moments_ends_with_the_same_weights(tmp_path):
    steps, (whole, resumed) = killed(tmp_path, 20)
    assert len(set(steps)) > 5
    assert same(resumed, whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills children that are forked")
@pytest.mark.parametrize("part", ["generators", "loader"])
def test_a_part_that_is_not_resumed_is_noticed(part, tmp_path):
    noticed = False
    for kills in (4, 8, 16):  # on a busy machine a few may all come before the first step
        folder = tmp_path / str(kills)
        folder.mkdir()
        _, (whole, resumed) = killed(folder, kills, kills, part)
        noticed = not same(resumed["model"], whole["model"])
        if noticed:
            break
    assert noticed
