"""From settings to a codec: names and objects in, `Native` or `Bare` out, or an error with the remedy.

What may enter: a setting of the codec and the check of it. Dotted paths are for the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from vkcache.core.codec.bare import Bare
from vkcache.core.codec.compressors import (
    COMPRESSORS,
    NONE,
    Compressor,
    CustomCompressor,
    custom_compressor,
    installed,
)
from vkcache.core.codec.envelope import PLAIN
from vkcache.core.codec.naming import unknown
from vkcache.core.codec.native import Native, Signing
from vkcache.core.codec.serializers import (
    MSGPACK,
    PICKLE,
    SERIALIZERS,
    CustomSerializer,
    Serializer,
    custom_serializer,
)
from vkcache.core.codec.signing import Signer, signer
from vkcache.errors import Misconfigured

T = TypeVar("T", Serializer, Compressor)

Format: TypeAlias = Literal["native", "bare"]
SerializerSpec: TypeAlias = str | CustomSerializer | type[CustomSerializer]
CompressorSpec: TypeAlias = str | CustomCompressor | type[CustomCompressor]

AUTO = "auto"
_DEFAULTS = {"native": (AUTO, "zstd"), "bare": ("pickle", "none")}
_SIGNINGS = get_args(Signing)


def codec(
    *,
    format: Format = "native",
    serializer: SerializerSpec | Sequence[SerializerSpec] | None = None,
    compressor: CompressorSpec | Sequence[CompressorSpec] | None = None,
    signing: Signing = "pickles",
    secrets: tuple[str | bytes, ...] = (),
    signing_salt: str | bytes = "vkcache",
    max_value_size: int = 64 * 2**20,
    compress_min: int = 1024,
    reads: tuple[str, ...] = (),
    reads_allow: tuple[str, ...] | None = None,
    writes: str | None = None,
) -> Native | Bare:
    """The codec that these settings describe.

    *serializer*, *compressor*: a name, an object with dumps/loads or compress/decompress, its class,
    or a sequence of these: the first writes, all can be read. None: "auto" and "zstd", in the bare
    format "pickle" and "none". Sizes are in bytes; a body of more than *compress_min* is compressed.

    :raises Misconfigured: an unknown name, a package that is missing, or settings that contradict.
    """
    _check_choice("format", format, tuple(_DEFAULTS))
    _check_choice("signing", signing, _SIGNINGS)
    _check_size("max_value_size", max_value_size, 1)
    _check_size("compress_min", compress_min, 0)
    default_serializer, default_compressor = _DEFAULTS[format]
    serializers = _listed(serializer, default_serializer)
    compressors = _compressors(_listed(compressor, default_compressor))
    if format == "bare":
        if signing == "all":
            raise Misconfigured('signing: "all" needs format="native"; a bare value holds no signature')
        return Bare(_serializers(serializers, (PICKLE,)), compressors, max_value_size, compress_min)
    keys = signer((secrets,) if isinstance(secrets, str | bytes) else tuple(secrets), signing_salt)
    return _native(serializers, compressors, signing, keys, max_value_size, compress_min)


def _native(
    specs: tuple[Any, ...],
    compressors: tuple[Compressor, ...],
    signing: Signing,
    keys: Signer | None,
    most: int,
    least: int,
) -> Native:
    bound = signing == "all"
    if bound and keys is None:
        raise Misconfigured('signing: "all" needs a secret: give secret= (Django: SECRET_KEY)')
    readers = _serializers(specs, (MSGPACK, PICKLE))
    uncompressed = most if compressors[0] is NONE else min(least, most)
    return Native(
        writers=(MSGPACK, PICKLE) if specs[0] == AUTO else readers[:1],
        serializers=readers,
        compressors=compressors,
        signing=signing,
        signer=keys,
        max_value_size=most,
        compress_min=least,
        plain_writes=-1 if bound else uncompressed,
        plain_reads=-1 if bound else most + len(PLAIN),
    )


def _compressors(specs: tuple[Any, ...]) -> tuple[Compressor, ...]:
    chosen = [installed(_resolved("compressor", spec, COMPRESSORS, custom_compressor)) for spec in specs]
    once = tuple(dict.fromkeys(chosen))
    _check_names("compressor", once)
    return once


def _serializers(specs: tuple[Any, ...], auto: tuple[Serializer, ...]) -> tuple[Serializer, ...]:
    """The serializers in their order, each once; *auto* is what stands for "auto"."""
    found: list[Serializer] = []
    for spec in specs:
        if spec == AUTO:
            found += auto
        else:
            found.append(_resolved("serializer", spec, SERIALIZERS, custom_serializer, (AUTO,)))
    once = tuple(dict.fromkeys(found))
    _check_names("serializer", once)
    return once


def _listed(spec: Any, default: str) -> tuple[Any, ...]:
    specs = tuple(spec) if isinstance(spec, list | tuple) else (spec,)
    return tuple(default if spec is None else spec for spec in specs) or (default,)


def _resolved(
    setting: str, spec: Any, known: Mapping[str, T], custom: Callable[[Any], T], more: tuple[str, ...] = ()
) -> T:
    if not isinstance(spec, str):
        return custom(spec() if isinstance(spec, type) else spec)
    if spec not in known:
        raise unknown(setting, spec, (*known, *more))
    return known[spec]


def _check_names(setting: str, chosen: Iterable[Serializer | Compressor]) -> None:
    names = [(one.code, one.name) for one in chosen]
    for name in names:
        if names.count(name) > 1:
            raise Misconfigured(
                f"{setting}: two are named {name[1]!r}; give each an attribute name of its own"
            )


def _check_choice(setting: str, given: object, known: tuple[str, ...]) -> None:
    if given not in known:
        raise unknown(setting, given, known)


def _check_size(setting: str, given: object, least: int) -> None:
    if type(given) is not int or given < least:
        raise Misconfigured(f"{setting}: {given!r} is no number of bytes; give an int of at least {least}")
