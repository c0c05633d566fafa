"""The lines of data structures, a class for each group of valkey's commands; see `vkcache.shell.tables`."""

from __future__ import annotations

from vkcache.core import (
    bitmaps,
    compound,
    geo,
    hashes,
    hyperloglog,
    lists,
    sets,
    sortedsets,
    streamgroups,
    streams,
)
from vkcache.shell.binding import awaited, awaited_stream, command, either, plan, stream
from vkcache.shell.spelled import spelled


class Hashes:
    """Commands on hashes."""

    hset = command(spelled(hashes.hset, name="key", key="field"))
    hmset = command(hashes.hmset)
    hsetnx = command(hashes.hsetnx)
    hdel = command(spelled(hashes.hdel, name="key", key="fields", field="fields"))
    hexists = command(spelled(hashes.hexists, name="key", key="field"))
    hget = command(hashes.hget)
    hmget = command(hashes.hmget)
    hgetall = command(hashes.hgetall)
    hkeys = command(spelled(hashes.hkeys, name="key"))
    hvals = command(hashes.hvals)
    hlen = command(spelled(hashes.hlen, name="key"))
    hincrby = command(hashes.hincrby)
    hincrbyfloat = either(compound.hincrbyfloat, hashes.hincrbyfloat)
    hrandfield = command(hashes.hrandfield)
    hscan = command(hashes.hscan)
    hscan_iter = stream(hashes.hscan_iter)


class AwaitedHashes:
    """Commands on hashes, awaited."""

    ahset = awaited(spelled(hashes.hset, name="key", key="field"))
    ahmset = awaited(hashes.hmset)
    ahsetnx = awaited(hashes.hsetnx)
    ahdel = awaited(spelled(hashes.hdel, name="key", key="fields", field="fields"))
    ahexists = awaited(spelled(hashes.hexists, name="key", key="field"))
    ahget = awaited(hashes.hget)
    ahmget = awaited(hashes.hmget)
    ahgetall = awaited(hashes.hgetall)
    ahkeys = awaited(spelled(hashes.hkeys, name="key"))
    ahvals = awaited(hashes.hvals)
    ahlen = awaited(spelled(hashes.hlen, name="key"))
    ahincrby = awaited(hashes.hincrby)
    ahincrbyfloat = awaited(compound.hincrbyfloat)
    ahrandfield = awaited(hashes.hrandfield)
    ahscan = awaited(hashes.hscan)
    ahscan_iter = awaited_stream(hashes.hscan_iter)


class Lists:
    """Commands on lists."""

    llen = command(lists.llen)
    lpush = command(lists.lpush)
    rpush = command(lists.rpush)
    lpop = command(lists.lpop)
    rpop = command(lists.rpop)
    lindex = command(lists.lindex)
    lrange = command(lists.lrange)
    lset = command(lists.lset)
    ltrim = command(lists.ltrim)
    lrem = command(lists.lrem)
    lpos = command(lists.lpos)
    linsert = command(lists.linsert)
    lmove = command(lists.lmove)
    blpop = plan(spelled(lists.blpop))
    brpop = plan(spelled(lists.brpop))
    blmove = plan(lists.blmove)


class AwaitedLists:
    """Commands on lists, awaited."""

    allen = awaited(lists.llen)
    alpush = awaited(lists.lpush)
    arpush = awaited(lists.rpush)
    alpop = awaited(lists.lpop)
    arpop = awaited(lists.rpop)
    alindex = awaited(lists.lindex)
    alrange = awaited(lists.lrange)
    alset = awaited(lists.lset)
    altrim = awaited(lists.ltrim)
    alrem = awaited(lists.lrem)
    alpos = awaited(lists.lpos)
    alinsert = awaited(lists.linsert)
    almove = awaited(lists.lmove)
    ablpop = awaited(spelled(lists.blpop))
    abrpop = awaited(spelled(lists.brpop))
    ablmove = awaited(lists.blmove)


class Sets:
    """Commands on sets."""

    sadd = command(sets.sadd)
    srem = command(sets.srem)
    smembers = command(sets.smembers)
    sismember = command(sets.sismember)
    smismember = command(sets.smismember)
    scard = command(sets.scard)
    spop = command(sets.spop)
    srandmember = command(sets.srandmember)
    smove = command(spelled(sets.smove, source="src", destination="dst"))
    sdiff = command(spelled(sets.sdiff))
    sdiffstore = command(spelled(sets.sdiffstore))
    sinter = command(spelled(sets.sinter))
    sinterstore = command(spelled(sets.sinterstore))
    sunion = command(spelled(sets.sunion))
    sunionstore = command(spelled(sets.sunionstore, destination="dest"))
    sscan = command(sets.sscan)
    sscan_iter = stream(sets.sscan_iter)


class AwaitedSets:
    """Commands on sets, awaited."""

    asadd = awaited(sets.sadd)
    asrem = awaited(sets.srem)
    asmembers = awaited(sets.smembers)
    asismember = awaited(sets.sismember)
    asmismember = awaited(sets.smismember)
    ascard = awaited(sets.scard)
    aspop = awaited(sets.spop)
    asrandmember = awaited(sets.srandmember)
    asmove = awaited(spelled(sets.smove, source="src", destination="dst"))
    asdiff = awaited(spelled(sets.sdiff))
    asdiffstore = awaited(spelled(sets.sdiffstore))
    asinter = awaited(spelled(sets.sinter))
    asinterstore = awaited(spelled(sets.sinterstore))
    asunion = awaited(spelled(sets.sunion))
    asunionstore = awaited(spelled(sets.sunionstore, destination="dest"))
    asscan = awaited(sets.sscan)
    asscan_iter = awaited_stream(sets.sscan_iter)


class SortedSets:
    """Commands on sorted sets."""

    zadd = command(sortedsets.zadd)
    zcard = command(sortedsets.zcard)
    zcount = command(spelled(sortedsets.zcount, min_score="min", max_score="max"))
    zincrby = command(spelled(sortedsets.zincrby, value="member"))
    zrange = command(sortedsets.zrange)
    zrange_withscores = command(sortedsets.zrange_withscores)
    zrevrange = command(sortedsets.zrevrange)
    zrangebyscore = command(spelled(sortedsets.zrangebyscore, min_score="min", max_score="max"))
    zrangebyscore_withscores = command(sortedsets.zrangebyscore_withscores)
    zrevrangebyscore = command(spelled(sortedsets.zrevrangebyscore, min_score="min", max_score="max"))
    zrank = command(spelled(sortedsets.zrank, value="member"))
    zrevrank = command(sortedsets.zrevrank)
    zrem = command(sortedsets.zrem)
    zremrangebyrank = command(sortedsets.zremrangebyrank)
    zremrangebyscore = command(spelled(sortedsets.zremrangebyscore, min_score="min", max_score="max"))
    zscore = command(spelled(sortedsets.zscore, value="member"))
    zmscore = command(sortedsets.zmscore)
    zpopmin = command(sortedsets.zpopmin)
    zpopmax = command(sortedsets.zpopmax)
    zscan = command(sortedsets.zscan)
    zscan_iter = stream(sortedsets.zscan_iter)


class AwaitedSortedSets:
    """Commands on sorted sets, awaited."""

    azadd = awaited(sortedsets.zadd)
    azcard = awaited(sortedsets.zcard)
    azcount = awaited(spelled(sortedsets.zcount, min_score="min", max_score="max"))
    azincrby = awaited(spelled(sortedsets.zincrby, value="member"))
    azrange = awaited(sortedsets.zrange)
    azrange_withscores = awaited(sortedsets.zrange_withscores)
    azrevrange = awaited(sortedsets.zrevrange)
    azrangebyscore = awaited(spelled(sortedsets.zrangebyscore, min_score="min", max_score="max"))
    azrangebyscore_withscores = awaited(sortedsets.zrangebyscore_withscores)
    azrevrangebyscore = awaited(spelled(sortedsets.zrevrangebyscore, min_score="min", max_score="max"))
    azrank = awaited(spelled(sortedsets.zrank, value="member"))
    azrevrank = awaited(sortedsets.zrevrank)
    azrem = awaited(sortedsets.zrem)
    azremrangebyrank = awaited(sortedsets.zremrangebyrank)
    azremrangebyscore = awaited(spelled(sortedsets.zremrangebyscore, min_score="min", max_score="max"))
    azscore = awaited(spelled(sortedsets.zscore, value="member"))
    azmscore = awaited(sortedsets.zmscore)
    azpopmin = awaited(sortedsets.zpopmin)
    azpopmax = awaited(sortedsets.zpopmax)
    azscan = awaited(sortedsets.zscan)
    azscan_iter = awaited_stream(sortedsets.zscan_iter)


class Streams:
    """Commands on streams."""

    xadd = command(spelled(streams.xadd, entry_id="id"))
    xtrim = command(streams.xtrim)
    xlen = command(streams.xlen)
    xdel = command(streams.xdel)
    xrange = command(streams.xrange)
    xrevrange = command(streams.xrevrange)
    xread = plan(streams.xread)
    xinfo_stream = command(streams.xinfo_stream)
    xgroup_create = command(spelled(streamgroups.xgroup_create, entry_id="id"))
    xgroup_destroy = command(streamgroups.xgroup_destroy)
    xgroup_delconsumer = command(streamgroups.xgroup_delconsumer)
    xgroup_setid = command(spelled(streamgroups.xgroup_setid, entry_id="id"))
    xreadgroup = plan(streamgroups.xreadgroup)
    xack = command(streamgroups.xack)
    xpending = command(streamgroups.xpending)
    xpending_range = command(streamgroups.xpending_range)
    xclaim = command(spelled(streamgroups.xclaim, entry_ids="ids"))
    xautoclaim = command(spelled(streamgroups.xautoclaim, start_id="start"))
    xinfo_groups = command(streamgroups.xinfo_groups)
    xinfo_consumers = command(streamgroups.xinfo_consumers)


class AwaitedStreams:
    """Commands on streams, awaited."""

    axadd = awaited(spelled(streams.xadd, entry_id="id"))
    axtrim = awaited(streams.xtrim)
    axlen = awaited(streams.xlen)
    axdel = awaited(streams.xdel)
    axrange = awaited(streams.xrange)
    axrevrange = awaited(streams.xrevrange)
    axread = awaited(streams.xread)
    axinfo_stream = awaited(streams.xinfo_stream)
    axgroup_create = awaited(spelled(streamgroups.xgroup_create, entry_id="id"))
    axgroup_destroy = awaited(streamgroups.xgroup_destroy)
    axgroup_delconsumer = awaited(streamgroups.xgroup_delconsumer)
    axgroup_setid = awaited(spelled(streamgroups.xgroup_setid, entry_id="id"))
    axreadgroup = awaited(streamgroups.xreadgroup)
    axack = awaited(streamgroups.xack)
    axpending = awaited(streamgroups.xpending)
    axpending_range = awaited(streamgroups.xpending_range)
    axclaim = awaited(spelled(streamgroups.xclaim, entry_ids="ids"))
    axautoclaim = awaited(spelled(streamgroups.xautoclaim, start_id="start"))
    axinfo_groups = awaited(streamgroups.xinfo_groups)
    axinfo_consumers = awaited(streamgroups.xinfo_consumers)


class Bitmaps:
    """Commands on bitmaps."""

    setbit = command(bitmaps.setbit)
    getbit = command(bitmaps.getbit)
    bitcount = command(bitmaps.bitcount)
    bitop = command(bitmaps.bitop)


class AwaitedBitmaps:
    """Commands on bitmaps, awaited."""

    asetbit = awaited(bitmaps.setbit)
    agetbit = awaited(bitmaps.getbit)
    abitcount = awaited(bitmaps.bitcount)
    abitop = awaited(bitmaps.bitop)


class HyperLogLogs:
    """Commands on HyperLogLogs."""

    pfadd = command(hyperloglog.pfadd)
    pfcount = command(hyperloglog.pfcount)
    pfmerge = command(hyperloglog.pfmerge)


class AwaitedHyperLogLogs:
    """Commands on HyperLogLogs, awaited."""

    apfadd = awaited(hyperloglog.pfadd)
    apfcount = awaited(hyperloglog.pfcount)
    apfmerge = awaited(hyperloglog.pfmerge)


class Geo:
    """Commands on places."""

    geoadd = command(geo.geoadd)
    geodist = command(geo.geodist)
    geopos = command(geo.geopos)
    geosearch = command(geo.geosearch)
    geosearch_with = command(geo.geosearch_with)


class AwaitedGeo:
    """Commands on places, awaited."""

    ageoadd = awaited(geo.geoadd)
    ageodist = awaited(geo.geodist)
    ageopos = awaited(geo.geopos)
    ageosearch = awaited(geo.geosearch)
    ageosearch_with = awaited(geo.geosearch_with)
