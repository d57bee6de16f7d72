"""The ledger of a lesson, held against its code: nothing is used that was not built before."""

import ast

from tinygrad_edu.learn import Lesson


def used(lesson: Lesson, built: set[str]) -> set[str]:
    """The library's names in a lesson's code.

    They are what it imports from the package, attributes of the package itself, and, of the dotted
    names in `built` such as "Value.grad", those whose last part is an attribute of anything that is
    not a module from elsewhere.
    """
    trees = [ast.parse(c.source) for c in lesson.cells if c.kind == "code"]
    everything = [node for tree in trees for node in ast.walk(tree)]
    ours, foreign, names = set(), set(), set()
    for node in everything:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name
                (ours if alias.name == "tinygrad_edu" else foreign).add(name)
        elif isinstance(node, ast.ImportFrom):
            imported = {alias.name for alias in node.names}
            if (node.module or "").partition(".")[0] == "tinygrad_edu":
                names |= imported
    methods = {name.partition(".")[2]: name for name in built if "." in name}
    for node in everything:
        if isinstance(node, ast.Attribute):
            base = node.value.id if isinstance(node.value, ast.Name) else None
            if base in ours:
                names.add(node.attr)
            elif base not in foreign and node.attr in methods:
                names.add(methods[node.attr])
    return names


def complaints(lesson: Lesson, every: list[Lesson]) -> list[str]:
    """What is wrong with a lesson's ledger, each a sentence; `every` are all lessons there are."""
    earlier = [other for other in every if other.number < lesson.number]
    there = {name for other in earlier for name in (*other.builds, *other.introduces)}
    everywhere = {name for other in every for name in other.builds}
    listed = {*lesson.builds, *lesson.introduces, *lesson.uses, *lesson.borrowed}
    names = used(lesson, everywhere)
    numbers = {other.number: other for other in every}
    found = [f"uses {name}, which its ledger does not list" for name in sorted(names - listed)]
    found += [
        f"lists {name} under uses, and no earlier lesson builds or introduces it"
        for name in lesson.uses
        if name not in there
    ]
    found += [
        f"lists {name} and does not use it" for name in sorted(listed - names - {*lesson.builds})
    ]
    for name, number in lesson.borrowed.items():
        lender = numbers.get(number)
        if lender is None:
            continue
        if number <= lesson.number:
            found.append(f"borrows {name} from lesson {number}, which comes before: it uses it")
        if name not in lender.builds:
            found.append(f"borrows {name} from lesson {number}, which does not build it")
    return found
