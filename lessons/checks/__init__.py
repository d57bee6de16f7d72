"""The exercises: for each lesson a file of the same name, with checks, hints and wrong answers."""
