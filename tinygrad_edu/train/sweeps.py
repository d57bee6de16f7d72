"""sweep: one function, run for every point of a grid and every seed."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import json
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from tinygrad_edu.files import Name
from tinygrad_edu.train.kept import clear_torn, fingerprint, keep, kept, place, plain
from tinygrad_edu.train.results import Results
from tinygrad_edu.train.surroundings import progress_bar

Grid = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]
Record = dict[str, Any]  # point and seed; then "result", or "error" and "traceback"
Task = Callable[[Record, "Path | None"], Record]
Todo = Sequence[tuple[int, Record, "Path | None"]]
Stream = Generator[tuple[int, Record], None, None]


class SweepError(RuntimeError):
    """Some runs of a sweep failed.

    finished, failed : lists of dicts with the "point" and "seed" of a run, and its "result", or its
        "error" and "traceback" as texts.

    >>> SweepError("1 of 2 runs failed", [], [{"point": {}, "seed": 0}]).failed
    [{'point': {}, 'seed': 0}]
    """

    def __init__(self, message: str, finished: list[Record], failed: list[Record]) -> None:
        super().__init__(message)
        self.finished, self.failed = finished, failed


def sweep(
    run: Callable[..., Any],
    grid: Grid,
    seeds: Iterable[int],
    *,
    jobs: int = 1,
    cache: Name | None = None,
    cluster: Any = None,
    progress: bool = True,
) -> Results:
    """Run a function for every point of a grid and every seed; returns the `Results`, in order.

    Parameters
    ----------
    run : called as ``run(**point, seed=seed)``; returns numbers, texts, or lists and dicts of
        these.  NumPy's arrays come out as lists.
    grid : names to lists of values, of which every combination is a point, the last name changing
        fastest; or a list of points, each a dict.  Values are numbers, texts, None, or lists
        (tuples become lists).
    seeds : whole numbers.  All that is random in a run must come from its seed.
    jobs : how many runs at once, each in a process of its own with one BLAS thread; 1: in this
        process; -1: as many as there are cores.
    cache : a folder with one small file for each run.  What is there is not run again, so that the
        same call goes on after Ctrl-C, a crash, or an error in another run.  A result belongs to
        the function's name and source, what it reads by name (other functions of its module,
        numbers, arrays), the point and the seed.  It does not notice changes elsewhere, as in an
        installed package: empty the folder then.
    cluster : runs on Dask instead: "local" (`jobs` processes here), the address of a scheduler,
        such as "tcp://10.0.0.5:8786", or a ``dask.distributed.Client``.  A run whose worker dies is
        given to another.  In a script, call it under ``if __name__ == "__main__":``.
    progress : whether to show a progress bar.

    A run that fails does not stop the others; `SweepError` names it when all are done, and has what
    they returned.  Raises ValueError for a grid without a point, a point or seed given twice, or a
    value that JSON cannot hold; TypeError if `run` does not take the points; ImportError, with the
    command, without joblib or Dask.

    >>> from tinygrad_edu.train import sweep
    >>> def run(x, seed):
    ...     return {"error": x * x + seed}
    >>> found = sweep(run, {"x": [1, 2, 3]}, seeds=[0, 1], progress=False)
    >>> found.mean("error").tolist()
    [1.5, 4.5, 9.5]
    """
    shape, points = _points(grid)
    seeds = [plain(seed) for seed in seeds]
    records: list[Record] = [{"point": point, "seed": seed} for point in points for seed in seeds]
    _check(run, records)
    paths: list[Path | None] = [None] * len(records)
    if cache is not None:
        function = fingerprint(run)
        places = [place(Path(cache), function, r["point"], r["seed"]) for r in records]
        clear_torn(places)
        paths = [*places]
    found = [kept(path) if path else None for path in paths]
    todo = [(i, records[i], path) for i, path in enumerate(paths) if found[i] is None]
    with (
        progress_bar(len(records), len(records) - len(todo), progress, "run") as bar,
        contextlib.closing(_stream(functools.partial(_perform, run), todo, jobs, cluster)) as done,
    ):
        for i, record in done:
            found[i] = record
            bar.update()
    finished = [record for record in found if record and "result" in record]
    failed = [record for record in found if record and "error" in record]
    if failed:
        raise SweepError(_complaint(finished, failed, cache), finished, failed)
    return Results(shape, points, seeds, [record["result"] for record in finished])


def _points(grid: Grid) -> tuple[tuple[int, ...], list[dict[str, Any]]]:
    """The shape of the grid and its points."""
    axes = {}
    if isinstance(grid, Mapping):
        axes = {name: [*values] for name, values in grid.items()}
        every = itertools.product(*axes.values())
        points = [dict(zip(axes, values, strict=True)) for values in every]
    else:
        points = [dict(point) for point in grid]
    try:
        points = plain(points)
    except TypeError as error:
        raise ValueError(
            "sweep: the grid holds what JSON cannot; give numbers, texts or lists, and let the run "
            "look up what they mean"
        ) from error
    shape = tuple(len(values) for values in axes.values())
    return shape if isinstance(grid, Mapping) else (len(points),), points


def _check(run: Callable[..., Any], records: list[Record]) -> None:
    if not records:
        raise ValueError("sweep: there is no run: the grid has no point, or there are no seeds")
    seen = set()
    for record in records:
        text = json.dumps(record, sort_keys=True)
        if text in seen:
            raise ValueError(f"sweep: {_named(record)} is there twice; each is run once")
        seen.add(text)
    try:
        inspect.signature(run).bind(**records[0]["point"], seed=records[0]["seed"])
    except TypeError as error:
        given = ", ".join([*records[0]["point"], "seed"])
        raise TypeError(f"sweep calls the function with {given}: {error}") from error


def _named(record: Record) -> str:
    values = [f"{name}={value!r}" for name, value in record["point"].items()]
    return ", ".join([*values, f"seed={record['seed']}"])


def _complaint(finished: list[Record], failed: list[Record], cache: Name | None) -> str:
    which = [f"  {_named(record)}: {record['error']}" for record in failed]
    if len(which) > 10:
        which = [*which[:10], f"  and {len(which) - 10} more"]
    where = "in the error's `finished`" if cache is None else f"in '{cache}' and not run again"
    return "\n".join(
        [
            f"sweep: {len(failed)} of {len(failed) + len(finished)} runs failed; the results of "
            f"the other {len(finished)} are {where}",
            *which,
            "the first of them:",
            failed[0]["traceback"],
        ]
    )


def _perform(run: Callable[..., Any], record: Record, path: Path | None) -> Record:
    """One run: its record with the result, kept if there is a path; or with the error."""
    try:
        result = plain(run(**record["point"], seed=record["seed"]))
    except Exception as error:
        return _failure(record, error)
    record = {**record, "result": result}
    if path:
        keep(record, path)
    return record


def _failure(record: Record, error: BaseException) -> Record:
    text = "".join(traceback.format_exception(error))
    return {**record, "error": f"{type(error).__name__}: {error}", "traceback": text}


def _stream(task: Task, todo: Todo, jobs: int, cluster: Any) -> Stream:
    """Perform what is to be done; each place and its record as soon as it is there."""
    if cluster is not None:
        yield from _on_cluster(task, todo, jobs, cluster)
    elif jobs == 1:
        yield from ((i, task(record, path)) for i, record, path in todo)
    else:
        yield from _in_processes(task, todo, jobs)


def _numbered(task: Task, i: int, record: Record, path: Path | None) -> tuple[int, Record]:
    return i, task(record, path)


def _in_processes(task: Task, todo: Todo, jobs: int) -> Stream:
    try:
        import joblib
    except ImportError as error:
        raise ImportError('sweep needs joblib: pip install "tinygrad_edu[train]"') from error
    # max_nbytes: large arrays go to the processes as they are, not through files.
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1, max_nbytes=None):
        pool = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
        try:
            yield from pool(joblib.delayed(_numbered)(task, *one) for one in todo)
        except BrokenExecutor as error:
            raise RuntimeError(
                "sweep: a process died in a run, perhaps for want of memory; call it again to go "
                "on from what is in `cache`, with fewer jobs"
            ) from error


def _on_cluster(task: Task, todo: Todo, jobs: int, cluster: Any) -> Stream:
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError as error:
        raise ImportError('a cluster needs Dask: pip install "tinygrad_edu[cluster]"') from error
    with contextlib.ExitStack() as stack:
        if isinstance(cluster, str):
            if cluster == "local":
                workers = LocalCluster(
                    n_workers=jobs if jobs > 0 else None,
                    threads_per_worker=1,
                    dashboard_address=":0",  # any port that is free
                )
                cluster = stack.enter_context(workers)
            cluster = stack.enter_context(Client(cluster))
        # The files are written here: a worker may be on a machine that cannot see them.
        futures = {
            cluster.submit(task, record, None, pure=False): (i, record, path)
            for i, record, path in todo
        }
        stack.callback(cluster.cancel, [*futures])
        for future, found in as_completed(futures, with_results=True, raise_errors=False):
            i, record, path = futures[future]
            if future.status != "finished":  # its workers died, once too often
                lost = RuntimeError(f"Dask gave it up: {future.status}")
                found = _failure(record, found[1] if isinstance(found, tuple) else lost)
            elif path and "result" in found:
                keep(found, path)
            yield i, found
