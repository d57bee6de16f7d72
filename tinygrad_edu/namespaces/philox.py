"""Random numbers on a card: each is what a seed and the number's place are mixed to.

Nothing is kept from one number to the next, so a kernel draws all of them at once, and draws the
same when it is given the same seed again.
"""

from __future__ import annotations

import functools
from typing import Any

# Of the four words of 32 bits that come out, two make a number with all digits of its dtype.
_UNIT = {
    "float32": "({0} >> 8) * 5.9604644775390625e-8f",
    "float64": "(({0} >> 6) * 134217728.0 + ({1} >> 5)) * 1.1102230246251565e-16",
}
_KINDS = {"float32": "float", "float64": "double"}


@functools.cache
def draw_kernel(library: Any, dtype: str, how: str) -> Any:
    """The kernel that fills an array with numbers drawn evenly from [0, 1), or standard normal.

    It is called with a seed, an int64 of the host or without axes on the card, and the array.

    how : "uniform", or "normal": two even numbers make one by the formula of Box and Muller.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox-4x32 with ten
    rounds; Box and Muller 1958, "A note on the generation of random normal deviates".
    """
    kind, unit = _KINDS[dtype], _UNIT[dtype]
    results = {
        "uniform": "first",
        "normal": "sqrt(-2 * log(1 - first)) * cos(number(6.283185307179586) * second)",
    }
    return library.ElementwiseKernel(
        "int64 seed",
        f"{dtype} out",
        f"""
        typedef {kind} number;
        typedef unsigned int word;
        typedef unsigned long long wide;
        word a = i, b = wide(i) >> 32, c = 0, d = 0;
        word key = seed, other = wide(seed) >> 32;
        for (int round = 0; round < 10; ++round) {{
            const wide left = wide(0xD2511F53) * a, right = wide(0xCD9E8D57) * c;
            a = word(right >> 32) ^ b ^ key;
            b = word(right);
            c = word(left >> 32) ^ d ^ other;
            d = word(left);
            key += 0x9E3779B9;
            other += 0xBB67AE85;
        }}
        const number first = {unit.format("a", "b")};
        const number second = {unit.format("c", "d")};
        out = {results[how]};
        """,
        f"draw_{how}",
    )
