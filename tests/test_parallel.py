"""Several processes train as one does: threads with a communicator of our own, and MPI's."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import Tensor, load, nn, optim, train
from tinygrad_edu.files import load as read
from tinygrad_edu.train.parallel import Ranks

SCRIPT = Path(__file__).with_name("parallel_training.py")


class Meeting:
    """What the communicators of several threads share."""

    def __init__(self, size):
        self.size = size
        self.barrier = threading.Barrier(size, timeout=30)
        self.arrays = [None] * size


class Communicator:
    """One thread's place in a meeting, with MPI's names."""

    def __init__(self, meeting, rank):
        self.meeting, self.rank = meeting, rank

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.meeting.size

    def Barrier(self):
        self.meeting.barrier.wait()

    def Allreduce(self, mine, total):
        self.meeting.arrays[self.rank] = mine
        self.Barrier()
        total[...] = sum(self.meeting.arrays)
        self.Barrier()

    def Bcast(self, array):
        self.meeting.arrays[self.rank] = array
        self.Barrier()
        array[...] = self.meeting.arrays[0]
        self.Barrier()


def together(size, work):
    """The results of `work(communicator)` in as many threads."""
    meeting, results = Meeting(size), [None] * size

    def run(rank):
        try:
            results[rank] = work(Communicator(meeting, rank))
        except BaseException as error:
            results[rank] = error
            meeting.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(11, 3)), RNG.integers(0, 2, 11)
BATCHES = [(X[:4], Y[:4]), (X[4:9], Y[4:9]), (X[9:10], Y[9:10]), (X[10:], Y[10:])]


def network(seed):
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to("float64")
    for p in model.parameters():
        p.data = rng.normal(size=p.shape)
    model[0].bias.requires_grad = False
    return model


def trained(communicator=None, folder=None, **options):
    model = network(0 if communicator is None else communicator.Get_rank())
    history = train.fit(
        model,
        BATCHES,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(model.parameters(), lr=0.05),
        epochs=3,
        metrics={"right": lambda out, y: (out.argmax(axis=1).data == y.data).mean()},
        validation=BATCHES[:1],
        accumulate=2,
        clip_norm=0.5,
        parallel=communicator,
        checkpoint=folder,
        progress=False,
        **options,
    )
    return model.state_dict(), history


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_same_weights_and_history_as_one_process(size):
    weights, history = trained()
    for mine, mine_history in together(size, trained):
        for name, tensor in weights.items():
            np.testing.assert_allclose(mine[name].data, tensor.data, rtol=1e-9, atol=1e-12)
        for name, values in history.epochs.items():
            np.testing.assert_allclose(mine_history.epochs[name], values, rtol=1e-9)


def test_a_wrong_sum_would_be_noticed(monkeypatch):
    monkeypatch.setattr(Ranks, "add_gradients", lambda self, model: None)
    weights, _ = trained()
    (mine, _), _ = together(2, trained)
    assert max(abs(mine[name].data - weights[name].data).max() for name in weights) > 1e-3


def test_one_process_writes_and_all_go_on_from_it(tmp_path):
    together(2, lambda comm: trained(comm, tmp_path))
    saved = read(tmp_path / "last.safetensors")
    assert saved["progress"]["epoch"] == 3
    again = together(2, lambda comm: trained(comm, tmp_path, resume=True))
    for name, tensor in trained()[0].items():
        np.testing.assert_allclose(again[1][0][name].data, tensor.data, rtol=1e-9, atol=1e-12)


def test_shares_are_neighbours_and_leave_nothing_out():
    batch = (X, [X, X[:, :1]], Tensor(np.arange(11)))
    parts = [Ranks(Communicator(Meeting(4), rank)).share(batch) for rank in range(4)]
    np.testing.assert_array_equal(np.concatenate([p[2].data for p in parts]), np.arange(11))
    assert [len(p[1][1]) for p in parts] == [2, 3, 3, 3]


def test_what_is_no_communicator_is_refused():
    with pytest.raises(TypeError, match=r"MPI\.COMM_WORLD; a int has no Get_rank"):
        Ranks(3)


@pytest.fixture(scope="module")
def mpiexec():
    pytest.importorskip("mpi4py")
    found = shutil.which("mpiexec", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no mpiexec beside Python")
    return Path(found).resolve()


def run(mpiexec, ranks, folder, *more):
    folder.mkdir(exist_ok=True)
    command = [str(mpiexec), "-n", str(ranks), sys.executable, str(SCRIPT), str(folder), *more]
    done = subprocess.run(command, timeout=120, capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode


@pytest.mark.slow
def test_mpi_gives_the_same_weights_on_1_2_and_4_processes(mpiexec, tmp_path):
    found = []
    for ranks in (1, 2, 4):
        assert run(mpiexec, ranks, tmp_path / str(ranks)) == 0
        found.append(load(tmp_path / str(ranks) / "weights.safetensors"))
    one, *others = found
    assert one["history"]["loss"][-1] < 0.5
    for other in others:
        for name in one.keys() - {"history"}:
            np.testing.assert_allclose(other[name].data, one[name].data, atol=1e-6)
        assert other["history"]["loss"] == pytest.approx(one["history"]["loss"], rel=1e-6)


@pytest.mark.slow
def test_a_killed_process_leaves_a_whole_checkpoint(mpiexec, tmp_path):
    assert run(mpiexec, 2, tmp_path / "whole") == 0
    assert run(mpiexec, 2, tmp_path / "killed", "20") != 0
    saved = load(tmp_path / "killed" / "run" / "last.safetensors")
    assert saved["progress"]["step"] >= 15
    assert run(mpiexec, 2, tmp_path / "killed") == 0
    a, b = (load(tmp_path / name / "weights.safetensors") for name in ("whole", "killed"))
    for name in a.keys() - {"history"}:
        np.testing.assert_allclose(a[name].data, b[name].data, atol=1e-6)
