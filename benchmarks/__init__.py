"""Measurements: how fast each engine does the same task, and where the figures are kept.

Each file is one question.  A task is written once per engine, in that engine's own idiom; what the
engines compute is compared before anything is timed.  ``python -m benchmarks.run`` lists the names,
``python -m benchmarks.run NAME --write`` measures one and rewrites its section of RESULTS.md.
"""
