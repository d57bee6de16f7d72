"""Real texts that need no download: names of places, and the manual that ships with Python."""

from __future__ import annotations

import unicodedata

# Letters that Unicode does not take apart into one of a to z and a mark.
_SPELLED = str.maketrans(
    {**dict(zip("øðđłəǝħŧ\u0131", "oddleehti", strict=True)), "æ": "ae", "þ": "th", "ß": "ss"}
)


def place_names() -> tuple[str, ...]:
    """Names of the world's provinces and districts, about 4,900, in the letters a to z alone.

    From ISO 3166-2, as the package pycountry carries it (``pip install "tinygrad_edu[data]"``):
    small letters, without marks, spaces and what stands in brackets or after a comma; each name
    once, in alphabetical order.  The list grows with the package's version.

    >>> names = place_names()
    >>> "aargau" in names, all(name.isascii() and name.isalpha() for name in names)
    (True, True)
    """
    try:
        import pycountry
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "place_names comes with pycountry: pip install 'tinygrad_edu[data]'; "
            "python_manual() needs no other package"
        ) from error
    folded = {fold(place.name) for place in pycountry.subdivisions}
    return tuple(sorted(name for name in folded if name))


def fold(name: str) -> str:
    """A name in the letters a to z; what stands in brackets or after a comma is left out.

    >>> fold("Nový Jičín (okres)"), fold("Baden-Württemberg"), fold("Şəki")
    ('novyjicin', 'badenwurttemberg', 'seki')
    """
    for mark in "([,/":
        name = name.partition(mark)[0]
    spelled = unicodedata.normalize("NFKD", name.lower().translate(_SPELLED))
    return "".join(letter for letter in spelled if "a" <= letter <= "z")


def python_manual() -> str:
    """The Python manual's text that ``help()`` shows: about 465,000 characters of English and code.

    The topics in alphabetical order, with an empty line between them.  It differs from one version
    of Python to the next: compare only what was computed on the same text.

    Raises ModuleNotFoundError where Python was installed without ``pydoc_data``.

    >>> text = python_manual()
    >>> len(text) > 300_000, text.startswith('The "assert" statement')
    (True, True)
    """
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))
