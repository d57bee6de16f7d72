"""ONNX: a model's recorded program, written in the exchange format that other engines run.

The program reading already says a model in the few names of the vocabulary; `words` says each of
those in ONNX, and `export` writes the model: weights, names, and a batch of any size.
"""

from tinygrad_edu.interop.onnx.export import export_onnx

__all__ = ["export_onnx"]
