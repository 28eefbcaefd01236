"""Which of the errors that were printed of a model stands beside it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.records import Model, Published


def choose(models: Iterable[Model]) -> dict[str, Published]:
    """By model name, the published error to show: of few sources, so that they compare.

    Papers retrained the same networks and differ by points. The one that speaks of most models
    goes first, then the one that speaks of most of the rest; so with the tables of a paper.
    """
    told = {model.name: model.published for model in models if model.published}
    of_paper = _fewest(told, paper)
    of_source = _fewest(of_paper, lambda published: published.source)
    return {name: found[0] for name, found in of_source.items()}


def paper(published: Published) -> str:
    """What a source is a table of."""
    return re.split(r", tables? ", published.source)[0]


def _fewest(
    told: Mapping[str, Sequence[Published]], kind: Callable[[Published], str]
) -> dict[str, list[Published]]:
    """Of each model's errors those of one kind, of as few kinds in all as greed finds."""
    left = dict(told)
    chosen: dict[str, list[Published]] = {}
    while left:
        speaks = Counter(one for found in left.values() for one in {kind(p) for p in found})
        order = [kind(published) for found in left.values() for published in found]
        most = max(speaks, key=lambda one: (speaks[one], -order.index(one)))
        for name, found in list(left.items()):
            if of_kind := [published for published in found if kind(published) == most]:
                chosen[name] = of_kind
                del left[name]
    return chosen
