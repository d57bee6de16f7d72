"""Neural networks under PyTorch's names: what is learnt here carries over unchanged.

`functional` has the functions.
"""
