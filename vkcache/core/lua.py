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

# KEYS[1], ARGV[1]: what must be stored, ARGV[2]: what is stored then, with the same time to live.
SWAP: Final = b"""\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1"""

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
  redis.call('RPUSH', KEYS[2], '')
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
  redis.call('RPUSH', KEYS[2], '')
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
