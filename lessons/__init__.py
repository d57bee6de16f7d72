"""The lessons, shipped with the package: one file each, and its exercises' checks in `checks`.

The files start with their number, so they are found by path (`tinygrad_edu.learn.lessons`), never
imported by name.
"""
