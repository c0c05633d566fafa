"""The lines of values, keys, scripts and whole caches; see `vkcache.shell.tables`."""

from __future__ import annotations

from vkcache.core import compound, flights, keys, locks, scripts, semaphores, server, strings
from vkcache.shell.binding import (
    awaited,
    awaited_hold,
    awaited_stream,
    command,
    either,
    hold,
    plan,
    stream,
)
from vkcache.shell.locks import AsyncLock, Lock
from vkcache.shell.semaphores import AsyncSemaphore, Semaphore
from vkcache.shell.spelled import spelled


class Strings:
    """Commands on values."""

    get = command(spelled(strings.get, stampede_prevention=""))
    getex = command(strings.getex)
    set = command(spelled(strings.set, stampede_prevention=""))
    add = command(spelled(strings.add, stampede_prevention=""))
    get_many = plan(spelled(strings.get_many, stampede_prevention=""))
    mget = plan(strings.mget)
    set_many = plan(spelled(strings.set_many, stampede_prevention=""))
    mset = plan(strings.mset)
    get_or_set = plan(spelled(flights.get_or_set, stampede_prevention=""))
    incr = either(compound.incr, strings.incr)
    decr = either(compound.decr, strings.decr)


class AwaitedStrings:
    """Commands on values, awaited."""

    aget = awaited(spelled(strings.get, stampede_prevention=""))
    agetex = awaited(strings.getex)
    aset = awaited(spelled(strings.set, stampede_prevention=""))
    aadd = awaited(spelled(strings.add, stampede_prevention=""))
    aget_many = awaited(spelled(strings.get_many, stampede_prevention=""))
    amget = awaited(strings.mget)
    aset_many = awaited(spelled(strings.set_many, stampede_prevention=""))
    amset = awaited(strings.mset)
    aget_or_set = awaited(spelled(flights.get_or_set, stampede_prevention=""))
    aincr = awaited(compound.incr)
    adecr = awaited(compound.decr)


class Keys:
    """Commands on keys of any kind."""

    delete = either(flights.delete, flights.delete_alone)
    delete_many = plan(flights.delete_many)
    has_key = command(keys.has_key)
    touch = command(spelled(keys.touch, stampede_prevention=""))
    expire = command(keys.expire)
    pexpire = command(keys.pexpire)
    expire_at = command(keys.expire_at)
    pexpire_at = command(keys.pexpire_at)
    expireat = command(keys.expire_at)
    pexpireat = command(keys.pexpire_at)
    expiretime = command(keys.expiretime)
    persist = command(keys.persist)
    ttl = command(keys.ttl)
    pttl = command(keys.pttl)
    type = command(keys.type)
    rename = either(compound.rename, compound.alone(keys.rename))
    renamenx = either(compound.renamenx, compound.alone(keys.renamenx))
    incr_version = either(compound.incr_version, compound.alone(keys.incr_version))
    decr_version = either(compound.decr_version, compound.alone(keys.decr_version))
    scan = plan(keys.scan)
    iter_keys = stream(spelled(keys.iter_keys, search="pattern"))
    # Last: from here on the name is the method, no longer the module.
    keys = plan(spelled(keys.keys, search="pattern"))


class AwaitedKeys:
    """Commands on keys of any kind, awaited."""

    adelete = awaited(flights.delete)
    adelete_many = awaited(flights.delete_many)
    ahas_key = awaited(keys.has_key)
    atouch = awaited(spelled(keys.touch, stampede_prevention=""))
    aexpire = awaited(keys.expire)
    apexpire = awaited(keys.pexpire)
    aexpire_at = awaited(keys.expire_at)
    apexpire_at = awaited(keys.pexpire_at)
    aexpireat = awaited(keys.expire_at)
    apexpireat = awaited(keys.pexpire_at)
    aexpiretime = awaited(keys.expiretime)
    apersist = awaited(keys.persist)
    attl = awaited(keys.ttl)
    apttl = awaited(keys.pttl)
    atype = awaited(keys.type)
    arename = awaited(compound.rename)
    arenamenx = awaited(compound.renamenx)
    aincr_version = awaited(compound.incr_version)
    adecr_version = awaited(compound.decr_version)
    ascan = awaited(keys.scan)
    aiter_keys = awaited_stream(spelled(keys.iter_keys, search="pattern"))
    akeys = awaited(spelled(keys.keys, search="pattern"))


class Locks:
    """What is held for a while."""

    lock = hold(spelled(locks.terms, lock_class=""), Lock, AsyncLock)
    get_lock = hold(spelled(locks.terms, lock_class=""), Lock, AsyncLock)
    semaphore = hold(semaphores.terms, Semaphore, AsyncSemaphore)


class AwaitedLocks:
    """What is held for a while, by tasks."""

    alock = awaited_hold(spelled(locks.terms, lock_class=""), AsyncLock)
    aget_lock = awaited_hold(spelled(locks.terms, lock_class=""), AsyncLock)
    asemaphore = awaited_hold(semaphores.terms, AsyncSemaphore)


class Scripts:
    """Scripts of the user's own."""

    eval_script = plan(scripts.eval_script)


class AwaitedScripts:
    """Scripts of the user's own, awaited."""

    aeval_script = awaited(scripts.eval_script)


class Whole:
    """What works on all keys of a cache, or on its server."""

    delete_pattern = plan(keys.delete_pattern)
    clear = plan(keys.clear)
    reinsert_keys = plan(compound.reinsert_keys)
    clear_all_versions = plan(keys.clear_all_versions)
    flush_db = plan(server.flush_db)
    info = plan(server.info)
    slowlog_get = plan(server.slowlog_get)
    slowlog_len = plan(server.slowlog_len)


class AwaitedWhole:
    """What works on all keys of a cache, or on its server, awaited."""

    adelete_pattern = awaited(keys.delete_pattern)
    aclear = awaited(keys.clear)
    areinsert_keys = awaited(compound.reinsert_keys)
    aclear_all_versions = awaited(keys.clear_all_versions)
    aflush_db = awaited(server.flush_db)
    ainfo = awaited(server.info)
    aslowlog_get = awaited(server.slowlog_get)
    aslowlog_len = awaited(server.slowlog_len)
