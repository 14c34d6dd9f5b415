/** Scripts of whole threads: listing, copying, deleting and pruning (K6, K7, K9). */
import { BLOCKS, COMMON, LEASE, PAGES, REMOVAL, SESSION, THREAD, WRITES } from "./parts.js";
import { Script } from "./script.js";

/** `ARGV`: session or nothing, `c` or `u`, direction, limit, place. Gives id, time and row for each; no row for what is gone. */
export const LIST_THREADS: Script = new Script("read", [
  COMMON,
  SESSION,
  THREAD,
  PAGES,
  `
local index = ARGV[3] == '' and B .. 't' .. ARGV[4] or B .. 'l' .. ARGV[4] .. ':' .. ARGV[3]
if ARGV[3] ~= '' and not headOf(ARGV[3]) then return {} end
local page = pageOf(index, ARGV[5], tonumber(ARGV[6]), '', '', ARGV[7], ARGV[8])
local rows = {}
for i = 1, #page, 2 do
  local thread, gone = threadOf(page[i])
  rows[#rows + 1] = page[i]
  rows[#rows + 1] = page[i + 1]
  rows[#rows + 1] = thread and (not gone) and thread or false
end
return rows
`,
]);

/** `ARGV`: thread. */
export const GET_THREAD: Script = new Script("read", [
  COMMON,
  SESSION,
  THREAD,
  `
local thread, gone = threadOf(ARGV[3])
return thread and (not gone) and thread or {}
`,
]);

/** `ARGV`: source, target. Gives `O`, `absent` or `exists`. */
export const COPY_THREAD: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  `
local from, to = ARGV[3], ARGV[4]
local source, gone = threadOf(from)
if not source or gone then return { 'absent' } end
local target, isGone = threadOf(to)
if target and not isGone then return { 'exists' } end
if target then removeThread(to) end
for _, kind in ipairs({ 't:', 'c:', 'q:', 'n:', 'p:', 'b:', 'f:', 'w:', 'wx:', 'wv:' }) do
  call('COPY', B .. kind .. from, B .. kind .. to, 'REPLACE')
end
for _, name in ipairs(call('SMEMBERS', B .. 'wv:' .. from)) do call('HINCRBY', B .. 'v:' .. name, 'n', 1) end
call('HDEL', B .. 't:' .. to, 's')
placeThread(to, nil, source[2], source[3])
if source[5] ~= '0' then call('HINCRBY', T, 'checkpoints', source[5]) end
return { 'O' }
`,
]);

/** `ARGV`: thread. Gives 1 for one that was there for readers. */
export const DELETE_THREAD: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  `
local thread, gone = threadOf(ARGV[3])
removeThread(ARGV[3])
return thread and (not gone) and 1 or 0
`,
]);

const REMOVE_CHECKPOINT = `
-- Removes what is stored under a place; gives the numbers of checkpoints and writes, and bytes.
local function removeCheckpoint(id, place)
  local row = call('HGET', B .. 'c:' .. id, place)
  local checkpoints, bytes = 0, 0
  if row then
    local seq, _, size, _, root = headerOf(row)
    local stop = string.find(place, '\\0', 1, true)
    call('HDEL', B .. 'c:' .. id, place)
    call('ZREM', B .. 'q:' .. id, place)
    call('ZREM', B .. 'n:' .. id, string.sub(place, 1, stop) .. pad(tonumber(seq)) .. string.sub(place, stop))
    call('HDEL', B .. 'p:' .. id, place)
    release(id, root)
    checkpoints, bytes = 1, tonumber(size)
  end
  local names = writeNames(id, place)
  if #names > 0 then
    bytes = bytes + weighWrites(id, names)
    if call('EXISTS', B .. 'wv:' .. id) == 1 then
      for _, name in ipairs(names) do
        local value = call('HGET', B .. 'w:' .. id, name)
        if value then dropLong(B .. 'wv:' .. id, textOf(value)) end
      end
    end
    many('HDEL', B .. 'w:' .. id, names, 1, #names)
    many('ZREM', B .. 'wx:' .. id, names, 1, #names)
  end
  return checkpoints, #names, bytes
end
`;

/** `neededOfNamed` and the removal of the rest in one step. `ARGV`: thread, namespace, token, ids. */
export const DELETE_CHECKPOINTS: Script = new Script("write", [
  COMMON,
  SESSION,
  LEASE,
  THREAD,
  BLOCKS,
  WRITES,
  REMOVE_CHECKPOINT,
  `
local id, namespace = ARGV[3], ARGV[4]
local thread, gone, linked = threadOf(id)
if ARGV[5] ~= '' then
  local lease = (not gone) and call('GET', B .. 'lt:' .. id) or false
  if tokenOf(lease) ~= ARGV[5] then return { 'F', lease } end
end
if not thread or gone then return { 'O', 0, 0, '0' } end
local named, parents, needed, waiting = {}, {}, {}, {}
for at = 6, #ARGV do named[ARGV[at]] = true end
local needs = call('HGETALL', B .. 'p:' .. id)
for at = 1, #needs, 2 do
  if string.sub(needs[at], 1, #namespace + 1) == namespace .. '\\0' then
    local child, parent = string.sub(needs[at], #namespace + 2), needs[at + 1]
    if named[child] then
      parents[child] = parent
    elseif named[parent] and not needed[parent] then
      needed[parent] = true
      waiting[#waiting + 1] = parent
    end
  end
end
while #waiting > 0 do
  local parent = parents[table.remove(waiting)]
  if parent and named[parent] and not needed[parent] then
    needed[parent] = true
    waiting[#waiting + 1] = parent
  end
end
local checkpoints, writes, bytes, kept = 0, 0, 0, {}
for at = 6, #ARGV do
  local place = namespace .. '\\0' .. ARGV[at]
  if needed[ARGV[at]] then
    if call('HEXISTS', B .. 'c:' .. id, place) == 1 then kept[#kept + 1] = ARGV[at] end
  else
    local c, w, b = removeCheckpoint(id, place)
    checkpoints, writes, bytes = checkpoints + c, writes + w, bytes + b
  end
end
if checkpoints + writes > 0 then
  if checkpoints > 0 then
    call('HINCRBY', B .. 't:' .. id, 'k', -checkpoints)
    call('HINCRBY', T, 'checkpoints', -checkpoints)
  end
  touchThread(id, thread, thread[1], linked)
end
return { 'O', checkpoints, writes, int(bytes), unpack(kept) }
`,
]);

/**
 * What a plan to prune needs to know. `ARGV`: thread, rank to begin at, limit. Gives the thread's revision and the time, then for each
 * checkpoint its place, first lines and whether it has writes.
 */
export const PRUNABLE_CHECKPOINTS: Script = new Script("read", [
  COMMON,
  SESSION,
  THREAD,
  `
local id = ARGV[3]
local thread, gone = threadOf(id)
if not thread or gone then return {} end
local first = tonumber(ARGV[4])
local found = { thread[6] or '0', int(now()) }
for _, place in ipairs(call('ZRANGE', B .. 'q:' .. id, first, first + tonumber(ARGV[5]) - 1)) do
  local row = call('HGET', B .. 'c:' .. id, place)
  local line = string.find(row, '\\n', 1, true)
  found[#found + 1] = place
  found[#found + 1] = string.sub(row, 1, string.find(row, '\\n', line + 1, true) - 1)
  found[#found + 1] = #call('ZRANGEBYLEX', B .. 'wx:' .. id, '[' .. place .. '\\0', '(' .. place .. '\\1', 'LIMIT', 0, 1)
end
return found
`,
]);

/** `ARGV`: thread, revision, places, newest first. Gives the new revision, writes and bytes that went; nothing if the thread has changed. */
export const PRUNE_CHECKPOINTS: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  BLOCKS,
  WRITES,
  REMOVE_CHECKPOINT,
  `
local id = ARGV[3]
local thread, gone = threadOf(id)
if not thread or gone or (thread[6] or '0') ~= ARGV[4] then return {} end
local checkpoints, writes, bytes = 0, 0, 0
for at = 5, #ARGV do
  local c, w, b = removeCheckpoint(id, ARGV[at])
  checkpoints, writes, bytes = checkpoints + c, writes + w, bytes + b
end
call('HINCRBY', B .. 't:' .. id, 'k', -checkpoints)
call('HINCRBY', T, 'checkpoints', -checkpoints)
return { int(call('HINCRBY', B .. 't:' .. id, 'g', 1)), writes, int(bytes) }
`,
]);

/** What pruning would remove. `ARGV`: thread, places. Gives writes and bytes. */
export const WEIGH_CHECKPOINTS: Script = new Script("read", [
  COMMON,
  THREAD,
  WRITES,
  `
local writes, bytes = 0, 0
for at = 4, #ARGV do
  local row = call('HGET', B .. 'c:' .. ARGV[3], ARGV[at])
  if row then
    local _, _, size = headerOf(row)
    bytes = bytes + tonumber(size)
  end
  local names = writeNames(ARGV[3], ARGV[at])
  writes, bytes = writes + #names, bytes + weighWrites(ARGV[3], names)
end
return { writes, int(bytes) }
`,
]);

/** `ARGV`: thread, where the page before ended, limit. Gives the full name and the value of writes. */
export const PAGE_WRITES: Script = new Script("read", [
  COMMON,
  `
local names = call('ZRANGEBYLEX', B .. 'wx:' .. ARGV[3], ARGV[4] == '' and '-' or '(' .. ARGV[4], '+', 'LIMIT', 0, ARGV[5])
local found = {}
for n, name in ipairs(names) do
  found[2 * n - 1], found[2 * n] = name, call('HGET', B .. 'w:' .. ARGV[3], name)
end
return found
`,
]);
