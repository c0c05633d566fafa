"""Nothing that can run code is loaded unless a key of ours signed it, for the key where values are bound.

Fails when an envelope that proves nothing is opened, when a proof depends on less than it should,
or when a rotated secret no longer verifies.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vkcache.core.codec import Codec, Native, codec
from vkcache.core.codec.envelope import Envelope, wrap
from vkcache.core.codec.signing import signer
from vkcache.errors import Misconfigured, Undecodable, Unencodable

PICKLED = (1, "x")


class Do:
    """Pickles to a call of *function*."""

    def __init__(self, function: str, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        module, _, name = self.function.rpartition(".")
        return getattr(__import__(module, fromlist=["x"]), name), self.arguments


def hostile(folder: Path) -> list[bytes]:
    """Pickles that leave a file in *folder* when they are loaded."""
    mark = [str(folder / f"mark{number}") for number in range(30)]
    code = "open({!r}, 'w').close()".format
    script = folder / "script"
    script.write_text(code(mark[9]))
    calls: list[Any] = [
        Do("os.system", f"touch {mark[0]}"),
        Do("os.mkdir", mark[1]),
        Do("builtins.exec", code(mark[2])),
        Do("builtins.eval", code(mark[3])),
        Do("os.mkfifo", mark[4]),
        Do("subprocess.call", ["touch", mark[5]]),
        Do("subprocess.check_output", ["touch", mark[6]]),
        Do("os.symlink", "/", mark[7]),
        Do("shutil.copy", str(script), mark[8]),
        Do("runpy.run_path", str(script)),
        Do("os.makedirs", mark[10]),
        Do("os.link", str(script), mark[11]),
        [{"deep": (Do("os.mkdir", mark[12]),)}],
        {Do("os.mkdir", mark[13]): 1},
        {"a": {Do("os.mkdir", mark[14])}},
    ]
    raw = [
        b"cos\nmkdir\n(V" + mark[15].encode() + b"\ntR.",  # GLOBAL, REDUCE
        b"(V" + mark[16].encode() + b"\nios\nmkdir\n.",  # INST
        b"(cos\nmkdir\nV" + mark[17].encode() + b"\no.",  # OBJ
        b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c" + bytes([len(mark[18])]) + mark[18].encode() + b"\x85R.",
        b"\x80\x02cos\nmkdir\nX" + len(mark[19]).to_bytes(4, "little") + mark[19].encode() + b"\x85R0N.",
        pickle.dumps(Do("os.mkdir", mark[20]), 0),
        pickle.dumps(Do("os.mkdir", mark[21]), 2),
    ]
    return [pickle.dumps(call, 5) for call in calls] + raw


def envelopes(body: bytes) -> list[bytes]:
    """*body* as a pickle, in the ways in which an attacker may store it."""
    import zstandard

    good = signer(("secret",), "vkcache")
    other = signer(("another",), "vkcache")
    salted = signer(("secret",), "another salt")
    assert good is not None
    assert other is not None
    assert salted is not None
    plain = wrap(1, 0, (), body)
    packed = wrap(1, 1, (), zstandard.ZstdCompressor().compress(body))
    unsigned = good.sign(wrap(0, 0, (), body), None)  # signed, but as msgpack
    return [
        one if isinstance(one, bytes) else one.to_bytes()
        for one in (
            body,
            plain,
            packed,
            plain.sign(bytes(16)),
            packed.sign(b"\xff" * 16),
            other.sign(plain, None),
            salted.sign(packed, None),
            good.sign(plain, b"another key"),
            Envelope(plain.tag | 2, unsigned.signature, b"", body),
            wrap(3, 0, ((1, b"pickle"),), body),
            wrap(3, 0, ((1, b"vkcache.pickle"),), body),
        )
    ]


READERS: list[Codec] = [
    codec(),
    codec(secrets=("secret",)),
    codec(secrets=("new", "secret"), serializer="pickle"),
    codec(secrets=("secret",), signing="all"),
    codec(signing="off", serializer="json"),
    codec(signing="off", serializer="msgpack", secrets=("secret",)),
    codec(format="bare", serializer=["json", "msgpack"]),
]


def test_hostile_pickles_do_run_when_loaded(tmp_path: Path) -> None:
    bodies = hostile(tmp_path)
    assert len(bodies) >= 20
    for body in bodies:
        before = len(list(tmp_path.iterdir()))
        with suppress(TypeError):  # a member that can not be hashed, after it ran
            pickle.loads(body)
        assert len(list(tmp_path.iterdir())) == before + 1


@pytest.mark.parametrize("reader", READERS, ids=range(len(READERS)))
def test_hostile_pickles_never_run(tmp_path: Path, reader: Codec) -> None:
    for body in hostile(tmp_path):
        for stored in envelopes(body):
            with pytest.raises(Undecodable):
                reader.decode(stored, b"key")
    assert [found.name for found in tmp_path.iterdir()] == ["script"]


def native(**settings: Any) -> Native:
    made = codec(**settings)
    assert isinstance(made, Native)
    return made


def test_every_secret_verifies_and_the_first_signs() -> None:
    old, new, both = (codec(secrets=secrets) for secrets in (("old",), ("new",), ("new", b"old")))
    assert both.decode(old.encode(PICKLED)) == PICKLED
    assert both.encode(PICKLED) == new.encode(PICKLED)
    assert new.decode(both.encode(PICKLED)) == PICKLED
    with pytest.raises(Undecodable, match="does not fit"):
        old.decode(both.encode(PICKLED))


def test_a_key_depends_on_secret_and_salt_and_nothing_else() -> None:
    stored = codec(secrets=("secret",)).encode(PICKLED)
    assert stored == codec(secrets=(b"secret",), signing_salt=b"vkcache").encode(PICKLED)
    assert stored == codec(secrets="secret").encode(PICKLED)  # type: ignore[arg-type]  # a mistake that is harmless
    for other in (codec(secrets=("secret ",)), codec(secrets=("secret",), signing_salt="x")):
        with pytest.raises(Undecodable):
            other.decode(stored)


@pytest.mark.parametrize("signing", ["pickles", "all"])
def test_every_byte_is_covered(signing: Any) -> None:
    made = native(secrets=("secret",), signing=signing)
    stored = made.encode_fields(PICKLED, ((200, b"field"),), b"key")
    assert made.decode(stored, b"key") == PICKLED
    for at in range(len(stored)):
        changed = stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]
        with pytest.raises(Undecodable):
            made.decode(changed, b"key")
        with pytest.raises(Undecodable):
            made.decode(stored[:at], b"key")


def test_without_a_secret_a_pickle_is_neither_written_nor_read() -> None:
    stored = codec(secrets=("secret",)).encode(PICKLED)
    with pytest.raises(Unencodable, match="secret="):
        codec().encode(PICKLED)
    with pytest.raises(Undecodable, match="secret="):
        codec().decode(stored, b"key")


def test_without_a_secret_plain_data_is_read_though_another_cache_signs_all() -> None:
    signed = codec(secrets=("secret",), signing="all").encode("plain", b"key")
    assert codec().decode(signed, b"key") == "plain"
    assert codec(secrets=("secret",)).decode(signed, b"key") == "plain"
    with pytest.raises(Undecodable):
        codec(secrets=("another",)).decode(signed, b"key")


ALL = native(secrets=("new", "old"), signing="all")


@pytest.mark.parametrize(
    "value", ["plain", {"a": 1}, PICKLED, "x" * 5000, True, 1.5], ids=lambda v: repr(v)[:10]
)
def test_bound_values_are_read_under_their_own_key_only(value: Any) -> None:
    stored = ALL.encode(value, b"key")
    assert ALL.decode(stored, b"key") == value
    for key in (b"", b"other", b"ke", b"key\0"):
        with pytest.raises(Undecodable, match="does not fit"):
            ALL.decode(stored, key)
    for unbound in (codec(secrets=("new",)), codec(signing="off")):
        with pytest.raises(Undecodable):
            ALL.decode(unbound.encode(value, b"key"), b"key")


def test_counters_are_never_signed() -> None:
    assert ALL.encode(5, b"key") == b"5"
    assert ALL.decode(b"5", b"other") == 5
    assert ALL.rebind(b"5", b"key", b"other") == b"5"


def test_rebinding_signs_for_the_new_key_with_the_first_secret() -> None:
    old = native(secrets=("old",), signing="all")
    stored = old.encode_fields(PICKLED, ((3, b"12345678"),), b"key")
    moved = ALL.rebind(stored, b"key", b"other")
    assert moved == native(secrets=("new",), signing="all").encode_fields(
        PICKLED, ((3, b"12345678"),), b"other"
    )
    with pytest.raises(Undecodable, match=r"^'elsewhere': "):
        ALL.rebind(stored, b"elsewhere", b"other")
    assert native(secrets=("old",)).rebind(stored, b"key", b"other") == stored
    assert codec(format="bare").rebind(stored, b"key", b"other") == stored


def test_a_cache_that_does_not_bind_reads_what_one_that_binds_wrote() -> None:
    made = codec(secrets=("old",))
    stored = native(secrets=("old",), signing="all").encode(PICKLED, b"key")
    assert made.decode(stored, b"key") == PICKLED
    with pytest.raises(Undecodable):
        made.decode(stored, b"other")


def test_off_neither_writes_nor_asks_for_a_signature() -> None:
    off = codec(signing="off", secrets=("secret",))
    assert off.encode(PICKLED)[1] == 0x40
    assert off.decode(off.encode(PICKLED)) == PICKLED
    assert off.decode(codec(secrets=("another",)).encode(PICKLED)) == PICKLED


@pytest.mark.parametrize(
    ("made", "runs", "bound"),
    [
        (codec(), False, False),
        (codec(secrets=("s",), serializer="pickle"), False, False),
        (codec(secrets=("s",), signing="all"), False, True),
        (codec(signing="off"), True, False),
        (codec(signing="off", serializer="json"), False, False),
        (codec(signing="off", serializer=["json", "pickle"]), True, False),
        (codec(format="bare"), True, False),
        (codec(format="bare", serializer="json"), False, False),
    ],
)
def test_a_codec_says_whether_it_runs_unsigned_code(made: Any, runs: bool, bound: bool) -> None:
    assert (made.runs_unsigned, made.bound) == (runs, bound)


@pytest.mark.parametrize(
    "settings",
    [
        {"signing": "all"},
        {"secrets": ("",)},
        {"secrets": ("good", b"")},
        {"format": "bare", "signing": "all"},
    ],
    ids=repr,
)
def test_contradictions_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"secret|native"):
        codec(**settings)


def test_no_key_is_shown() -> None:
    shown = repr(codec(secrets=("hunter2",)))
    keys = signer(("hunter2",), "vkcache")
    assert keys is not None
    assert "hunter2" not in shown
    assert repr(keys.keys[0]) not in shown


def test_equal_settings_make_equal_codecs() -> None:
    assert codec(secrets=("s",)) == codec(secrets=("s",))
    assert hash(codec()) == hash(codec())
    assert codec(secrets=("s",)) != codec(secrets=("t",))
