# %% [markdown]
# # 40 · Learning from rewards
#
# **Question.** So far somebody knew the right answers. A pole that falls over only says, later,
# that something was wrong. How can a network learn from that?
#
# - builds: nothing
# - uses: `Tensor`, `Value.backward`, `draw`, `learn`, `manual_seed`, `nn`, `no_grad`, `ops`,
#   `ops.cross_entropy`, `ops.log_softmax`, `optim`
# - borrowed, built in 41: `compile` - a function's graph, written out once as a plain program.
# - time: 45 minutes to read, 20 s to run
# - covers: B (deep reinforcement learning)
#
# Where it ends (the pictures are further down): a pole on a cart, pushed to the left or to the
# right fifty times a second, by a network that knew nothing and learned it in a few hundred tries
# of its own. Each step that the pole stands earns 1; at 500 the episode is over.

# %%
import base64
import io

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from tinygrad_edu import Tensor, compile, draw, learn, manual_seed, nn, no_grad, ops, optim

learn.begin("40")
BLUE, ORANGE = "#0072B2", "#D55E00"
many = 16  # carts side by side
carts = gymnasium.make_vec("CartPole-v1", num_envs=many, vectorization_mode="vector_entry_point")


# %%
def new_network(seed, bend=nn.Tanh):
    manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 64), bend(), nn.Linear(64, 64), bend(), nn.Linear(64, 2)
    )  # place, speed, angle, turning speed -> a score for left and for right


def play(choose, seed=None):
    """One episode on each cart: states (T, 16, 4), actions (T, 16), and who was still up."""
    states, actions, up = [], [], []
    state, _ = carts.reset(seed=seed)
    alive = np.ones(many, dtype=bool)
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
draw(loss, detail="compact")

# %% [markdown]
# With all advantages 1 it is lesson 09's cross-entropy: "do what was done". Below, comparing with
# logistic noise draws from the softmax, and dividing by the spread keeps the steps of one size.


# %%
def reinforce(seed, baseline=True, most=100):
    """Play and learn until the last 100 episodes stand 475 steps; their lengths, and the model."""
    model, random = new_network(seed), np.random.default_rng(seed)
    optimizer, lengths = optim.Adam(model.parameters(), lr=5e-3), []

    def choose(state):
        with no_grad():
            scores = model(Tensor(state)).data
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
    return lengths, model, choose


# %% [markdown]
# ## An experiment: how many tries?
#
# Until the pole stands for 475 steps on the average of 100 episodes, the network needs ...

# %%
guess = learn.predict("Episodes until the pole stands", ["about 50", "about 500", "about 5000"])

# %%
runs = {}
rounds = learn.pick(full=100, quick=3)
for seed in learn.pick(full=(0, 1, 2), quick=(0,)):
    for baseline in (True, False):
        lengths, model, choose = reinforce(seed, baseline, rounds)
        runs[seed, baseline] = lengths
        if baseline:
            good, pushes = model, choose
needed = {key: len(lengths) for key, lengths in runs.items()}
print({f"seed {s}, {'with' if b else 'without'} baseline": n for (s, b), n in needed.items()})
stands = all(np.mean(runs[key][-100:]) >= 475 for key in runs if key[1])
assert stands or learn.mode() == "quick"
usual = np.mean([n for (_, baseline), n in needed.items() if baseline])
guess.reveal(min(guess.choices, key=lambda words: abs(np.log(int(words[6:]) / usual))))

_, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for (seed, baseline), lengths in runs.items():
    smooth = np.convolve(lengths, np.ones(32) / 32, "valid")
    name = None if seed else f"{'with' if baseline else 'without'} baseline"
    style = "-" if baseline else "--"
    axes.plot(smooth, style, color=BLUE if baseline else ORANGE, label=name)
axes.set(xlabel="episodes", ylabel="steps, mean of 32")
axes.legend()
plt.show()

# %%
before, _, _ = play(lambda state: np.random.default_rng(0).integers(2, size=many), seed=0)
after, _, _ = play(pushes, seed=0)
_, rows = plt.subplots(2, 8, figsize=(9.6, 2), layout="constrained")
for row, states in zip(rows, (before, after), strict=True):
    for axes, t in zip(row, range(0, 40, 5), strict=True):
        pose(axes, states[min(t, len(states) - 1), 0])
plt.show()
Film(after[:60, 0])

# %% [markdown]
# ## Values instead of chances: DQN
#
# REINFORCE throws each episode away after one update. The other way: learn $Q(s, a)$, the return to
# be expected after $a$ in $s$, and take the action with the largest. It has to agree with itself
# one step later, unless the episode has **ended** there:
#
# $$Q(s, a) \approx r + \gamma \max_{a'} Q'(s', a')$$
#
# Any remembered step $(s, a, r, s', \text{ended})$ can be used again: **replay**. And $Q'$ is an
# older copy of the network, the **target network**, so that it does not chase its own tail. To be
# stopped at 500 is not an end. And now and then any action is taken, in case it is better.
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


def remembered(memory, random, count):
    """Some of the steps, each as likely as any other: states, actions, next states, ended."""
    picked = [memory[i] for i in random.integers(len(memory), size=count)]
    return [np.array(column, dtype="float32") for column in zip(*picked, strict=True)]


def values_of(model, states):
    with no_grad():
        return model(Tensor(states)).data


def push(q, state, random, share):
    """The best action for each cart, but for a share of them any action."""
    any_of_two = random.random(many) < share, random.integers(2, size=many)
    return np.where(*any_of_two, values_of(q, state).argmax(axis=1))


# %%
def learner(q, older, random):
    """A function that learns from 128 remembered steps."""
    optimizer = optim.Adam(q.parameters(), lr=5e-4)

    @compile
    def loss_of(states, chosen, wanted):
        return nn.functional.smooth_l1_loss((q(states) * chosen).sum(axis=1), wanted)

    def step(memory):
        states, actions, following, ended = remembered(memory, random, 128)
        rewards = np.full(128, 0.1, dtype="float32")  # so that values stay below 10
        wanted = my_targets(rewards, ended, values_of(older, following), 0.99)
        chosen = np.eye(2, dtype="float32")[actions.astype(int)]
        optimizer.zero_grad()
        loss_of(*map(Tensor, (states, chosen, wanted.astype("float32")))).backward()
        optimizer.step()
        for p, new in zip(older.parameters(), q.parameters(), strict=True):
            p.data = p.data + 0.01 * (new.data - p.data)  # a hundredth of the way

    return step


# %%
def dqn(seed, most):
    """Steps on 16 carts until the best action stands 475 steps on the average, and that average."""
    q, older = (new_network(seed, nn.ReLU) for _ in range(2))
    random, memory, score = np.random.default_rng(seed), [], 0.0
    learn_once = learner(q, older, random)
    state, over = carts.reset(seed=seed)[0], np.zeros(many, dtype=bool)
    for t in range(1, most + 1):
        action = push(q, state, random, max(0.05, 1 - t / 300))
        following, _, fallen, late, _ = carts.step(action)
        rows = zip(state, action, following, fallen, strict=True)
        memory += [row for row, o in zip(rows, over, strict=True) if not o]  # o: only set up anew
        state, over = following, fallen | late
        for _ in range(4 if len(memory) > 1000 else 0):
            learn_once(memory)
        if t % 100 == 0:
            score = play(lambda s: push(q, s, random, 0.0))[2].sum(axis=0).mean()
            state, over = carts.reset()[0], np.zeros(many, dtype=bool)
            if score >= 475:
                break
    return t * many, score


steps, score = dqn(0, learn.pick(full=2500, quick=70))
print(f"DQN: {score:.0f} steps up, after {steps:,} steps on the carts")
assert score >= learn.pick(full=475, quick=0)

# %% [markdown]
# Not every seed gets there: try `dqn(1, 2500)`. What it learns from depends on what it does, and
# that on what it has learned; REINFORCE got there with every seed above.
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
# | here | in PyTorch |
# |---|---|
# | `policy_loss(scores, a, adv)` | `-(Categorical(logits=scores).log_prob(a) * adv).mean()` |
# | `gymnasium.make_vec(...)` | the same library |
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
