import collections
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import swept

from tinygrad_edu.train import SweepError, sweep
from tinygrad_edu.train.kept import fingerprint

SCRIPT = Path(swept.__file__)


def quadratic(x, y, seed):
    return {"value": np.float32(x * y + seed), "list": np.arange(3) * x, "name": f"{x}-{y}"}


def failing(x, seed):
    if x == 2 and seed == 1:
        raise ZeroDivisionError("no such number")
    return x + seed


def number_of_times(folder):
    """How often each (x, seed) was done, by the files of `swept.note`."""
    return collections.Counter(tuple(path.name.split("-")[:2]) for path in folder.iterdir())


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_grid(jobs):
    found = sweep(quadratic, {"x": [3, 1], "y": [2, 5, 4]}, [7, 0], jobs=jobs, progress=False)
    assert [(p["x"], p["y"], s) for p, s, _ in found] == [
        (x, y, s) for x in (3, 1) for y in (2, 5, 4) for s in (7, 0)
    ]
    assert all(r["value"] == p["x"] * p["y"] + s for p, s, r in found)
    assert found.values("value").shape == (2, 3, 2)
    assert found.values("list").shape == (2, 3, 2, 3)
    assert found.mean("value").tolist() == [[9.5, 18.5, 15.5], [5.5, 8.5, 7.5]]
    assert found.std("value").tolist() == [[3.5] * 3] * 2
    assert found.mean("list").tolist()[0] == [[0, 3, 6]] * 3


def test_results_as_a_table():
    found = sweep(quadratic, [{"x": 1, "y": 2}, {"x": 30, "y": 0.5}], [0, 2], progress=False)
    lines = [line.split() for line in repr(found).splitlines()]
    assert lines == [
        ["x", "y", "value", "±"],
        ["1", "2", "3", "1"],
        ["30", "0.5", "16", "1"],
    ]
    assert len(found) == 4


def test_results_need_a_name_that_is_there():
    found = sweep(quadratic, {"x": [1], "y": [1]}, [0], progress=False)
    with pytest.raises(KeyError, match="each result has value, list, name: name one of them"):
        found.values()
    with pytest.raises(KeyError, match="no 'loss'"):
        found.mean("loss")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_run_is_named_and_the_others_are_kept(jobs, tmp_path):
    def go():
        return sweep(failing, {"x": [1, 2, 3]}, [0, 1], jobs=jobs, cache=tmp_path, progress=False)

    with pytest.raises(SweepError) as caught:
        go()
    text = str(caught.value)
    assert "1 of 6 runs failed" in text
    assert "x=2, seed=1: ZeroDivisionError: no such number" in text
    assert "in failing" in text
    assert [r["result"] for r in caught.value.finished] == [1, 2, 2, 3, 4]
    assert [(r["point"], r["seed"]) for r in caught.value.failed] == [({"x": 2}, 1)]
    assert len([*tmp_path.iterdir()]) == 5


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_kept_is_not_run_again(jobs, tmp_path):
    done = tmp_path / "done"
    done.mkdir()

    def go(xs, seeds):
        grid = {"folder": [str(done)], "x": xs}
        return sweep(swept.note, grid, seeds, jobs=jobs, cache=tmp_path / "kept", progress=False)

    first = go([1, 2], [0])
    assert number_of_times(done) == {("1", "0"): 1, ("2", "0"): 1}
    again = go([1, 2], [0])
    more = go([2, 1, 3], [0, 1])
    assert [*again] == [*first]
    assert set(number_of_times(done).values()) == {1}
    assert len(number_of_times(done)) == 6
    assert more.values("square").tolist() == [[[4, 5], [1, 2], [9, 10]]]
    for path in (tmp_path / "kept").iterdir():
        assert json.loads(path.read_text()).keys() == {"point", "seed", "result"}


def test_fresh_and_kept_results_are_equal(tmp_path):
    def wild(x, seed):
        return {"loss": float("nan"), "big": float("inf"), "tuple": (1, np.int64(2))}

    first = sweep(wild, {"x": [(1, 2)]}, [np.int64(0)], cache=tmp_path, progress=False)
    again = sweep(wild, {"x": [(1, 2)]}, [0], cache=tmp_path, progress=False)
    assert str([*first]) == str([*again])
    assert again.values("tuple").tolist() == [[[1, 2]]]


def test_a_damaged_file_is_written_again(tmp_path):
    def go():
        return [*sweep(failing, {"x": [1]}, [0], cache=tmp_path, progress=False)]

    first = go()
    (path,) = tmp_path.iterdir()
    for damage in ("", "{", "[]", '{"point": 1}'):
        path.write_text(damage)
        assert go() == first
        assert json.loads(path.read_text())["result"] == 1


def made(factor, helper, steps=1):
    def run(x, seed, more=steps):
        return helper(x) * factor * more

    return run


def one_more(x):
    return x + 1


def two_more(x):
    return x + 2


def test_another_function_is_another_result():
    everything = [
        made(2, one_more),
        made(3, one_more),
        made(2, one_more, steps=5),
        made(2, two_more),
        made(np.arange(3), one_more),
        made(np.arange(3) + 1, one_more),
        failing,
        functools.partial(quadratic, y=1),
        functools.partial(quadratic, y=2),
    ]
    assert len({fingerprint(run) for run in everything}) == len(everything)
    assert fingerprint(made(2, one_more)) == fingerprint(everything[0])
    assert fingerprint(made(np.arange(3), one_more)) == fingerprint(everything[4])


def test_a_fingerprint_is_the_same_in_another_process():
    code = (
        "import swept; from tinygrad_edu.train.kept import fingerprint as f; print(f(swept.note))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPT.parent, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == fingerprint(swept.note)


def test_what_cannot_be_told_from_its_source_is_refused(tmp_path):
    with pytest.raises(ValueError, match="write `def`, not `lambda`"):
        sweep(lambda x, seed: x, {"x": [1]}, [0], cache=tmp_path, progress=False)
    with pytest.raises(ValueError, match="a type has none of its own"):
        fingerprint(dict)
    names = {}
    exec("def run(x, seed):\n    return x", names)
    with pytest.raises(ValueError, match="the source of run, which cannot be read"):
        sweep(names["run"], {"x": [1]}, [0], cache=tmp_path, progress=False)
    assert sweep(names["run"], {"x": [1]}, [0], progress=False).mean().tolist() == [1]


def test_wrong_grids_and_results():
    with pytest.raises(ValueError, match="there is no run"):
        sweep(failing, {"x": []}, [0])
    with pytest.raises(ValueError, match="x=1, seed=0 is there twice"):
        sweep(failing, {"x": [1, 2, 1]}, [0])
    with pytest.raises(ValueError, match="the grid holds what JSON cannot"):
        sweep(failing, {"x": [int]}, [0])
    with pytest.raises(TypeError, match=r"calls the function with h, seed: missing .* 'x'"):
        sweep(failing, {"h": [1]}, [0])
    with pytest.raises(SweepError, match="a result holds a object"):
        sweep(lambda x, seed: object(), {"x": [1]}, [0], progress=False)


def test_progress_counts_what_was_kept(tmp_path, capsys):
    for seeds in ([0], [0, 1]):
        sweep(failing, {"x": [1, 3]}, seeds, cache=tmp_path)
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "2/4" in shown
    assert "run" in shown


def wait_for(folder, count):
    """Until a folder has so many results."""
    until = time.monotonic() + 60
    while not (folder.is_dir() and len([*folder.glob("*.json")]) >= count):
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("kind", "jobs"),
    [
        ("SIGKILL", 1),
        pytest.param("SIGINT", 1, marks=pytest.mark.slow),
        pytest.param("SIGKILL", 2, marks=pytest.mark.slow),
        pytest.param("SIGINT", 2, marks=pytest.mark.slow),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_an_interrupted_sweep_goes_on(kind, jobs, tmp_path):
    done, kept = tmp_path / "done", tmp_path / "kept"
    done.mkdir()
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(jobs)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for(kept, 5)
    (os.killpg if kind == "SIGINT" else os.kill)(process.pid, getattr(signal, kind))
    assert process.wait(60) != 0
    time.sleep(0.3)  # a job that was under way may end
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    before = {path: path.read_bytes() for path in kept.glob("*.json")}
    assert 5 <= len(before) < 20
    assert all(json.loads(text)["result"] for text in before.values())
    (kept / f"{next(iter(before)).name}abc.part").write_text("{")
    subprocess.run(command, check=True, timeout=60)
    times = number_of_times(done)
    assert len(times) == 20
    # A run that was done and not yet written when the process was killed is done once more.
    assert sum(times.values()) <= 20 + jobs
    assert len([*kept.iterdir()]) == 20
    assert all(path.read_bytes() == text for path, text in before.items())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_cluster_survives_a_killed_worker_and_an_interruption(tmp_path):
    distributed = pytest.importorskip("distributed")
    done, kept = tmp_path / "done", tmp_path / "kept"
    done.mkdir()
    grid = {"folder": [str(done)], "x": [*range(100)], "seconds": [0.02]}
    killed = []

    def disturb(client):
        wait_for(kept, 30)
        killed.append(next(iter(client.run(os.getpid).values())))
        os.kill(killed[0], signal.SIGKILL)
        wait_for(kept, 80)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as workers,
        distributed.Client(workers) as client,
    ):

        def go():
            return sweep(swept.note, grid, [0, 1], cluster=client, cache=kept, progress=False)

        thread = threading.Thread(target=disturb, args=(client,))
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            go()
        thread.join()
        before = {path: path.read_bytes() for path in kept.glob("*.json")}
        assert 80 <= len(before) < 200
        found = go()
    right = [[x * x + seed for seed in (0, 1)] for x in range(100)]
    assert found.values("square").reshape(100, 2).tolist() == right
    assert len([*kept.iterdir()]) == len(found) == 200
    assert all(path.read_bytes() == text for path, text in before.items())
    processes = {result["process"] for _, _, result in found}
    assert len(processes) >= 3  # the killed one, the other, and one in its place
    assert killed[0] in processes


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_local_cluster_names_a_failing_run(tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(SweepError, match="x=2, seed=1: ZeroDivisionError") as caught:
        sweep(failing, {"x": [1, 2, 3]}, [0, 1], jobs=2, cluster="local", progress=False)
    assert [r["result"] for r in caught.value.finished] == [1, 2, 2, 3, 4]
