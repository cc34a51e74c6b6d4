//! Scripts that Redis runs as one step, where it has no command. `rules.rs` has the same rules.

/// Writes ARGV[2] if the value is ARGV[1], for ARGV[3] milliseconds if given.
pub(crate) const PUT_IF: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1";

/// Adds ARGV[1]. A new number expires after ARGV[2] milliseconds. Answers the sum as text, because a number of
/// Lua has only 53 bits.
pub(crate) const ADD: &str = "\
local is_new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
if is_new then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])";

/// Takes one use with the interval ARGV[1] and the burst ARGV[2]. Answers whether it is allowed, and three times
/// in microseconds: what is left, until the bucket is full, until the next use.
pub(crate) const TAKE: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval = tonumber(ARGV[1])
local before = tonumber(redis.call('GET', KEYS[1]) or now) or now
if before < now then before = now end
local after = before + interval
local latest = now + interval * tonumber(ARGV[2])
if after > latest then return {0, 0, before - now, after - latest} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {1, latest - after, after - now, 0}";
