# %% [markdown]
# # 40 · Learning from rewards
#
# **Question.** So far somebody knew the right answers. A pole that falls over only says, later,
# that something was wrong. How can a network learn from that?
#
# - builds: nothing
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `draw`, `learn`, `manual_seed`, `nn`,
#   `no_grad`, `ops`, `ops.cross_entropy`, `ops.log_softmax`, `optim`
# - borrowed, built in 41: `compile` - a function's graph, written out once as a plain program.
# - time: 45 minutes to read, 40 s to run
# - covers: B (deep reinforcement learning)
#
# Where it ends (the pictures are further down): a pole on a cart, pushed left or right fifty times
# a second, by a network that knew nothing and learned it in a few hundred tries of its own. Each
# step that the pole stands earns 1; at 500 the episode is over.

# %%
import base64
import io
from importlib.util import find_spec

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from tinygrad_edu import Tensor, compile, draw, learn, manual_seed, nn, no_grad, ops, optim

learn.begin("40")
BLUE, ORANGE = "#0072B2", "#D55E00"


def side_by_side(count):
    return gymnasium.make_vec("CartPole-v1", count, vectorization_mode="vector_entry_point")


many = 16
carts, judges = side_by_side(many), side_by_side(100)


# %%
def new_network(seed, bend=nn.Tanh):
    manual_seed(seed)
    layers = nn.Linear(4, 64), bend(), nn.Linear(64, 64), bend(), nn.Linear(64, 2)
    return nn.Sequential(*layers)  # place, speed, angle, turning speed -> scores of left and right


def play(choose, seed=None, carts=carts):
    """One episode on each of n carts: states (T, n, 4), actions (T, n), and who was still up."""
    states, actions, up = [], [], []
    state, _ = carts.reset(seed=seed)
    alive = np.ones(len(state), dtype=bool)
    while alive.any():
        states.append(state)
        up.append(alive)
        actions.append(choose(state))
        state, _, fallen, late, _ = carts.step(actions[-1])
        alive = alive & ~(fallen | late)
    return np.array(states, dtype="float32"), np.array(actions), np.array(up)


# %%
def pose(axes, state):
    place, _, angle, _ = state
    axes.plot([-2.4, 2.4], [0, 0], color="0.7", linewidth=1)
    axes.plot([place - 0.4, place + 0.4], [0, 0], color=BLUE, linewidth=6)
    top = (place + 1.6 * np.sin(angle), 1.6 * np.cos(angle))
    axes.plot([place, top[0]], [0, top[1]], color=ORANGE, linewidth=3)
    axes.set(xlim=(-2.6, 2.6), ylim=(-0.3, 1.8), xticks=[], yticks=[], aspect="equal")


class Film(list):
    """The states of an episode as a film in the notebook."""

    def _repr_html_(self):
        figure, axes = plt.subplots(figsize=(5, 2.2), dpi=60, layout="constrained")
        shots, kept = [], io.BytesIO()
        for state in self:
            axes.clear()
            pose(axes, state)
            figure.canvas.draw()
            shots.append(Image.fromarray(np.array(figure.canvas.buffer_rgba())).convert("P"))
        plt.close(figure)
        shots[0].save(kept, "gif", save_all=True, append_images=shots, duration=60, loop=0)
        film = base64.b64encode(kept.getvalue()).decode()
        return f'<img alt="A cart keeps its pole up" src="data:image/gif;base64,{film}">'


# %% [markdown]
# ## By hand, with five numbers
#
# An episode of five steps, each with the reward 1; then the pole falls. What was the first push
# worth? All that came after it, but what comes later counts less, by a factor $\gamma$ ("gamma") a
# step. With $\gamma = 0.5$, from the end: the last step has $1$; the one before
# $1 + 0.5 \cdot 1 = 1.5$; then $1.75$, $1.875$ and $1.9375$. These are the **returns**.
#
# ## In symbols
#
# The network gives chances for the actions, its **policy** $\pi(a \mid s)$, "the chance of $a$ in
# the state $s$". An action is drawn, and after the episode its return is known:
#
# $$G_t = r_t + \gamma\, G_{t+1}, \qquad
# L = -\,\text{mean}_t \; A_t \ln \pi(a_t \mid s_t), \qquad A_t = G_t - b_t$$
#
# If $A$, the **advantage**, is above 0, a step down the loss makes that action more likely,
# otherwise less. That is REINFORCE. Without the **baseline** $b$ it would be right on average and
# very noisy: here every return is positive, so every action would be encouraged, only some more.
#
# ## Exercise A: returns, and what is better than usual
#
# Write `returns(rewards, gamma)` for one episode, a list of numbers.


# %% exercise="40.returns"
def returns(rewards, gamma):
    # BEGIN SOLUTION
    out, after = [], 0.0
    for reward in reversed(rewards):
        after = reward + gamma * after
        out.append(after)
    return out[::-1]
    # END SOLUTION


# %%
my_returns = learn.check("40.returns", returns).working

# %% [markdown]
# The baseline: what the episodes still **running** at that time have on the average. Write
# `advantages(g, up)`: `g` and `up` are $(T, n)$, returns of $n$ episodes and whether they still
# run. Where one has ended the advantage is 0.


# %% exercise="40.advantages"
def advantages(g, up):
    # BEGIN SOLUTION
    baseline = (g * up).sum(axis=1, keepdims=True) / up.sum(axis=1, keepdims=True)
    return np.where(up, g - baseline, 0.0)
    # END SOLUTION


# %%
my_advantages = learn.check("40.advantages", advantages).working

# %% [markdown]
# Now the loss. Write `policy_loss(scores, actions, advantage)`: scores $(n, 2)$ are a tensor,
# before the softmax; actions $(n,)$ are an array of 0 and 1, advantages $(n,)$ an array.


# %% exercise="40.policy_loss"
def policy_loss(scores, actions, advantage):
    # BEGIN SOLUTION
    chosen = Tensor((np.eye(2)[actions] * advantage[:, None]).astype(scores.dtype))
    return -(ops.log_softmax(scores, axis=1) * chosen).sum(axis=1).mean()
    # END SOLUTION


# %%
my_loss = learn.check("40.policy_loss", policy_loss).working
scores = Tensor([[0.0, 1.0], [2.0, -1.0]], requires_grad=True, name="scores")
loss = my_loss(scores, np.array([1, 0]), np.ones(2))
assert np.isclose(loss.item(), ops.cross_entropy(scores, Tensor(np.array([1, 0]))).item())
if find_spec("torch") and learn.mode() == "full":
    import torch

    theirs = torch.tensor(scores.data, requires_grad=True)
    policy = torch.distributions.Categorical(logits=theirs)
    (-policy.log_prob(torch.tensor([1, 0]))).mean().backward()
    loss.backward()
    assert np.allclose(scores.grad, theirs.grad)
draw(loss, detail="compact")

# %% [markdown]
# With all advantages 1 it is lesson 09's cross-entropy: "do what was done". Below, comparing with
# logistic noise draws from the softmax, and dividing by the spread keeps the steps of one size.


# %%
def values_of(f, states):
    with no_grad():
        return f(Tensor(states)).data


def reinforce(seed, baseline=True, most=100):
    """Play and learn until the last 100 episodes stand 475 steps; all lengths, and the policy."""
    model, random = new_network(seed), np.random.default_rng(seed)
    optimizer, lengths, written = optim.Adam(model.parameters(), lr=1e-2), [], compile(model)

    def choose(state):
        scores = values_of(written, state)
        return (scores[:, 1] - scores[:, 0] > random.logistic(size=many)).astype(int)

    for round in range(most):
        states, actions, up = play(choose, seed if round == 0 else None)
        lengths += up.sum(axis=0).tolist()
        if np.mean(lengths[-100:]) >= 475:
            break
        g = np.array([my_returns(row.tolist(), 0.99) for row in up.T.astype(float)]).T
        a = (my_advantages(g, up) if baseline else g)[up]
        optimizer.zero_grad()
        my_loss(model(Tensor(states[up])), actions[up], a / (a.std() + 1e-8)).backward()
        optimizer.step()
    return lengths, choose


# %% [markdown]
# ## An experiment: how many tries?
#
# Until the pole stands for 475 steps on the average of 100 episodes, the network needs ...

# %%
guess = learn.predict("Episodes until the pole stands", ["about 50", "about 500", "about 5000"])

# %%
runs, rounds = {}, learn.pick(full=100, quick=3)
for seed in range(learn.pick(full=10, quick=1)):
    for baseline in (False, True) if seed < 3 else (True,):
        runs[seed, baseline], pushes = reinforce(seed, baseline, rounds)
usual, others = ([len(runs[key]) for key in runs if key[1] is kind] for kind in (True, False))
print(f"episodes with a baseline: {usual}, without: {others}")
stands = all(np.mean(runs[key][-100:]) >= 475 for key in runs if key[1])
assert learn.mode() == "quick" or (stands and np.median(usual) < 656)
guess.reveal(min(guess.choices, key=lambda words: abs(np.log(int(words[6:]) / np.median(usual)))))

_, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for (seed, baseline), lengths in list(runs.items())[:6]:
    smooth = np.convolve(lengths, np.ones(32) / 32, "valid")
    name = None if seed else f"{'with' if baseline else 'without'} baseline"
    axes.plot(smooth, "-" if baseline else "--", color=BLUE if baseline else ORANGE, label=name)
axes.set(xlabel="episodes", ylabel="steps, mean of 32")
axes.legend()
plt.show()

# %%
anything = np.random.default_rng(0).integers
before, after = play(lambda state: anything(2, size=many), seed=0), play(pushes, seed=0)
_, rows = plt.subplots(2, 8, figsize=(9.6, 2), layout="constrained")
for row, (states, _, up) in zip(rows, (before, after), strict=True):
    for axes, t in zip(row, range(0, 40, 5), strict=True):
        pose(axes, states[min(t, up[:, 0].sum() - 1), 0])
plt.show()
Film(after[0][:60, 0])

# %% [markdown]
# ## Values instead of chances: DQN
#
# REINFORCE throws episodes away after one update. The other way: learn $Q(s, a)$, the return to be
# expected after $a$ in $s$, and take the action with the largest. It has to agree with itself one
# step later, unless the episode has **ended** there:
#
# $$Q(s, a) \approx r + \gamma \max_{a'} Q'(s', a')$$
#
# Any remembered step $(s, a, r, s', \text{ended})$ can be used again: **replay**. And $Q'$ is an
# older copy of the network, the **target network**, so that it does not chase its own tail. To be
# stopped at 500 is not an end. Now and then any action is taken, in case it is better. And the loss
# is `smooth_l1_loss`: half the square of an error up to 1, above that its size less a half.
#
# ## Exercise B: the end of an episode
#
# Write `targets(rewards, ended, next_values, gamma)`: arrays $(n,)$, $(n,)$ of 0 and 1, and $(n,
# 2)$. Then break it: leave out `ended`, run the next cell, and explain what the pole is worth then.


# %% exercise="40.targets"
def targets(rewards, ended, next_values, gamma):
    # BEGIN SOLUTION
    return rewards + gamma * (1.0 - ended) * next_values.max(axis=1)
    # END SOLUTION


# %%
my_targets = learn.check("40.targets", targets).working


def push(f, state, random, share=0.0):
    """The best action for each cart, but for a share of them any action."""
    n, best = len(state), values_of(f, state).argmax(axis=1)
    return np.where(random.random(n) < share, random.integers(2, size=n), best)


# %%
def learner(q, random, seed):
    """A function that learns from 128 of the remembered steps, each a row of 10 numbers."""
    older = new_network(seed, nn.ReLU)
    optimizer, now, then = optim.Adam(q.parameters(), lr=2e-3), compile(q), compile(older)

    @compile
    def loss_of(states, chosen, wanted):
        return nn.functional.smooth_l1_loss((q(states) * chosen).sum(axis=1), wanted)

    def learn_once(memory):
        rows = memory[random.integers(len(memory), size=128)]
        states, actions, following, ended = np.split(rows, [4, 5, 9], axis=1)
        best = values_of(now, following).argmax(axis=1, keepdims=True)  # the newer says which,
        worth = np.take_along_axis(values_of(then, following), best, axis=1)  # the older how good
        wanted = my_targets(np.float32(1), ended[:, 0], worth, 0.99)
        chosen = np.eye(2, dtype="float32")[actions[:, 0].astype(int)]
        optimizer.zero_grad()
        loss_of(*map(Tensor, (states, chosen, wanted.astype("float32")))).backward()
        optimizer.step()
        for p, new in zip(older.parameters(), q.parameters(), strict=True):
            p.data = p.data + 0.01 * (new.data - p.data)  # a hundredth of the way

    return learn_once


# %%
def dqn(seed, most):
    """Steps on 16 carts until the best action stands 475 steps on the average of 100 episodes."""
    q, random = new_network(seed, nn.ReLU), np.random.default_rng(seed)
    memory, count = np.zeros((most * many, 10), "float32"), 0
    learn_once, values = learner(q, random, seed), compile(q)
    state, over, score = carts.reset(seed=seed)[0], np.zeros(many, dtype=bool), 0.0
    for t in range(1, most + 1):
        action = push(values, state, random, max(0.05, 1 - t / 150))
        following, _, fallen, late, _ = carts.step(action)
        rows = np.column_stack([state, action, following, fallen])[~over]  # over: only set up anew
        memory[count : count + len(rows)] = rows
        count, state, over = count + len(rows), following, fallen | late
        for _ in range(8 if count > 1000 else 0):
            learn_once(memory[:count])
        if t % 50 == 0:
            score = play(lambda s: push(values, s, random), seed, judges)[2].sum(axis=0).mean()
            if score >= 475:
                break
    return t * many, score


# %%
for seed in learn.pick(full=(0, 1, 2), quick=(0,)):
    steps, score = dqn(seed, learn.pick(full=4000, quick=70))
    print(f"DQN, seed {seed}: {score:.0f} steps up, after {steps:,} steps on the carts")
    assert score >= learn.pick(full=475, quick=0)

# %% [markdown]
# One copy chooses the action, the other says what it is worth: that much of it is **Double DQN**.
#
# ## A mistake to make once
#
# An action that is none: the carts take 0 and 1.

# %%
try:
    carts.step(np.full(many, 2))
except AssertionError as error:
    print("AssertionError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `policy_loss(scores, a, adv)` is `-(Categorical(logits=scores).log_prob(a) * adv).mean()` there.
#
# ## To read
#
# R. Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement
# learning*, Machine Learning 8 (1992): REINFORCE, with its baseline, in section 4.
#
# ## Recap
#
# - A return is all that comes after, discounted; an advantage is what is better than usual.
# - REINFORCE makes good actions likelier: cross-entropy, weighted by the advantage.
# - DQN learns what actions are worth, from remembered steps and an older copy of itself.
#
# Left out here: learning the baseline (actor and critic), and exploring where rewards are rare.
