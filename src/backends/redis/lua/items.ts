/**
 * Scripts of items (M1-M6): `it` has a row for each place, `ip` the places in order, `ix` those that expire, `iv` the names of long texts. A row is "version createdAt
 * updatedAt ttl expiresAt revision" and the value, a line each.
 */
import { COMMON } from "./parts.js";
import { Script } from "./script.js";

const ROWS = `
local IT, IP, IX, IV = B .. 'it', B .. 'ip', B .. 'ix', B .. 'iv'
local function isExpired(row)
  local expires = string.match(row, '^%d+ %-?%d+ %-?%d+ %-?%d* (%-?%d*) ')
  return expires ~= '' and expires ~= '-' and now() >= tonumber(expires)
end
-- A text that is replaced or goes, but for the one that stays.
local function letTextGo(place, name)
  local before = call('HGET', IV, place)
  if not before or before == name then return end
  call('HDEL', IV, place)
  call('UNLINK', B .. 'v:' .. before)
end
-- Version, createdAt, updatedAt, ttl, expiry, where the value begins, and whether it is long.
local function partsOf(row)
  local v, c, u, ttl, e, at = string.match(row, '^(%d+) (%-?%d+) (%-?%d+) (%S+) (%S+) %d+\\n()')
  return v, c, u, ttl, e, at, string.byte(row, at) == 2
end
-- What a put makes of version, createdAt and updatedAt of the row that is there for readers, if there is one.
local function timesOfPut(version, createdAt, updatedAt)
  local moment = int(now())
  if not version then return '1', moment, moment end
  return int(version + 1), createdAt, tonumber(updatedAt) > now() and updatedAt or moment
end
-- "wasLong" and "wasExpiring" are about the row before, and true where that is not known.
local function putRow(place, row, expires, value, wasLong, wasExpiring)
  if call('HSET', IT, place, row) == 1 then call('ZADD', IP, 0, place) end
  local name = longOf(value)
  if wasLong then letTextGo(place, name) end
  if name then
    call('HSET', IV, place, name)
    call('PERSIST', B .. 'v:' .. name)
  end
  if expires and expires ~= '-' then
    call('ZADD', IX, expires, place)
  elseif wasExpiring then
    call('ZREM', IX, place)
  end
end
local function removeRow(place)
  letTextGo(place)
  call('HDEL', IT, place)
  call('ZREM', IP, place)
  call('ZREM', IX, place)
end
local function sweepItems(limit)
  local due = call('ZRANGEBYSCORE', IX, '-inf', int(now()), 'LIMIT', 0, limit)
  for _, place in ipairs(due) do removeRow(place) end
  return #due
end
`;

/**
 * One put. `ARGV`: place, ttl or nothing, version that is expected or nothing, value. Gives one text, which costs less than a list: `O` and the row's
 * version, createdAt, updatedAt and expiry; `C` and the version that is there; `P` when pieces of a long text are not there.
 */
export const PUT_ITEM: Script = new Script("write", [
  COMMON,
  ROWS,
  `
local place, ttl, expected, value = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if not isSent(value) then return 'P' end
local row, wasLong, wasExpiring = call('HGET', IT, place), false, false
local version, createdAt, updatedAt
if row then
  local v, c, u, _, e, _, isLong = partsOf(row)
  wasLong, wasExpiring = isLong, e ~= '-'
  if not wasExpiring or now() < tonumber(e) then version, createdAt, updatedAt = v, c, u end
end
if expected ~= '' and tonumber(expected) ~= tonumber(version or 0) then return 'C ' .. (version or '-') end
version, createdAt, updatedAt = timesOfPut(version, createdAt, updatedAt)
local times, expires = version .. ' ' .. createdAt .. ' ' .. updatedAt, ttl == '' and '-' or int(now() + tonumber(ttl))
local header = times .. ' ' .. (ttl == '' and '-' or ttl) .. ' ' .. expires .. ' ' .. int(call('HINCRBY', T, 'items', 1))
putRow(place, header .. '\\n' .. value, expires, value, wasLong, wasExpiring)
if ttl ~= '' then sweepItems(2) end
return 'O ' .. times .. ' ' .. expires
`,
]);

/**
 * Puts, gets and deletions, all or none. `ARGV`: five for each step: kind, place, ttl or whether to refresh, version that is
 * expected, value. Gives for each the row, or for a deletion whether there was one; `C` with the step and the version that is there; `P` when pieces
 * of a long text are not there.
 */
export const RUN_STEPS: Script = new Script("write", [
  COMMON,
  ROWS,
  `
local results, known, changed, order = { 'O' }, {}, {}, {}
local stored, nothing = {}, { isLong = false, expires = false }
local function look(place)
  if known[place] == nil then
    local row = call('HGET', IT, place)
    known[place], stored[place] = false, nothing
    if row then
      local v, c, u, ttl, e, at, isLong = partsOf(row)
      if isLong or e ~= '-' then stored[place] = { isLong = isLong, expires = e ~= '-' } end
      if e == '-' or now() < tonumber(e) then
        known[place] = { v, c, u, ttl, e, string.sub(row, at) }
      end
    end
  end
  return known[place]
end
local function set(place, row)
  known[place] = row
  if not changed[place] then order[#order + 1] = place end
  changed[place] = true
end
local expiring = false
for at = 3, #ARGV, 5 do
  if not isSent(ARGV[at + 4]) then return { 'P' } end
end
for at = 3, #ARGV, 5 do
  local kind, place, option, expected = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local before = look(place)
  if expected ~= '' and tonumber(expected) ~= tonumber(before and before[1] or 0) then
    return { 'C', (at - 3) / 5, before and before[1] or false }
  end
  if kind == 'p' then
    local version, createdAt, updatedAt = timesOfPut(unpack(before or {}))
    local row = { version, createdAt, updatedAt, '-', '-', ARGV[at + 4] }
    if option ~= '' then
      row[4], row[5], expiring = option, int(now() + tonumber(option)), true
    end
    set(place, row)
    results[#results + 1] = { row[1], row[2], row[3], row[5] }
  elseif kind == 'g' then
    if before and option == '1' and before[4] ~= '-' then
      before = { before[1], before[2], before[3], before[4], int(now() + tonumber(before[4])), before[6] }
      set(place, before)
    end
    results[#results + 1] = before and { before[1], before[2], before[3], before[5], before[4], before[6] } or false
  else
    if before then set(place, false) end
    results[#results + 1] = before and 1 or 0
  end
end
if #order > 0 then
  local revision = ' ' .. int(call('HINCRBY', T, 'items', 1)) .. '\\n'
  for _, place in ipairs(order) do
    local row = known[place]
    if row then
      putRow(place, table.concat(row, ' ', 1, 5) .. revision .. row[6], row[5], row[6], stored[place].isLong, stored[place].expires)
    else
      removeRow(place)
    end
  end
  if expiring then sweepItems(2) end
end
return results
`,
]);

/** Gets that change nothing. `ARGV`: places. Gives the time, the tenant's revision and rows, also of items that have expired. */
export const READ_ITEMS: Script = new Script("read", [
  COMMON,
  ROWS,
  `
local found = { int(now()), call('HGET', T, 'items') or '0' }
for at = 3, #ARGV do found[at] = call('HGET', IT, ARGV[at]) end
return found
`,
]);

/**
 * What a batch has come to, if nothing that it has read has changed. `ARGV`: revision of the tenant or nothing, how many places it has
 * read, each with the revision of its row or `-`, then of each change its place, row without revision and value, and expiry; no row
 * removes. Gives 1 if it was done, `P` when pieces of a long text are not there.
 */
export const COMMIT_ITEMS: Script = new Script("write", [
  COMMON,
  ROWS,
  `
if ARGV[3] ~= '' and ARGV[3] ~= (call('HGET', T, 'items') or '0') then return { 0 } end
local read = tonumber(ARGV[4])
for at = 5 + 2 * read, #ARGV, 4 do
  if not isSent(ARGV[at + 2]) then return { 'P' } end
end
for at = 5, 4 + 2 * read, 2 do
  local row = call('HGET', IT, ARGV[at])
  if (row and string.match(row, '^%S+ %S+ %S+ %S+ %S+ (%d+)\\n') or '-') ~= ARGV[at + 1] then return { 0 } end
end
local revision = ' ' .. int(call('HINCRBY', T, 'items', 1)) .. '\\n'
for at = 5 + 2 * read, #ARGV, 4 do
  if ARGV[at + 1] == '' then
    removeRow(ARGV[at])
  else
    putRow(ARGV[at], ARGV[at + 1] .. revision .. ARGV[at + 2], ARGV[at + 3], ARGV[at + 2], true, true)
  end
end
sweepItems(2)
return { 1 }
`,
]);

/** `ARGV`: bounds of places as ZRANGEBYLEX takes them, direction, limit, `1` for values. Gives the time, then place and row for each; no row for what has expired, `1` for one without its value. */
export const SCAN_ITEMS: Script = new Script("read", [
  COMMON,
  ROWS,
  `
local places
if ARGV[5] == 'asc' then
  places = call('ZRANGEBYLEX', IP, ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[6])
else
  places = call('ZREVRANGEBYLEX', IP, ARGV[4], ARGV[3], 'LIMIT', 0, ARGV[6])
end
local found = { int(now()) }
for n, place in ipairs(places) do
  local row = call('HGET', IT, place)
  found[2 * n] = place
  found[2 * n + 1] = row and (not isExpired(row)) and (ARGV[7] == '1' and row or '1') or false
end
return found
`,
]);

/** `ARGV`: bounds of places. Gives how many that were there for readers went. */
export const DELETE_ITEMS: Script = new Script("write", [
  COMMON,
  ROWS,
  `
local count = 0
local whole = ARGV[3] == '-'
local places = whole and call('ZRANGE', IP, 0, -1) or call('ZRANGEBYLEX', IP, ARGV[3], ARGV[4])
if #places == 0 then return 0 end
if call('HLEN', IV) > 0 then
  for _, place in ipairs(places) do letTextGo(place) end
end
local expired = {}
for _, place in ipairs(call('ZRANGEBYSCORE', IX, '-inf', int(now()))) do expired[place] = true end
for _, place in ipairs(places) do
  if not expired[place] then count = count + 1 end
end
call('HINCRBY', T, 'items', 1)
if whole then
  call('UNLINK', IT, IP, IX)
else
  many('HDEL', IT, places, 1, #places)
  many('ZREM', IX, places, 1, #places)
  call('ZREMRANGEBYLEX', IP, ARGV[3], ARGV[4])
end
return count
`,
]);

/** `ARGV`: most to remove. */
export const SWEEP_ITEMS: Script = new Script("write", [
  COMMON,
  ROWS,
  `
return sweepItems(tonumber(ARGV[3]))
`,
]);
