/** Scripts of leases (L1). */
import { COMMON, LEASE, REMOVAL, SESSION, THREAD } from "./parts.js";
import { Script } from "./script.js";

const SUBJECT = `
local kind, id = ARGV[3], ARGV[4]
local place = B .. (kind == 'session' and 'ls:' or 'lt:') .. id
local gone = false
if kind == 'session' then
  gone = not headOf(id) and call('EXISTS', B .. 's:' .. id) == 1
else
  local _, isGone = threadOf(id)
  gone = isGone
end
local lease = (not gone) and call('GET', place) or false
`;

/**
 * `ARGV`: kind, id, owner, ttl, token that another shard has given out or nothing. Gives `A` if a later one is in use here already.
 */
export const ACQUIRE_LEASE: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  SUBJECT,
  `
local owner, ttl = ARGV[5], ARGV[6]
if lease then
  local expires, holder = string.match(lease, '^%d+ %d+ %-?%d+ (%-?%d+) (.*)$')
  if holder ~= owner and now() < tonumber(expires) then return { 'H', lease } end
end
local given = tonumber(ARGV[7])
if given and given <= tonumber(call('HGET', T, 'token') or '0') then return { 'A' } end
if gone then
  if kind == 'session' then removeSession(id) else removeThread(id) end
end
local token = given
if given then call('HSET', T, 'token', int(given)) else token = call('HINCRBY', T, 'token', 1) end
lease = int(token) .. ' ' .. ttl .. ' ' .. int(now()) .. ' ' .. int(now() + tonumber(ttl)) .. ' ' .. owner
call('SET', place, lease)
return { 'O', lease }
`,
]);

/** Gives the next token of a tenant that is spread over shards; its counter is not that of the tokens in use in this shard. */
export const NEXT_TOKEN: Script = new Script("write", [
  COMMON,
  `
return call('HINCRBY', T, 'tokens', 1)
`,
]);

/** `ARGV`: kind, id, token, ttl or nothing. */
export const RENEW_LEASE: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  LEASE,
  SUBJECT,
  `
if tokenOf(lease) ~= ARGV[5] then return { 'F', lease } end
local ttl, acquired, owner = string.match(lease, '^%d+ (%d+) (%-?%d+) %-?%d+ (.*)$')
if ARGV[6] ~= '' then ttl = ARGV[6] end
lease = ARGV[5] .. ' ' .. ttl .. ' ' .. acquired .. ' ' .. int(now() + tonumber(ttl)) .. ' ' .. owner
call('SET', place, lease)
return { 'O', lease }
`,
]);

/** `ARGV`: kind, id, token. Gives 1 for a lease that was current. */
export const RELEASE_LEASE: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  LEASE,
  SUBJECT,
  `
if tokenOf(lease) ~= ARGV[5] then return 0 end
call('DEL', place)
return 1
`,
]);
