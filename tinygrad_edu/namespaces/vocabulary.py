"""The names every namespace provides, one line of meaning each.

The signatures are ours, so that a rule means the same over floats, NumPy, CuPy and nodes: data
first, metadata by keyword.  Division and powers are names rather than operators because Python
floats raise ``ZeroDivisionError`` where arrays give ``inf``.  No name creates an array out of
nothing: each takes the operand whose dtype and device the result shares.
"""

ELEMENTWISE: dict[str, str] = {
    "divide": "divide(x, y): x / y, with inf and nan as in IEEE 754",
    "power": "power(x, y): x to the power y; nan where the result is not real",
    "exp": "exp(x): e to the power x",
    "exp2": "exp2(x): 2 to the power x",
    "expm1": "expm1(x): exp(x) - 1, exact for small x",
    "log": "log(x): natural logarithm; -inf at 0, nan below",
    "log2": "log2(x): logarithm to base 2",
    "log10": "log10(x): logarithm to base 10",
    "log1p": "log1p(x): log(1 + x), exact for small x",
    "sqrt": "sqrt(x): square root; nan below 0",
    "abs": "abs(x): absolute value",
    "sign": "sign(x): -1, 0 or 1; nan stays nan",
    "floor": "floor(x): the largest integer not above x, as a float",
    "ceil": "ceil(x): the smallest integer not below x, as a float",
    "sin": "sin(x): sine of x radians",
    "cos": "cos(x): cosine of x radians",
    "tan": "tan(x): tangent of x radians",
    "arcsin": "arcsin(x): angle in radians whose sine is x; nan outside [-1, 1]",
    "arccos": "arccos(x): angle in radians whose cosine is x; nan outside [-1, 1]",
    "arctan": "arctan(x): angle in radians whose tangent is x",
    "arctan2": "arctan2(y, x): angle in radians of the point (x, y)",
    "sinh": "sinh(x): hyperbolic sine",
    "cosh": "cosh(x): hyperbolic cosine",
    "tanh": "tanh(x): hyperbolic tangent",
    "erf": "erf(x): error function",
    "maximum": "maximum(x, y): the larger of the two; nan wins",
    "minimum": "minimum(x, y): the smaller of the two; nan wins",
    "where": "where(condition, x, y): x where the condition holds, y elsewhere",
    "zeros_like": "zeros_like(x): zeros with x's shape, dtype and device",
    "ones_like": "ones_like(x): ones with x's shape, dtype and device",
}

ARRAY: dict[str, str] = {
    "astype": "astype(x, dtype=): x in another dtype",
    "to_device": "to_device(x, device=): x on 'cpu' or 'cuda'",
    "sum": "sum(x, axis=None, keepdims=False): sum over axes",
    "prod": "prod(x, axis=None, keepdims=False): product over axes",
    "max": "max(x, axis=None, keepdims=False): largest value over axes",
    "min": "min(x, axis=None, keepdims=False): smallest value over axes",
    "cumsum": "cumsum(x, axis=): running sum along one axis",
    "argmax": "argmax(x, axis=None, keepdims=False): index of the first largest value",
    "argmin": "argmin(x, axis=None, keepdims=False): index of the first smallest value",
    "reshape": "reshape(x, shape=): the same values in another shape",
    "transpose": "transpose(x, axes=None): axes in another order; reversed by default",
    "matrix_transpose": "matrix_transpose(x): the last two axes exchanged",
    "broadcast_to": "broadcast_to(x, shape=): x repeated along new or size-1 axes",
    "sum_to": "sum_to(x, shape=): x summed back to a shape that broadcasts to its own",
    "flip": "flip(x, axis=None): the order reversed along axes",
    "roll": "roll(x, shift=, axis=): values moved along axes, wrapping around",
    "concat": "concat(*xs, axis=0): arrays joined along an axis they have",
    "stack": "stack(*xs, axis=0): arrays joined along a new axis",
    "tril": "tril(x, k=0): zero above the k-th diagonal of the last two axes",
    "triu": "triu(x, k=0): zero below the k-th diagonal of the last two axes",
    "getitem": "getitem(x, index=): x[index]",
    "put_add": "put_add(x, index=, shape=): zeros of `shape`, x added at `index`, repeats included",
    "one_hot": "one_hot(x, num_classes=, dtype=, ignore=None): a new last axis, 1 at the place x "
    "names, and nowhere for `ignore`",
    "matmul": "matmul(x, y): matrix product over the last two axes, the others broadcast",
    "einsum": "einsum(*xs, subscripts=): sums of products named by subscripts",
    "unfold": "unfold(x, size=, stride=, dilation=): windows over the last axes, "
    "(..., *places, *size)",
    "fold": "fold(x, shape=, size=, stride=, dilation=): windows added back where they came from",
    "uniform_like": "uniform_like(x, generator=): numbers from [0, 1) with x's shape and dtype",
    "normal_like": "normal_like(x, generator=): standard normal numbers with x's shape and dtype",
}

VOCABULARY: dict[str, str] = {**ELEMENTWISE, **ARRAY}
