"""The scripts that make several commands one atomic step.

What may enter: Lua over ``redis.call`` (Valkey and Redis run it), on keys of one hash slot, all of
them declared. A script is sent whole (EVAL): it then works in pipelines and transactions and is
never unknown to a server.
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
