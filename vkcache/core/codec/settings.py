"""From settings to a codec: names and objects in, `Native` or `Bare` out, or an error with the remedy.

What may enter: a setting of the codec and the check of it. Dotted paths are for the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args

from attrs import evolve

from vkcache.core.codec.bare import Bare
from vkcache.core.codec.compressors import (
    COMPRESSORS,
    NONE,
    Compressor,
    CustomCompressor,
    custom_compressor,
    installed,
)
from vkcache.core.codec.dialects import DIALECTS
from vkcache.core.codec.envelope import NAMED_SERIALIZER, PLAIN
from vkcache.core.codec.guest import Guest
from vkcache.core.codec.naming import unknown
from vkcache.core.codec.native import Native, Signing
from vkcache.core.codec.serializers import (
    JSON,
    MSGPACK,
    PICKLE,
    SERIALIZERS,
    SPACED_JSON,
    CustomSerializer,
    Serializer,
    custom_serializer,
    pickle_of,
)
from vkcache.core.codec.signing import Signer, signer
from vkcache.errors import Misconfigured

if TYPE_CHECKING:
    from vkcache.core.codec.foreign import Foreign

T = TypeVar("T", Serializer, Compressor)

Format: TypeAlias = Literal["native", "bare"]
SerializerSpec: TypeAlias = str | Serializer | CustomSerializer | type[CustomSerializer]
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
) -> Native | Bare | Guest:
    """The codec that these settings describe.

    *serializer*, *compressor*: a name, an object with dumps/loads or compress/decompress, its class,
    or a sequence of these: the first writes, all can be read. None: "auto" and "zstd", in the bare
    format "pickle" and "none". Sizes are in bytes; a body of more than *compress_min* is compressed.
    *reads*: the backends whose values are read, beside one's own; they are not signed. *reads_allow*:
    the modules whose names their pickles may use (None: `MODULES`; "*": any, so whoever can write to the
    server can run code here). *writes*: the backend as which values are written, and read too.

    :raises Misconfigured: an unknown name, a package that is missing, or settings that contradict.
    """
    _check_choice("format", format, tuple(_DEFAULTS))
    _check_choice("signing", signing, _SIGNINGS)
    _check_size("max_value_size", max_value_size, 1)
    _check_size("compress_min", compress_min, 0)
    _check_foreign(format, signing, reads, writes)
    if format == "bare" and signing == "all":
        raise Misconfigured('signing: "all" needs format="native"; a bare value holds no signature')
    bare = writes is not None or format == "bare"
    default_serializer, default_compressor = _DEFAULTS["bare" if bare else format]
    serializers = _listed(serializer, default_serializer)
    compressors = _compressors(_listed(compressor, default_compressor))
    writer: Bare | None = None
    if bare:
        writer = _bare(serializers, compressors, max_value_size, compress_min, writes)
        if not (reads or writes):
            return writer
    keys = signer((secrets,) if isinstance(secrets, str | bytes) else tuple(secrets), signing_salt)
    native = _native(serializers, compressors, signing, keys, max_value_size, compress_min)
    if reads or writes:
        native = evolve(native, foreign=_foreign({*reads, writes}, reads_allow, native))
    return native if writer is None else Guest(native, writer)


def _bare(
    specs: tuple[Any, ...],
    compressors: tuple[Compressor, ...],
    most: int,
    least: int,
    writes: str | None,
) -> Bare:
    serializers = _serializers(specs, (PICKLE,))
    if writes is None:
        return Bare(serializers, compressors, most, least)
    dialect = DIALECTS[writes]
    written = {PICKLE: pickle_of(dialect.protocol), JSON: SPACED_JSON}
    serializers = (written.get(serializers[0], serializers[0]), *serializers[1:])
    return Bare(serializers, compressors, most, dialect.compress_min, dialect)


def _foreign(names: set[str | None], modules: tuple[str, ...] | None, native: Native) -> Foreign:
    """What reads the values of the backends with these *names*."""
    from vkcache.core.codec.foreign import Foreign
    from vkcache.core.codec.unpickling import MODULES

    return Foreign(
        floats=any(DIALECTS[name].floats for name in names if name is not None),
        modules=MODULES if modules is None else modules,
        serializers=tuple(one for one in native.serializers if one.code == NAMED_SERIALIZER),
        compressors=tuple(one for one in native.compressors if one is not NONE and not one.magic),
        limit=native.max_value_size,
    )


def _check_foreign(format: Format, signing: Signing, reads: tuple[str, ...], writes: str | None) -> None:
    for setting, names in (("reads", reads), ("writes", () if writes is None else (writes,))):
        for name in names:
            _check_choice(setting, name, tuple(DIALECTS))
        if names and signing == "all":
            raise Misconfigured(f'{setting}: signing="all" refuses what is not signed; leave one out')
    if writes is not None and format == "bare":
        raise Misconfigured("writes: it says by itself how values are written; leave out format")


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
        elif isinstance(spec, Serializer):
            found.append(spec)
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
