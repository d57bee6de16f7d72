"""The two engines and the one backward pass they share.

`value` is the scalar engine, `tensor` the array engine, `operators` what both can do, `backprop`
how gradients travel, `transforms` what can be built from gradients, `gradcheck` how to trust them.
"""
