"""The program reading: a function, traced once, as readable Python that runs fast.

What a compiler does, one idea per file: `tape` notes what the function did, `tracing` reads its
operations and their derivatives into `steps`, `passes` make the steps fewer, `chains` run some
of them together, `checkpoints` keep less, `writer` turns them
into source, `loading` into functions, `compiled` calls them; `guards` say when to trace again.
"""

from tinygrad_edu.readers.program.compiled import compile

__all__ = ["compile"]
