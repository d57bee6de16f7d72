"""What a recorded graph can be turned into: pure data first (`trace`), then pictures and text.

No reader restates mathematics: formulas, symbols and rules all come from the registered operations.
"""
