# %% [markdown]
# # 42 · GPUs, and a project of your own
#
# **Question.** A graphics card does two hundred times as many multiplications a second as your
# processor. Why is it slower for nearly everything in this course, and when is it not?
#
# - builds: `Tensor.to`, `learn.new_project`
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `fit`, `learn`, `manual_seed`,
#   `nn`, `no_grad`, `ops`, `optim`
# - time: 45 minutes to read, 25 s to run
# - covers: A (PyTorch basics: devices), C (experiments), D (frameworks, projects)
#
# The end first: the time of a product of two n x n matrices. The processor's points are measured,
# now, on your machine. The dashed line is a card as its maker describes it; if this machine has one
# with CuPy, its points are measured too. Left of the crossing the card loses.

# %%
import importlib.util
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, nn, no_grad, ops, optim
from tinygrad_edu.train import fit

learn.begin("42")
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#007A59"
try:
    GPU = Tensor([1.0]).to("cuda").device == "cuda"
except Exception as error:
    GPU = False
    print(f"no graphics card to compute on ({error}): its part is left out")


# %%
def model_of(latency, rate, bandwidth=np.inf):
    """The seconds of an n x n product: to begin, to carry three matrices, to compute."""
    return lambda n: latency + 3 * 4 * n**2 / bandwidth + 2 * n**3 / rate


def measured(device, sizes):
    """The least seconds of a product, with its way to the device and back."""
    times = []
    for n in sizes:
        a, tries = Tensor(np.ones((n, n), "float32")), []
        for _ in range(7):
            began = time.perf_counter()
            (a.to(device) @ a.to(device)).to("cpu")
            tries.append(time.perf_counter() - began)
        times.append(min(tries))
    return np.array(times)


sizes = np.array(learn.pick(full=[8, 16, 32, 64, 128, 256, 512, 1024], quick=[8, 32, 128]))
here = measured("cpu", sizes)
card = model_of(latency=3e-5, rate=1e13, bandwidth=1e10)

# %%
axes = plt.figure(figsize=(7, 4), layout="constrained").subplots()
axes.loglog(sizes, 1e6 * here, "o-", color=BLUE, label="this processor, measured")
axes.loglog(sizes, 1e6 * card(sizes), "--", color=ORANGE, label="a card, by its data sheet")
if GPU:
    axes.loglog(
        sizes, 1e6 * measured("cuda", sizes), "s-", color=GREEN, label="this card, measured"
    )
axes.set(xlabel="n", ylabel="microseconds for an n x n product")
axes.legend()
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# A processor does 50 billion operations a second. A product of two 100 x 100 matrices takes
# $2 \cdot 100^3$ of them: **2 million**, so **40** microseconds. The card does 10,000 billion a
# second: 0.2 microseconds. But it has to be told, which takes **10** (the picture has 30, for there
# it is told of each way apart); and the numbers have to go there and come back, three matrices of
# $4 \cdot 100^2$ bytes at 10 billion a second: **12**. Together **22.2**: nearly twice as fast. For
# 50 x 50 it is 5 against 13: slower.
#
# The work grows as $n^3$, the way there as $n^2$, the telling not at all. So there is a size from
# which on the card wins, and numbers that stay there pay the way only once.
#
# ## Exercise A: where they cross
#
# Write `crossover(cpu, gpu, largest)`: `cpu(n)` and `gpu(n)` are the seconds for size n. Return the
# smallest n from 1 to `largest` for which the card is faster, and `None` if there is none. The two
# may cross more than once, so try all sizes in turn.


# %% exercise="42.crossover"
def crossover(cpu, gpu, largest):
    # BEGIN SOLUTION
    for n in range(1, largest + 1):
        if gpu(n) < cpu(n):
            return n
    return None
    # END SOLUTION


# %%
my_crossover = learn.check("42.crossover", crossover).working
processor = model_of(latency=0, rate=5e10)
print("by hand:", my_crossover(processor, model_of(1e-5, 1e13, 1e10), 10_000))
print("the numbers are there already:", my_crossover(processor, model_of(1e-5, 1e13), 10_000))
assert 50 < my_crossover(processor, model_of(1e-5, 1e13, 1e10), 10_000) < 100

# %% [markdown]
# ## In code: one program, two devices
#
# `x.to("cuda")` is the tensor on the card. From there on nothing changes: an operation is written
# with `xp` (lesson 06), and `xp` is that of its operands. What must not happen is that a function
# asks for NumPy by name. This one does not; it is a node like any other, with a way back:

# %%
x = Tensor(np.array([[1.0, 2.0], [3.0, 5.0]]), requires_grad=True, name="x")
moved = ops.to_device(x, device="cuda" if GPU else "cpu")
draw((moved * 2).tanh().sum(), detail="compact")

# %% [markdown]
# ## Exercise: portable
#
# Write `standardised(x)` for `x` (rows, columns): each column less its mean, divided by the sum of
# its standard deviation (the one that divides by the number of rows, lesson 27) and 1e-5. It has to
# run on any device, and inside `compile`: no `.numpy()`, no `.item()`, no `np.`.


# %% exercise="42.portable"
def standardised(x):
    # BEGIN SOLUTION
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-5)
    # END SOLUTION


# %%
my_standardised = learn.check("42.portable", standardised).working

# %% [markdown]
# Your function becomes the first layer of lesson 30's network, for the digits: 64 pixels, each
# standardised over the batch. The pixels in the corners are always 0; the 1e-5 is for them. A
# network moves with all its parameters, `model.to("cuda")`, or is made there, inside
# `with device("cuda"):`. A compiled function makes one kernel of each chain of elementwise
# operations, whose C++ is in its source, and `compile(step, capture=True)` sends a whole training
# step in one order. The scores and the gradients are the same on every device there is:


# %%
class Standard(nn.Module):
    def forward(self, x):
        return my_standardised(x.reshape(-1, 64)).reshape(x.shape)


class Block(nn.Module):
    """A residual block: lesson 30's, with a projection always."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        second = nn.Conv2d(outputs, outputs, 3, padding=1)
        norms = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.found = nn.Sequential(first, norms[0], nn.ReLU(), second, norms[1])
        self.project = nn.Conv2d(inputs, outputs, 1, stride=stride)

    def forward(self, x):
        return (self.project(x) + self.found(x)).relu()


# %%
def residual_network():
    manual_seed(0)
    start = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()
    blocks = Block(16, 16, 1), Block(16, 32, 2)
    return nn.Sequential(Standard(), *start, *blocks, nn.Flatten(), nn.Linear(512, 10))


digits, written = data.digits("writer")[0].batch(range(64))
found = {}
for device in ("cpu", "cuda") if GPU else ("cpu",):
    network = residual_network().to(device)
    scores = network(digits.to(device))
    nn.CrossEntropyLoss()(scores, written.to(device)).backward()
    slopes = [Tensor(p.grad).to("cpu").numpy() for p in network.parameters()]
    found[device] = [scores.to("cpu").numpy(), *slopes]
    print(f"{device}: scores {scores.shape}, {len(slopes)} gradients")
for results in found.values():
    for mine, theirs in zip(found["cpu"], results, strict=True):
        assert np.allclose(mine, theirs, rtol=1e-4, atol=1e-4)

# %% [markdown]
# The next network, for MNIST-1D, has three convolutions along the signal. Where PyTorch is
# installed, its network of the same layers gets the same weights, and has to give the same scores.


# %%
def new_model(seed=0, nn=nn):
    manual_seed(seed)
    parts, channels = [], 1
    for size, stride in ((5, 1), (3, 2), (3, 2)):
        parts += [nn.Conv1d(channels, 32, size, stride=stride, padding=size // 2)]
        parts += [nn.BatchNorm1d(32), nn.ReLU()]
        channels = 32
    return nn.Sequential(*parts, nn.Flatten(), nn.Dropout(0.3), nn.Linear(320, 10))


def channelled(part):
    return data.TensorDataset(part.tensors[0].data[:, None], part.tensors[1])


learned_from, judged_on = map(channelled, data.mnist1d())
signals, labels = judged_on.batch(range(len(judged_on)))
if importlib.util.find_spec("torch") and learn.pick(full=True, quick=False):
    import torch

    ours, theirs = new_model().eval(), new_model(nn=torch.nn).eval()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()}, strict=False)
    with no_grad(), torch.no_grad():
        scores, same = ours(signals).numpy(), theirs(torch.tensor(signals.numpy())).numpy()
    assert np.allclose(scores, same, rtol=1e-4, atol=1e-4)
    print(f"PyTorch's scores are ours, to {abs(scores - same).max():.0e}")

# %% [markdown]
# ## An experiment: the capstone
#
# Now a project of your own. In a terminal, `tinygrad-edu new my-signals` makes a folder with a
# program, its tests and what it needs; here the same is done in a folder that is thrown away. Its
# program trains a network with one hidden layer.

# %%
with tempfile.TemporaryDirectory() as folder:
    project = learn.new_project(Path(folder, "my-signals"))
    print(*sorted(path.name for path in project.iterdir()), sep="\n")
    spec = importlib.util.spec_from_file_location("my_train", project / "train.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
first = program.new_model()
program.train(first, learned_from, epochs=learn.pick(full=20, quick=2))
print(f"as generated: {program.accuracy(first, judged_on):.1%}; target: {program.TARGET:.0%}")

# %% [markdown]
# Put the convolutions in its place. How many of the thousand test signals will they get right, in
# ten seconds of training?

# %%
guess = learn.predict("Convolutions on MNIST-1D", ["80 %", "90 %", "97 %"])

# %%
model = new_model()
epochs = learn.pick(full=20, quick=2)
began = time.process_time()
loader = data.DataLoader(learned_from, batch_size=64, shuffle=True)
optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
history = fit(
    model,
    loader,
    loss=nn.CrossEntropyLoss(),
    optimizer=optimizer,
    scheduler=schedule,
    epochs=epochs,
    compile=True,
    progress=False,
)
seconds = time.process_time() - began
reached = program.accuracy(model, judged_on)
print(f"{reached:.1%} of the test signals after {seconds:.0f} s")
assert reached >= learn.pick(full=0.955, quick=0.7)
assert seconds < 60
guess.reveal(min(guess.choices, key=lambda words: abs(int(words[:2]) / 100 - reached)))
history.plot()

# %% [markdown]
# That is the capstone: **94 % on MNIST-1D**, or **98 % of the digits of strangers** (*writer*,
# lesson 30), in under a minute, in a folder of your own, with tests that pass. Change one thing at
# a time, write down what it did, and judge on signals you did not choose by.
#
# ## Exercise B: a clock that lies
#
# A card is told what to do and does it *later*: `launch()` comes back at once, `wait()` comes back
# when all is done. And the first launch of a new kind is slow, since the card's program is compiled
# then. Many published timings are wrong for one of the two reasons. Write `measure(clock, launch,
# wait, times)`: the seconds of one launch, as the mean over `times` of them, without the compiling.
# `clock()` is the time. Launch the `times` together, and wait once at their end.


# %% exercise="42.measure"
def measure(clock, launch, wait, times):
    # BEGIN SOLUTION
    launch()
    wait()
    start = clock()
    for _ in range(times):
        launch()
    wait()
    return (clock() - start) / times
    # END SOLUTION


# %%
learn.check("42.measure", measure)

# %% [markdown]
# Explain it: break `measure` by leaving out the last `wait()`. What does it measure then?
#
# ## A mistake to make once
#
# Two operands on two devices. The error says which, and what to move. (Without a card the first
# half of the line fails already, and the error says what is missing.)

# %%
try:
    Tensor([1.0]).to("cuda") + Tensor([1.0])
except Exception as error:  # which one depends on whether there is a card
    print(f"{type(error).__name__}:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `x.to("cuda")`, `model.to("cuda")`, `x.device` are the same there; `torch.cuda.synchronize()` is
# `wait`. PyTorch moves a model in place, as here, and returns a new tensor for a tensor, as here.
#
# ## To read
#
# S. Williams, A. Waterman and D. Patterson, *Roofline: an insightful visual performance model for
# multicore architectures*, Communications of the ACM 52 (2009): what limits a computation, its
# arithmetic or its traffic.
#
# ## Recap
#
# - A card pays for being told and for traffic; it wins when there is much work for each number.
# - An operation written with `xp` runs on either; nothing else changes.
# - Time with a warm-up, and wait before you look at the clock.
# - `tinygrad-edu new` makes a project that passes its tests: from here on the questions are yours.
