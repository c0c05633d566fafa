#!/usr/bin/env python3
"""Records the methods of other cache backends: their names, parameters and defaults, nothing else of them.

    tools/spellings.py PEERS > tests/unit/spellings.json

*PEERS* is a folder with one folder for each peer, named as in `PEERS` below, into which it was installed
(``pip install --target PEERS/django-redis-7 django-redis==7.0.0``), and Django as ``django``. The sources
are read, not run, so this Python need not be the one that a peer asks for.

What may enter: a peer, and a way in which a peer says what its methods take.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_V, _DR = "django_valkey", "django_redis"
_DEFAULT = ["client/default.py:DefaultClient", "client/mixins/sorted_sets.py:SortedSetMixin"]

PEERS: dict[str, tuple[str, list[str], list[str]]] = {
    "django": ("django/core/cache/backends", ["redis.py:RedisCache", "base.py:BaseCache"], []),
    "django-valkey": (
        _V,
        ["base.py:BackendCommands", "base.py:BaseValkeyCache"],
        ["base_client.py:ClientCommands", "base_client.py:BaseClient"],
    ),
    "django-valkey-async": (
        _V,
        ["base.py:AsyncBackendCommands", "base.py:BaseValkeyCache"],
        ["base_client.py:AsyncClientCommands", "base_client.py:BaseClient"],
    ),
    "django-valkey-cluster": (
        _V,
        ["cluster_cache/cache.py:ClusterCommands", "base.py:BackendCommands"],
        ["cluster_cache/client/default.py:DefaultClusterClient", "base_client.py:ClientCommands"],
    ),
    "django-redis-6": (_DR, ["cache.py:RedisCache"], _DEFAULT[:1]),
    "django-redis-7": (_DR, ["cache.py:RedisCache"], _DEFAULT),
    "django-cachex": ("django_cachex/cache", ["resp.py:RespCache", "base.py:BaseCachex"], []),
    "django-redis-cache": (
        "redis_cache/backends",
        ["single.py:RedisCache", "base.py:BaseRedisCache"],
        [],
    ),
}
"""By the folder that a peer was installed into: the folder of its sources; the files and classes that say
which methods it has; those to which these hand all arguments on. What one has hides a later one's."""

_BARE_EXCEPT = re.compile(r"^(\s*except )([\w.]+, [\w., ]+):", re.MULTILINE)


def _methods(path: Path, name: str) -> Iterator[tuple[str, tuple[ast.arguments, list[str]]]]:
    """Name, parameters and decorators of each public method of the class *name*."""
    source = _BARE_EXCEPT.sub(r"\1(\2):", path.read_text())  # as Python before 3.14 wants it
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    (body,) = (node.body for node in classes if node.name == name)
    made: dict[str, tuple[ast.arguments, list[str]]] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            made[node.name] = node.args, [ast.unparse(one) for one in node.decorator_list]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in made:
            for target in node.targets:
                made[ast.unparse(target)] = made[node.value.id]
    for method, taken in made.items():
        if not method.startswith("_") and not {"property", "cached_property"} & {*taken[1]}:
            yield method, taken


def _shown(arguments: ast.arguments, decorators: list[str]) -> str:
    """The parameters after self as they stand in a ``def``, without annotations, and without ``client``."""
    named = _given_by_name(arguments)
    firsts = [arg for arg in arguments.args[1:] if arg.arg != "client"]
    if any(one.startswith("get_client(") for one in decorators):  # which gives the client, and takes version=
        named = [("version", ast.Constant(None))]
    else:
        firsts = [arg for arg in firsts if arg.arg not in dict(named)]
    defaults = dict(zip([arg.arg for arg in arguments.args][::-1], arguments.defaults[::-1], strict=False))
    shown = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(arg.arg) for arg in firsts],
        defaults=[defaults[arg.arg] for arg in firsts if arg.arg in defaults],
        vararg=arguments.vararg and ast.arg(arguments.vararg.arg),
        kwonlyargs=[ast.arg(name) for name, _ in named],
        kw_defaults=[default for _, default in named],
        kwarg=arguments.kwarg and ast.arg(arguments.kwarg.arg),
    )
    return ast.unparse(shown)


def _given_by_name(arguments: ast.arguments) -> list[tuple[str, ast.expr | None]]:
    """What stands behind ``*``, or behind ``client``: by position it is something else without that."""
    rows = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    named = [(arg.arg, default) for arg, default in rows]
    if "client" in (firsts := [arg.arg for arg in arguments.args]):
        behind = firsts[firsts.index("client") + 1 :]
        named += zip(behind, arguments.defaults[len(arguments.defaults) - len(behind) :], strict=False)
    return [(name, default) for name, default in named if name != "client"]


def recorded(root: Path, has: list[str], takes: list[str]) -> dict[str, str]:
    """The parameters of every method of a peer, by its name."""
    chains = [[place.split(":") for place in chain] for chain in (has, takes)]
    own, handed = (
        {name: _shown(*rest) for file, cls in reversed(chain) for name, rest in _methods(root / file, cls)}
        for chain in chains
    )
    return {
        name: handed.get(name, handed.get(f"a{name}", shown)) if shown == "*args, **kwargs" else shown
        for name, shown in sorted(own.items())
    }


def main(peers: Path) -> None:
    found = {name: recorded(peers / name / root, has, takes) for name, (root, has, takes) in PEERS.items()}
    contract = found["django"]
    for name, methods in found.items():
        if not name.startswith("django-valkey"):  # which is none of Django's caches
            found[name] = dict(sorted({**contract, **methods}.items()))
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
