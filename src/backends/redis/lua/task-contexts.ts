/** Scripts of task contexts (T1-T3): `x:<context>` holds versions, `xv:` their numbers, `xl:` their long texts, `xs:` the sessions that share it. */
import { COMMON, LEASE, REMOVAL, SESSION } from "./parts.js";
import { Script } from "./script.js";

/** `ARGV`: session, token, version that is expected, id for a new context, versions to keep, size and metadata, content. `P` when pieces of a long text are not there. */
export const STORE_CONTEXT: Script = new Script("write", [
  COMMON,
  SESSION,
  LEASE,
  `
local id, token, expected, keep = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[7])
local h = headOf(id)
if not h then return { 'N' } end
if token ~= '' then
  local lease = call('GET', B .. 'ls:' .. id)
  if tokenOf(lease) ~= token then return { 'F', lease } end
end
local context = h[4] or ARGV[6]
local x, xl = B .. 'x:' .. context, B .. 'xl:' .. context
if not isSent(ARGV[9]) then return { 'P' } end
local newest = call('HGET', x, 'n') or '0'
if expected ~= '' and expected ~= newest then return { 'V', newest } end
local version = tonumber(newest) + 1
if not h[4] then
  call('HSET', B .. 's:' .. id, 'x', context)
  call('SADD', B .. 'xs:' .. context, id)
  call('ZADD', B .. 'xi', 0, context)
end
call('HSET', x, 'n', int(version), 'i' .. int(version), int(now()) .. ' ' .. ARGV[8], 'c' .. int(version), ARGV[9])
call('ZADD', B .. 'xv:' .. context, int(version), int(version))
local dropped = call('ZRANGEBYSCORE', B .. 'xv:' .. context, '-inf', int(version - keep))
local mayBeLong = call('EXISTS', xl) == 1
for _, old in ipairs(dropped) do
  local text = mayBeLong and call('HGET', x, 'c' .. old)
  if text then dropLong(xl, text) end
  call('HDEL', x, 'i' .. old, 'c' .. old)
end
keepLong(xl, ARGV[9])
if #dropped > 0 then call('ZREMRANGEBYSCORE', B .. 'xv:' .. context, '-inf', int(version - keep)) end
stamp(id, h)
return { 'O', int(version), int(now()) }
`,
]);

/** `ARGV`: session, version or nothing for the newest. Gives version, info, content. */
export const GET_CONTEXT: Script = new Script("read", [
  COMMON,
  SESSION,
  `
local h = headOf(ARGV[3])
if not h or not h[4] then return {} end
local x = B .. 'x:' .. h[4]
local version = ARGV[4] == '' and call('HGET', x, 'n') or ARGV[4]
if not version then return {} end
local found = call('HMGET', x, 'i' .. version, 'c' .. version)
if not found[1] then return {} end
return { version, found[1], found[2] }
`,
]);

/** `ARGV`: session, limit, exclusive upper bound or nothing. Gives version and info for each, newest first. */
export const LIST_CONTEXTS: Script = new Script("read", [
  COMMON,
  SESSION,
  `
local h = headOf(ARGV[3])
if not h or not h[4] then return {} end
local x, xv = B .. 'x:' .. h[4], B .. 'xv:' .. h[4]
local high, found = ARGV[5] == '' and '+inf' or '(' .. ARGV[5], {}
for n, version in ipairs(call('ZREVRANGEBYSCORE', xv, high, '-inf', 'LIMIT', 0, ARGV[4])) do
  found[2 * n - 1], found[2 * n] = version, call('HGET', x, 'i' .. version)
end
return found
`,
]);

/** `ARGV`: session that gives, session that takes, id for a new context. */
export const SHARE_CONTEXT: Script = new Script("write", [
  COMMON,
  SESSION,
  REMOVAL,
  `
local from, other = headOf(ARGV[3]), headOf(ARGV[4])
if not from then return { 'N', ARGV[3] } end
if not other then return { 'N', ARGV[4] } end
local context = from[4] or ARGV[5]
if not from[4] then
  call('HSET', B .. 's:' .. ARGV[3], 'x', context)
  call('SADD', B .. 'xs:' .. context, ARGV[3])
  call('ZADD', B .. 'xi', 0, context)
end
if other[4] ~= context then
  if other[4] then leaveContext(other[4], ARGV[4]) end
  call('HSET', B .. 's:' .. ARGV[4], 'x', context)
  call('SADD', B .. 'xs:' .. context, ARGV[4])
end
stamp(ARGV[4], other)
return { 'O' }
`,
]);

/** `ARGV`: where the page before ended, limit. Gives ids of contexts. */
export const PAGE_CONTEXTS: Script = new Script("read", [
  COMMON,
  `
return call('ZRANGEBYLEX', B .. 'xi', ARGV[3] == '' and '-' or '(' .. ARGV[3], '+', 'LIMIT', 0, ARGV[4])
`,
]);

/** `ARGV`: context, version from which on, limit. Gives version, info, content for each of a context that a session has. */
export const PAGE_VERSIONS: Script = new Script("read", [
  COMMON,
  SESSION,
  `
local live = false
for _, id in ipairs(call('SMEMBERS', B .. 'xs:' .. ARGV[3])) do live = live or headOf(id) ~= nil end
local x, found = B .. 'x:' .. ARGV[3], {}
if not live then return found end
for _, version in ipairs(call('ZRANGEBYSCORE', B .. 'xv:' .. ARGV[3], ARGV[4], '+inf', 'LIMIT', 0, ARGV[5])) do
  local each = call('HMGET', x, 'i' .. version, 'c' .. version)
  found[#found + 1], found[#found + 2], found[#found + 3] = version, each[1], each[2]
end
return found
`,
]);
