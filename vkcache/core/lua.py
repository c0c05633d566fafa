"""The scripts that make several commands one atomic step.

What may enter: Lua over ``redis.call`` (Valkey and Redis run it), on keys of one hash slot, all of
them declared. A script that is one command is sent whole (EVAL): it then works in pipelines and
transactions and is never unknown to a server. Those of plans are sent by their digest.
"""

from __future__ import annotations

from typing import Final

# KEYS[1], ARGV[1]: delta, ARGV[2]: '1' where a missing key is created.
# nil: missing. A string: the new number, which as a Lua number would lose digits above 2**53.
# An array with the stored string: not a number that the server can add to.
INCR: Final = b"""\
if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS[1]) == 0 then return false end
local reply = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(reply) ~= 'table' then return redis.call('GET', KEYS[1]) end
local said = tostring(reply.err)
if string.find(said, 'integer', 1, true) or string.find(said, 'overflow', 1, true) then
  return {redis.call('GET', KEYS[1])}
end
return reply"""

_SET_OR_END = b"""
if ARGV[3] then redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
else redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') end
return 1"""

# KEYS[1], ARGV[1]: what must be stored, ARGV[2]: what is stored then, with the same time to live, or ARGV[3]:
# until when, in ms of Unix time.
SWAP: Final = b"if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end" + _SET_OR_END

# The same, ARGV[1]: the SHA-1 of what must be stored.
SWAP_LARGE: Final = (
    b"""\
local stored = redis.call('GET', KEYS[1])
if not stored or redis.sha1hex(stored) ~= ARGV[1] then return 0 end"""
    + _SET_OR_END
)

# The same for elements of what is no string. KEYS[1], ARGV: three for each: its field or index or '', what
# must be stored in it, what is stored then. An array with a number for each: 0: something else is stored
# there, 1: done, 2: what is stored then was an element already, and is one with it now. What is new comes
# before what is old goes, so that the key is never empty, which would end it and its time to live.

# Of a hash. A field that expires by itself does so when it would have; not every server has such fields.
SWAP_FIELDS: Final = b"""\
local done = {}
for at = 1, #ARGV, 3 do
  local same = redis.call('HGET', KEYS[1], ARGV[at]) == ARGV[at + 1]
  if same then
    local ends = redis.pcall('HPEXPIRETIME', KEYS[1], 'FIELDS', 1, ARGV[at])
    if ends.err and not string.find(string.lower(tostring(ends.err)), 'unknown', 1, true) then return ends end
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 2])
    local left = tonumber(ends[1]) or -1
    if left > 0 then
      redis.call('HPEXPIREAT', KEYS[1], string.format('%.0f', left), 'FIELDS', 1, ARGV[at])
    end
  end
  done[#done + 1] = same and 1 or 0
end
return done"""

# Of a list: at this index, and the indexes rise. Where it has moved, another that holds the same is as good.
SWAP_ITEMS: Final = b"""\
local done = {}
local first = tonumber(ARGV[1])
local held = redis.call('LRANGE', KEYS[1], first, ARGV[#ARGV - 2])
for at = 1, #ARGV, 3 do
  local same = held[ARGV[at] - first + 1] == ARGV[at + 1]
  if same then redis.call('LSET', KEYS[1], ARGV[at], ARGV[at + 2]) end
  done[#done + 1] = same and 1 or 0
end
return done"""

_SWAP_EACH: Final = b"""\
local done = {}
for at = 1, #ARGV, 3 do
  local state = 0
  local found = %b
  if found then
    state = 2 - %b
    redis.call(%b, KEYS[1], ARGV[at + 1])
  end
  done[#done + 1] = state
end
return done"""

# Of a set.
SWAP_MEMBERS: Final = _SWAP_EACH % (
    b"redis.call('SISMEMBER', KEYS[1], ARGV[at + 1]) == 1",
    b"redis.call('SADD', KEYS[1], ARGV[at + 2])",
    b"'SREM'",
)

# Of a sorted set: with the score that it has. One that was there keeps its own, which is the newer:
# whoever writes today writes that member, and not the old one.
SWAP_RANKED: Final = _SWAP_EACH % (
    b"redis.call('ZSCORE', KEYS[1], ARGV[at + 1])",
    b"redis.call('ZADD', KEYS[1], 'NX', found, ARGV[at + 2])",
    b"'ZREM'",
)

# KEYS[1]: source, KEYS[2]: destination, ARGV[1]: what must be stored at the source, ARGV[2]: what is
# stored at the destination then, with the source's time to live, ARGV[3]: '1' where nothing may be there.
# 0: something else is stored at the source. 1: done. 2: something is stored at the destination.
MOVE: Final = b"""\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '1' and redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('SET', KEYS[2], ARGV[2], 'KEEPTTL')
return 1"""

# KEYS[1]: a hash, ARGV[1]: a field, ARGV[2]: what must be stored in it, ARGV[3]: the number that it
# means, in a notation that the server adds to, ARGV[4]: what is added.
# 0: something else is stored. A string: the sum.
ADD_FLOAT: Final = b"""\
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return redis.call('HINCRBYFLOAT', KEYS[1], ARGV[1], ARGV[4])"""

# KEYS[1]: 1 where the key is there, which then never expires.
PERSIST: Final = b"""\
redis.call('PERSIST', KEYS[1])
return redis.call('EXISTS', KEYS[1])"""


# A wake-up that can not be left, as where memory is short, is none: who waits looks again before long.

# A lock is a string: '1' where somebody waits for it, else '0', then its owner's token. So what waiters
# leave behind goes with the lease. The list beside it holds a wake-up for one of them.

# KEYS[1]: the lock, ARGV[1]: the owner's token, ARGV[2]: the lease in ms, ARGV[3]: '1' where the caller
# has waited, so that others may wait still, ARGV[4]: '1' where it will wait if it must.
# 0: another holds it. Another number: the fencing token, the server's clock in microseconds.
ACQUIRE: Final = b"""\
local held = redis.call('SET', KEYS[1], ARGV[3] .. ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
if held then
  if ARGV[4] == '1' and string.sub(held, 1, 1) == '0' then redis.call('SETRANGE', KEYS[1], 0, '1') end
  return 0
end
local now = redis.call('TIME')
return now[1] * 1000000 + now[2]"""

# KEYS[1]: the lock, KEYS[2]: the wake-ups, ARGV[1]: the owner's token, ARGV[2]: how many ms a wake-up
# lives for which nobody comes. 1: it was held with this token and is free now. 0: it was not.
RELEASE: Final = b"""\
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 2) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if string.sub(held, 1, 1) == '1' then
  redis.pcall('RPUSH', KEYS[2], '')
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1"""

# The same after an acquire that did not end, ARGV[3]: '1' where it has waited. What woke it, if
# something did, goes to another waiter; a list of many such would wake the next one in vain.
ABANDON: Final = b"""\
local held = redis.call('GET', KEYS[1])
local wake = ARGV[3] == '1'
if held and string.sub(held, 2) ~= ARGV[1] then
  if wake then redis.call('SETRANGE', KEYS[1], 0, '1') end
  return 0
end
if held then
  redis.call('DEL', KEYS[1])
  wake = wake or string.sub(held, 1, 1) == '1'
end
if wake and redis.call('EXISTS', KEYS[2]) == 0 then
  redis.pcall('RPUSH', KEYS[2], '')
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1"""

# KEYS[1]: the lock, ARGV[1]: the owner's token, ARGV[2]: ms, ARGV[3]: '+' where these are added to what
# the lease has left, '=' where they are all that it has, '>' where it has them at least.
# 1: done. 0: the lock is not held with this token.
EXTEND: Final = b"""\
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 2) ~= ARGV[1] then return 0 end
local lease = tonumber(ARGV[2])
local left = ARGV[3] == '=' and 0 or redis.call('PTTL', KEYS[1])
if ARGV[3] == '+' then lease = lease + left end
if ARGV[3] ~= '>' or lease > left then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease)) end
return 1"""


# A flight is a hash beside a value, there while somebody computes it. 'epoch' is the token of who was the
# first to compute since the value was last deleted, and when: it is shared by those who take over, and any of
# them may land. 'holder' is the token of who computes now, 'until' when others take over, in ms of the
# server's clock, 'waited' is there where somebody waits. News are '+' and what was stored, or '-': look
# again.

# KEYS[1]: the value, KEYS[2]: the flight, ARGV[1]: the SHA-1 of stored bytes that are no answer, or '',
# ARGV[2]: the caller's token, ARGV[3]: the lease in ms, ARGV[4]: for how many ms more the flight is known,
# ARGV[5]: the holder that the caller waits for no longer, or '', ARGV[6]: '1' where it would wait.
# {'value', bytes}: it is there. {'lease', epoch, the SHA-1 of what is stored, or ''}: the caller is to
# compute. {'wait', epoch, holder, ms}: another does, and has so long left.
LEASE: Final = b"""\
local stored = redis.call('GET', KEYS[1])
local sum = stored and redis.sha1hex(stored) or ''
if stored and sum ~= ARGV[1] then return {'value', stored} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local flight = redis.call('HMGET', KEYS[2], 'epoch', 'holder', 'until')
local left = (tonumber(flight[3]) or 0) - now
if flight[1] and flight[2] and left > 0 and flight[2] ~= ARGV[5] and flight[2] ~= ARGV[2] then
  if ARGV[6] == '1' then redis.call('HSET', KEYS[2], 'waited', '1') end
  return {'wait', flight[1], flight[2], math.min(left, 2^53)}
end
local epoch = flight[1] or ARGV[2] .. string.format('-%.0f', time[1] * 1000000 + time[2])
local ends = string.format('%.0f', now + ARGV[3])
redis.call('HSET', KEYS[2], 'epoch', epoch, 'holder', ARGV[2], 'until', ends)
redis.call('PEXPIRE', KEYS[2], ARGV[3] + ARGV[4])
return {'lease', epoch, sum}"""

# KEYS[1]: the value, KEYS[2]: the flight, KEYS[3]: the news of its epoch, ARGV[1]: the epoch, ARGV[2]: the
# SHA-1 of what was stored when the lease was given, or '', ARGV[3]: what was computed, ARGV[4]: for how many
# ms it is stored, '' for ever, ARGV[5]: for how many ms news are there for those who wait.
# 1: stored, also where what was there has expired meanwhile. Else it was deleted or set: {bytes} what is
# stored now, 0: nothing.
LAND: Final = b"""\
local flight = redis.call('HMGET', KEYS[2], 'epoch', 'waited')
local known = flight[1] == ARGV[1]
local stored = redis.call('GET', KEYS[1])
local same = not stored or redis.sha1hex(stored) == ARGV[2]
local news = '-'
if known then redis.call('DEL', KEYS[2]) end
if known and same then
  if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3])
  elseif tonumber(ARGV[4]) > 0 then redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  else redis.call('UNLINK', KEYS[1]) end
  news = '+' .. ARGV[3]
end
if (flight[2] or not known) and redis.call('EXISTS', KEYS[3]) == 0 then
  redis.pcall('RPUSH', KEYS[3], news)
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
if news ~= '-' then return 1 end
return stored and not same and {stored} or 0"""

# KEYS[1]: the flight, KEYS[2]: the news of its epoch, ARGV[1]: the token of who will not land, ARGV[2]: for
# how many ms news are there. 1: it was the holder, and the flight is over. 0: it was not.
LEAVE: Final = b"""\
local flight = redis.call('HMGET', KEYS[1], 'holder', 'waited')
if flight[1] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if flight[2] then
  redis.pcall('RPUSH', KEYS[2], '-')
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1"""

# KEYS[1]: a key, KEYS[2]: its flight, which then lands no more. How many keys are gone: 0 or 1.
REMOVE: Final = b"""\
redis.call('UNLINK', KEYS[2])
return redis.call('UNLINK', KEYS[1])"""


# A semaphore is four keys: who holds permits (a sorted set of tokens by the end of their leases, in ms of
# the server's clock), who waits (by the us in which they came), until when those who wait are taken for
# alive (in ms), and a hash of how many permits each token is for. Who is overdue is dropped by whoever
# comes next. The scripts answer who of those that wait can be served next, or '': that one is to be woken.
# All four are kept for equally long: one that ended sooner would leave in the hash what nobody drops. Where a
# server has evicted one of them, a holder of whom it is not known how many it has may have all, and who
# waits and is not known to be alive has to come again.
_SEMAPHORE: Final = b"""\
local time = redis.call('TIME')
local now, moment = time[1] * 1000 + math.floor(time[2] / 1000), time[1] * 1000000 + time[2]
local function whole(number) return string.format('%.0f', number) end
local function drop(token)
  local held = redis.call('ZREM', KEYS[1], token)
  redis.call('ZREM', KEYS[2], token)
  redis.call('ZREM', KEYS[3], token)
  redis.call('HDEL', KEYS[4], token)
  return held
end
for _, leases in ipairs({KEYS[1], KEYS[3]}) do
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do drop(token) end
end
local function free(capacity)
  local holders = redis.call('ZRANGE', KEYS[1], 0, -1)
  for at = 1, #holders, 1000 do
    local some = redis.call('HMGET', KEYS[4], unpack(holders, at, math.min(at + 999, #holders)))
    for _, weight in ipairs(some) do
      capacity = capacity - (weight or capacity)
    end
  end
  return capacity
end
local function first(left)
  local token = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  while token and token ~= ARGV[1] and not redis.call('ZSCORE', KEYS[3], token) do
    drop(token)
    token = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  end
  return token and tonumber(redis.call('HGET', KEYS[4], token) or 0) <= left and token or ''
end
local function keep(longest)
  longest = math.max(longest, redis.call('PTTL', KEYS[4]))
  for _, key in ipairs(KEYS) do
    if redis.call('PTTL', key) < longest then redis.call('PEXPIRE', key, whole(longest)) end
  end
end
"""

# ARGV[1]: the caller's token, ARGV[2]: for how many permits, ARGV[3]: how many there are, ARGV[4]: the lease
# in ms, ARGV[5]: for how many ms the caller's place among those who wait is kept; '0' where it will not wait.
# {fence, next}: it holds them; fence: the server's clock in us, greater every time. {0, next}: it does not.
TAKE: Final = (
    _SEMAPHORE
    + b"""\
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
  local place = last and math.max(last + 1, moment) or moment
  redis.call('ZADD', KEYS[2], whole(place), ARGV[1])
end
redis.call('HSET', KEYS[4], ARGV[1], ARGV[2])
local fence, left = 0, free(tonumber(ARGV[3]))
if first(left) == ARGV[1] then
  left = left - ARGV[2]
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZADD', KEYS[1], whole(now + ARGV[4]), ARGV[1])
end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then fence = moment
elseif ARGV[5] == '0' then drop(ARGV[1])
else redis.call('ZADD', KEYS[3], whole(now + ARGV[5]), ARGV[1]) end
keep(math.max(ARGV[4], ARGV[5]))
return {fence, first(left)}"""
)

# ARGV[1]: the caller's token, ARGV[2]: how many permits there are. {1, next}: it held some, and they are
# free now. {0, next}: it did not, nor does it wait any more.
GIVE: Final = (
    _SEMAPHORE
    + b"""\
return {drop(ARGV[1]), first(free(tonumber(ARGV[2])))}"""
)

# ARGV[1]: the caller's token, ARGV[2]: the lease in ms. 1: it ends so late now. 0: it had ended.
KEEP: Final = (
    _SEMAPHORE
    + b"""\
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], whole(now + ARGV[2]), ARGV[1])
keep(ARGV[2])
return 1"""
)

# KEYS[1]: a list on which one waits, ARGV[1]: for how many ms the wake-up is there.
WAKE: Final = b"""\
redis.pcall('RPUSH', KEYS[1], '')
return redis.call('PEXPIRE', KEYS[1], ARGV[1])"""
