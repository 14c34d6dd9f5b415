/**
 * Lua that scripts are put together from. `KEYS[1]` is the tenant's own hash; every other key begins with its name, so that all
 * of them are in one slot. `ARGV[1]` is the time in milliseconds, empty for the server's; `ARGV[2]` is `1` in a cluster, else `0`, and
 * behind it a channel and what to say there, a line each, where others are told of the write.
 *
 * A script reads, then decides, then writes: from the first write on nothing may fail.
 */

/** Time, numbers as text, and what every script begins with. */
export const COMMON = `
local call, T, B = redis.call, KEYS[1], KEYS[1] .. ':'
-- Others hear of it when the script is over; of one that is refused they hear for nothing.
if #ARGV[2] > 1 then
  local line = string.find(ARGV[2], '\\n', 1, true)
  call('PUBLISH', string.sub(ARGV[2], 2, line - 1), string.sub(ARGV[2], line + 1))
end
local instant
local function now()
  if instant then return instant end
  if ARGV[1] == '' then
    local t = call('TIME')
    instant = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
  else
    instant = tonumber(ARGV[1])
  end
  return instant
end
local function int(n) return string.format('%.0f', n) end
local function pad(n) return string.format('%016.0f', n) end
-- A command with more arguments than one call takes.
local function many(command, key, list, first, last)
  for i = first, last, 1000 do call(command, key, unpack(list, i, math.min(i + 999, last))) end
end
-- A long text is a hash of its own, 'v:' and its name, with pieces by number. Where it would stand there is a byte of 2, its name, how many pieces and bytes
-- it has. Its owner has it among its names, and 'n' says how many owners it has beyond one.
local function longOf(text)
  if string.byte(text) ~= 2 then return nil end
  return string.match(text, '^\\2(%x+) (%d+) (%d+)$')
end
-- Whether the pieces have come, of a text that is yet to be stored.
local function isSent(text)
  local name, pieces = longOf(text)
  if not name then return true end
  return call('HLEN', B .. 'v:' .. name) == tonumber(pieces)
end
local function keepLong(owner, text)
  local name = longOf(text)
  if not name then return end
  call('SADD', owner, name)
  call('PERSIST', B .. 'v:' .. name)
end
local function leaveLong(name)
  local v = B .. 'v:' .. name
  if tonumber(call('HGET', v, 'n') or '0') > 0 then call('HINCRBY', v, 'n', -1) else call('UNLINK', v) end
end
local function dropLong(owner, text)
  local name = longOf(text)
  if name and call('SREM', owner, name) == 1 then leaveLong(name) end
end
local function dropLongs(owner)
  for _, name in ipairs(call('SMEMBERS', owner)) do leaveLong(name) end
  call('UNLINK', owner)
end
`;

/** Sessions: `s:<id>` is the row; `m:` messages, `i:` their ids, `r:` their roles, `mv:` long texts, `k:` and `kt:` idempotency keys, `lc:` and `lu:` linked threads, `mr:` a copy of the messages while some are replaced. */
export const SESSION = `
local function sessionKeys(id)
  return { B .. 's:' .. id, B .. 'm:' .. id, B .. 'i:' .. id, B .. 'r:' .. id, B .. 'k:' .. id, B .. 'kt:' .. id,
    B .. 'lc:' .. id, B .. 'lu:' .. id, B .. 'ls:' .. id, B .. 'mr:' .. id, B .. 'mv:' .. id }
end
-- updatedAt, user, ttl, context, lastSeq, messageCount of a session that is there for readers
local function headOf(id)
  local h = call('HMGET', B .. 's:' .. id, 'a', 'u', 't', 'x', 'l', 'n')
  if not h[1] or (h[3] and now() >= tonumber(h[1]) + tonumber(h[3])) then return nil end
  return h
end
local function stamp(id, h)
  if now() <= tonumber(h[1]) then return end
  local a = int(now())
  call('HSET', B .. 's:' .. id, 'a', a)
  call('ZADD', B .. 'su', a, id)
  call('ZADD', B .. 'uu:' .. h[2], a, id)
  if h[3] then call('ZADD', B .. 'sx', int(now() + tonumber(h[3])), id) end
end
local function insertSession(id, fields)
  local row = {}
  for i = 1, #fields, 2 do row[fields[i]] = fields[i + 1] end
  many('HSET', B .. 's:' .. id, fields, 1, #fields)
  call('ZADD', B .. 'sc', row.c, id)
  call('ZADD', B .. 'su', row.a, id)
  call('ZADD', B .. 'uc:' .. row.u, row.c, id)
  call('ZADD', B .. 'uu:' .. row.u, row.a, id)
  if row.t then call('ZADD', B .. 'sx', int(tonumber(row.a) + tonumber(row.t)), id) end
  if row.s == 'active' then call('HINCRBY', T, 'active', 1) end
  if row.q then call('HINCRBY', T, 'requests', row.q) end
  if row.e then call('HINCRBY', T, 'errors', row.e) end
  if row.n then call('HINCRBY', T, 'messages', row.n) end
end
`;

/** Leases: `ls:<session>` and `lt:<thread>` are `token ttl acquiredAt expiresAt owner`. */
export const LEASE = `
local function tokenOf(lease) return lease and string.match(lease, '^(%d+) ') or nil end
`;

/**
 * Threads: `t:<id>` is the row; `c:` checkpoints, `q:` by seq, `n:` by namespace and seq, `p:` parents that are needed, `b:` blocks, `f:` how
 * often a block is used beyond once, `w:` writes, `wx:` their order and `wv:` their long texts.
 */
export const THREAD = `
local function threadKeys(id)
  return { B .. 't:' .. id, B .. 'c:' .. id, B .. 'q:' .. id, B .. 'n:' .. id, B .. 'p:' .. id, B .. 'b:' .. id,
    B .. 'f:' .. id, B .. 'w:' .. id, B .. 'wx:' .. id, B .. 'wv:' .. id, B .. 'lt:' .. id }
end
-- session, createdAt, updatedAt, lastSeq, count, revision, where it leaves for; whether it is gone with its session, and that session's head
local function threadOf(id)
  local h = call('HMGET', B .. 't:' .. id, 's', 'c', 'a', 'l', 'k', 'g', 'z')
  if not h[2] then return nil, false, nil end
  if not h[1] then return h, false, nil end
  local owner = headOf(h[1])
  return h, owner == nil, owner
end
local function placeThread(id, session, createdAt, updatedAt)
  call('ZADD', B .. 'tc', createdAt, id)
  call('ZADD', B .. 'tu', updatedAt, id)
  if session then
    call('ZADD', B .. 'lc:' .. session, createdAt, id)
    call('ZADD', B .. 'lu:' .. session, updatedAt, id)
  end
end
-- After a write: the thread has one revision more and moves, and with it the session that it is linked to. Behind them what else its row says now.
local function touchThread(id, thread, session, owner, ...)
  local a, g = thread[3], int(tonumber(thread[6] or '0') + 1)
  if now() > tonumber(a) then
    a = int(now())
    call('ZADD', B .. 'tu', a, id)
    if session then call('ZADD', B .. 'lu:' .. session, a, id) end
  end
  call('HSET', B .. 't:' .. id, 'a', a, 'g', g, ...)
  if thread[1] ~= session then
    if thread[1] then
      call('ZREM', B .. 'lc:' .. thread[1], id)
      call('ZREM', B .. 'lu:' .. thread[1], id)
    end
    call('HSET', B .. 't:' .. id, 's', session)
    call('ZADD', B .. 'lc:' .. session, thread[2], id)
    call('ZADD', B .. 'lu:' .. session, a, id)
  end
  if session then stamp(session, owner) end
end
local function beginThread(id)
  local moment = int(now())
  -- A server that is full refuses this one, which comes first, and no other.
  call('HSET', B .. 't:' .. id, 'c', moment, 'a', moment, 'l', '0', 'k', '0')
  -- Blocks may have come ahead of their thread.
  call('PERSIST', B .. 'b:' .. id)
  call('PERSIST', B .. 'f:' .. id)
  placeThread(id, nil, moment, moment)
  return { false, moment, moment, '0', '0', false }
end
local function unhex(text)
  return (string.gsub(text, '..', function(pair) return string.char(tonumber(pair, 16)) end))
end
-- A checkpoint's row is "seq createdAt size needsParent root", [parent, session], metadata and manifest, a line each.
local function headerOf(row)
  return string.match(row, '^(%d+) (%-?%d+) (%d+) ([01]) ([0-9a-f%-]+)\\n')
end
local function lastOf(id, namespace)
  local newest = call('ZREVRANGEBYLEX', B .. 'n:' .. id, '(' .. namespace .. '\\1', '[' .. namespace .. '\\0', 'LIMIT', 0, 1)[1]
  return newest and string.sub(newest, #namespace + 19) or nil
end
`;

/** Blocks of states: a value is the number of its children in four bytes, their names of sixteen, and what the block holds. */
export const BLOCKS = `
local function childrenOf(value)
  local names = {}
  local n = #value >= 4 and struct.unpack('>I4', value) or 0
  if 4 + n * 16 > #value then return names end
  for i = 1, n do names[i] = string.sub(value, 16 * i - 11, 16 * i + 4) end
  return names
end
-- f: has how often a block is used, less one; nothing for 0, and -1 for one that waits for its first use.
local function use(id, name)
  if call('HINCRBY', B .. 'f:' .. id, name, 1) == 0 then call('HDEL', B .. 'f:' .. id, name) end
end
local function putBlocks(id, names, values, root)
  local fresh = {}
  local function count(name)
    if fresh[name] then fresh[name] = nil else use(id, name) end
  end
  local added = {}
  for i = 1, #names do
    if call('HSETNX', B .. 'b:' .. id, names[i], values[i]) == 1 then
      fresh[names[i]] = true
      added[#added + 1] = values[i]
    end
  end
  for i = 1, #added do
    for _, child in ipairs(childrenOf(added[i])) do count(child) end
  end
  if root ~= '-' then count(unhex(root)) end
end
-- Lets go of what a state is made of: a block goes with the last that uses it.
local function release(id, root)
  if root == '-' then return end
  local b, f = B .. 'b:' .. id, B .. 'f:' .. id
  local waiting = { unhex(root) }
  while #waiting > 0 do
    local name = table.remove(waiting)
    local left = call('HINCRBY', f, name, -1)
    if left <= 0 then call('HDEL', f, name) end
    if left < 0 then
      local value = call('HGET', b, name)
      if value then
        call('HDEL', b, name)
        for _, child in ipairs(childrenOf(value)) do waiting[#waiting + 1] = child end
      end
    end
  end
end
`;

/** Writes of checkpoints: members of `wx:` and fields of `w:` are namespace, checkpoint, task and index, apart by zero bytes. */
export const WRITES = `
-- What stands behind the first line.
local function textOf(value) return string.sub(value, string.find(value, '\\n', 1, true) + 1) end
local function writeNames(id, place)
  return call('ZRANGEBYLEX', B .. 'wx:' .. id, '[' .. place .. '\\0', '(' .. place .. '\\1')
end
local function writesOf(id, place)
  local names = writeNames(id, place)
  local found = {}
  for i = 1, #names do
    found[2 * i - 1] = string.sub(names[i], #place + 2)
    found[2 * i] = call('HGET', B .. 'w:' .. id, names[i])
  end
  return found
end
-- how many, and their bytes
local function weighWrites(id, names)
  local bytes = 0
  for i = 1, #names do
    local value = call('HGET', B .. 'w:' .. id, names[i])
    if value then
      local text = textOf(value)
      local _, _, size = longOf(text)
      bytes = bytes + (size and tonumber(size) or #text)
    end
  end
  return bytes
end
`;

/** Removing whole sessions and threads with all that belongs to them. */
export const REMOVAL = `
local function removeThread(id)
  local h = call('HMGET', B .. 't:' .. id, 's', 'k')
  if h[1] then
    call('ZREM', B .. 'lc:' .. h[1], id)
    call('ZREM', B .. 'lu:' .. h[1], id)
  end
  if h[2] and h[2] ~= '0' then call('HINCRBY', T, 'checkpoints', '-' .. h[2]) end
  call('ZREM', B .. 'tc', id)
  call('ZREM', B .. 'tu', id)
  dropLongs(B .. 'wv:' .. id)
  call('UNLINK', unpack(threadKeys(id)))
end
local function leaveContext(context, session)
  call('SREM', B .. 'xs:' .. context, session)
  if call('EXISTS', B .. 'xs:' .. context) == 0 then
    dropLongs(B .. 'xl:' .. context)
    call('UNLINK', B .. 'x:' .. context, B .. 'xv:' .. context)
    call('ZREM', B .. 'xi', context)
  end
end
local function removeSession(id)
  local h = call('HMGET', B .. 's:' .. id, 'u', 's', 'n', 'q', 'e', 'x')
  if h[1] then
    for _, thread in ipairs(call('ZRANGE', B .. 'lc:' .. id, 0, -1)) do removeThread(thread) end
    call('ZREM', B .. 'sc', id)
    call('ZREM', B .. 'su', id)
    call('ZREM', B .. 'sx', id)
    call('ZREM', B .. 'uc:' .. h[1], id)
    call('ZREM', B .. 'uu:' .. h[1], id)
    if h[2] == 'active' then call('HINCRBY', T, 'active', -1) end
    if h[3] and h[3] ~= '0' then call('HINCRBY', T, 'messages', '-' .. h[3]) end
    if h[4] and h[4] ~= '0' then call('HINCRBY', T, 'requests', '-' .. h[4]) end
    if h[5] and h[5] ~= '0' then call('HINCRBY', T, 'errors', '-' .. h[5]) end
    if h[6] then leaveContext(h[6], id) end
  end
  dropLongs(B .. 'mv:' .. id)
  call('UNLINK', unpack(sessionKeys(id)))
end
-- A few sessions that have expired go with each that is made to expire: they never become many.
local function sweepSessions(limit)
  local due = call('ZRANGEBYSCORE', B .. 'sx', '-inf', int(now()), 'LIMIT', 0, limit)
  for _, id in ipairs(due) do removeSession(id) end
  return #due
end
`;

/** Pages of an index that is ordered by time, ties by id in the order of bytes. */
export const PAGES = `
local function isBelow(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end
-- how many stand before a place; with the one that is there if "through"
local function before(index, time, id, through)
  local score = call('ZSCORE', index, id)
  if score and tonumber(score) == tonumber(time) then
    return call('ZRANK', index, id) + (through and 1 or 0)
  end
  local low, high = call('ZCOUNT', index, '-inf', '(' .. time), call('ZCOUNT', index, '-inf', time)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if isBelow(call('ZRANGE', index, middle, middle)[1], id) then low = middle + 1 else high = middle end
  end
  return low
end
-- ids and times of a page; bounds are times, the upper one exclusive, empty for none
local function pageOf(index, direction, limit, from, to, time, id)
  local first = from ~= '' and call('ZCOUNT', index, '-inf', '(' .. from) or 0
  local last = (to ~= '' and call('ZCOUNT', index, '-inf', '(' .. to) or call('ZCARD', index)) - 1
  if direction == 'asc' then
    if time ~= '' then first = math.max(first, before(index, time, id, true)) end
    last = math.min(last, first + limit - 1)
    return first > last and {} or call('ZRANGE', index, first, last, 'WITHSCORES')
  end
  if time ~= '' then last = math.min(last, before(index, time, id, false) - 1) end
  first = math.max(first, last - limit + 1)
  if first > last then return {} end
  local card = call('ZCARD', index)
  return call('ZREVRANGE', index, card - 1 - last, card - 1 - first, 'WITHSCORES')
end
`;
