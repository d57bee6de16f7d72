"""What an operation can be read with.

Every rule in `tinygrad_edu.ops` receives a namespace `xp` and uses nothing else: the names listed
in `vocabulary`, and the operators ``+ - *``, unary ``-`` and the comparisons of its operands.
Handing the same rule another namespace is what turns it into another reading: Python numbers
(`floats`), arrays (`arrays`), or recorded nodes (`tinygrad_edu.ops.graph`).
"""
