/** Scripts of sessions (S1-S11). */
import { COMMON, LEASE, PAGES, REMOVAL, SESSION, THREAD } from "./parts.js";
import { Script } from "./script.js";

/**
 * `ARGV`: how many, then for each its id and a list of fields with its length; its own times come with the script. Gives the id
 * that is there and its row, the id that is kept for a batch of several shards and for which, or the time.
 */
export const CREATE_SESSIONS: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  `
local new, at = {}, 4
for n = 1, tonumber(ARGV[3]) do
  local id, length = ARGV[at], tonumber(ARGV[at + 1])
  local fields = { 'c', int(now()), 'a', int(now()) }
  for i = 1, length do fields[4 + i] = ARGV[at + 1 + i] end
  new[n] = { id, fields }
  at = at + 2 + length
end
for _, each in ipairs(new) do
  if headOf(each[1]) then return { 'E', each[1], call('HGETALL', B .. 's:' .. each[1]) } end
  local kept = call('HGET', B .. 'rs', each[1])
  if kept then return { 'P', each[1], kept } end
end
for _, each in ipairs(new) do
  -- What is left of one that has expired; a lease without a session may be older than it.
  if call('EXISTS', B .. 's:' .. each[1]) == 1 then removeSession(each[1]) end
  insertSession(each[1], each[2])
end
sweepSessions(2)
return { 'O', int(now()) }
`,
]);

/** `ARGV`: ids. Gives a row or nothing for each. */
export const GET_SESSIONS: Script = new Script("read", [
  COMMON,
  `
local found = {}
for i = 3, #ARGV do
  local row = call('HGETALL', B .. 's:' .. ARGV[i])
  local gone = #row == 0
  if not gone then
    local h = call('HMGET', B .. 's:' .. ARGV[i], 'a', 't')
    gone = h[2] and now() >= tonumber(h[1]) + tonumber(h[2])
  end
  found[i - 2] = (not gone) and row or false
end
return found
`,
]);

/**
 * `applySessionChange` in one step. `ARGV`: id, token, version that is expected, status, requests, seconds, errors to add,
 * idempotency key and digest, how many fields to set, these, fields to remove.
 */
export const UPDATE_SESSION: Script = new Script("write", [
  COMMON,
  SESSION,
  LEASE,
  `
local id, token, expected, status = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local requests, seconds, errors, key, digest, sets = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], tonumber(ARGV[12])
local s, k, kt = B .. 's:' .. id, B .. 'k:' .. id, B .. 'kt:' .. id
local h = headOf(id)
if not h then return { 'N' } end
if token ~= '' then
  local lease = call('GET', B .. 'ls:' .. id)
  if tokenOf(lease) ~= token then return { 'F', lease } end
end
if key ~= '' then
  local known = call('HGET', k, key)
  if known then
    local at, earlier, stop = string.match(known, '^(%-?%d+) (%x+)\\n()')
    if now() < tonumber(at) + 86400000 then
      if earlier ~= digest then return { 'D', earlier } end
      return { 'O', cmsgpack.unpack(string.sub(known, stop)) }
    end
  end
end
local row = call('HMGET', s, 'v', 's', 'p')
if expected ~= '' and expected ~= row[1] then return { 'V', call('HGETALL', s) } end
call('HINCRBY', s, 'v', 1)
if requests ~= '0' then
  call('HINCRBY', s, 'q', requests)
  call('HINCRBY', T, 'requests', requests)
end
if errors ~= '0' then
  call('HINCRBY', s, 'e', errors)
  call('HINCRBY', T, 'errors', errors)
end
if seconds ~= '0' then call('HSET', s, 'p', string.format('%.17g', tonumber(row[3] or '0') + tonumber(seconds))) end
if status ~= '' and status ~= row[2] then
  call('HSET', s, 's', status)
  if row[2] == 'active' then call('HINCRBY', T, 'active', -1) end
  if status == 'active' then call('HINCRBY', T, 'active', 1) end
end
if sets > 0 then many('HSET', s, ARGV, 13, 12 + sets) end
if #ARGV > 12 + sets then many('HDEL', s, ARGV, 13 + sets, #ARGV) end
stamp(id, h)
local result = call('HGETALL', s)
if key ~= '' then
  for _, old in ipairs(call('ZRANGEBYSCORE', kt, '-inf', int(now() - 86400000), 'LIMIT', 0, 2)) do
    call('ZREM', kt, old)
    call('HDEL', k, old)
  end
  call('HSET', k, key, int(now()) .. ' ' .. digest .. '\\n' .. cmsgpack.pack(result))
  call('ZADD', kt, int(now()), key)
end
return { 'O', result }
`,
]);

/** `ARGV`: id, token, status. Gives the row as it was where it had ended otherwise. */
export const END_SESSION: Script = new Script("write", [
  COMMON,
  SESSION,
  LEASE,
  `
local id, token, status = ARGV[3], ARGV[4], ARGV[5]
local s = B .. 's:' .. id
local h = headOf(id)
if not h then return { 'N' } end
if token ~= '' then
  local lease = call('GET', B .. 'ls:' .. id)
  if tokenOf(lease) ~= token then return { 'F', lease } end
end
local was = call('HGET', s, 's')
if was == status then return { 'O', call('HGETALL', s) } end
if was ~= 'active' then return { 'S', call('HGETALL', s) } end
call('HSET', s, 's', status)
call('HINCRBY', s, 'v', 1)
call('HINCRBY', T, 'active', -1)
stamp(id, h)
return { 'O', call('HGETALL', s) }
`,
]);

/** `ARGV`: index, direction, limit, bounds of time, place. Gives id, time and row for each; no row for what has expired. */
export const LIST_SESSIONS: Script = new Script("read", [
  COMMON,
  SESSION,
  PAGES,
  `
local page = pageOf(B .. ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8], ARGV[9])
local rows = {}
for i = 1, #page, 2 do
  rows[#rows + 1] = page[i]
  rows[#rows + 1] = page[i + 1]
  rows[#rows + 1] = headOf(page[i]) and call('HGETALL', B .. 's:' .. page[i]) or false
end
return rows
`,
]);

/** `ARGV`: id. Gives 1 for one that was there for readers. */
export const DELETE_SESSION: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  `
local was = headOf(ARGV[3]) and 1 or 0
removeSession(ARGV[3])
return was
`,
]);

/** `ARGV`: latest time of an idle session, most to remove. Gives how many went. */
export const CLEAN_SESSIONS: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  `
local limit = tonumber(ARGV[4])
local due = call('ZRANGEBYSCORE', B .. 'su', '-inf', ARGV[3], 'LIMIT', 0, limit)
for _, id in ipairs(due) do removeSession(id) end
return #due + (#due < limit and sweepSessions(limit - #due) or 0)
`,
]);

/** `ARGV`: latest time of an idle session, offset, limit. Gives how many idle ones there are, of how many expired ones it looked at, those not idle. */
export const COUNT_DUE_SESSIONS: Script = new Script("read", [
  COMMON,
  `
local expired = call('ZRANGEBYSCORE', B .. 'sx', '-inf', int(now()), 'LIMIT', ARGV[4], ARGV[5])
local more = 0
for _, id in ipairs(expired) do
  local a = call('HGET', B .. 's:' .. id, 'a')
  if a and tonumber(a) > tonumber(ARGV[3]) then more = more + 1 end
end
return { call('ZCOUNT', B .. 'su', '-inf', ARGV[3]), #expired, more }
`,
]);

/** `ARGV`: most to remove. Gives how many sessions went that had expired. */
export const SWEEP_SESSIONS: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  `
return sweepSessions(tonumber(ARGV[3]))
`,
]);
