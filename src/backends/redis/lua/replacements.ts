/** Scripts that put values in the place of stored ones (P2). */
import { BLOCKS, COMMON, SESSION, THREAD } from "./parts.js";
import { Script } from "./script.js";

/**
 * `ARGV`: for each its kind and what that takes: `s` session, how many fields, names and values, how many new ones, names and values; `x`
 * session, version, metadata, content, new size, metadata, content; `w` thread, name, value, new value; `i` place, value, new value.
 * Gives 1 for each that was replaced, 0 for the others.
 */
export const REPLACE_VALUES: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  `
local at, results = 3, {}
local function take()
  at = at + 1
  return ARGV[at - 1]
end
local function takeFields()
  local n, fields = tonumber(take()), {}
  for i = 1, 2 * n do fields[i] = take() end
  return fields
end
local replace = {}
function replace.s()
  local id, from, to = take(), takeFields(), takeFields()
  local s = B .. 's:' .. id
  if not headOf(id) then return 0 end
  local stored, count = {}, 0
  local row = call('HGETALL', s)
  for i = 1, #row, 2 do
    if string.sub(row[i], 1, 2) == 'm:' then
      stored[row[i]] = row[i + 1]
      count = count + 1
    end
  end
  if count ~= #from / 2 then return 0 end
  for i = 1, #from, 2 do
    if stored[from[i]] ~= from[i + 1] then return 0 end
  end
  for i = 1, #from, 2 do call('HDEL', s, from[i]) end
  if #to > 0 then many('HSET', s, to, 1, #to) end
  return 1
end
function replace.x()
  local id, version, metadata, content = take(), take(), take(), take()
  local size, newMetadata, newContent = take(), take(), take()
  local h = headOf(id)
  if not h or not h[4] then return 0 end
  local x = B .. 'x:' .. h[4]
  local stored = call('HMGET', x, 'i' .. version, 'c' .. version)
  if not stored[1] or stored[2] ~= content then return 0 end
  local line = string.find(stored[1], '\\n', 1, true)
  if string.sub(stored[1], line + 1) ~= metadata then return 0 end
  local created = string.match(stored[1], '^(%-?%d+) ')
  dropLong(B .. 'xl:' .. h[4], content)
  call('HSET', x, 'i' .. version, created .. ' ' .. size .. '\\n' .. newMetadata, 'c' .. version, newContent)
  return 1
end
function replace.w()
  local id, name, value, newValue = take(), take(), take(), take()
  local thread, gone = threadOf(id)
  if not thread or gone then return 0 end
  local w = B .. 'w:' .. id
  local stored = call('HGET', w, name)
  local line = stored and string.find(stored, '\\n', 1, true)
  if not line or string.sub(stored, line + 1) ~= value then return 0 end
  dropLong(B .. 'wv:' .. id, value)
  call('HSET', w, name, string.sub(stored, 1, line) .. newValue)
  call('HINCRBY', B .. 't:' .. id, 'g', 1)
  return 1
end
function replace.i()
  local place, value, newValue = take(), take(), take()
  local stored = call('HGET', B .. 'it', place)
  local line = stored and string.find(stored, '\\n', 1, true)
  if not line or string.sub(stored, line + 1) ~= value then return 0 end
  local header, expires = string.match(stored, '^(%S+ %S+ %S+ %S+ (%S+)) ')
  if expires ~= '-' and now() >= tonumber(expires) then return 0 end
  if longOf(value) then
    call('HDEL', B .. 'iv', place)
    call('UNLINK', B .. 'v:' .. longOf(value))
  end
  call('HSET', B .. 'it', place, header .. ' ' .. int(call('HINCRBY', T, 'items', 1)) .. '\\n' .. newValue)
  return 1
end
while at <= #ARGV do results[#results + 1] = replace[take()]() end
return results
`,
]);

/**
 * `ARGV`: thread, namespace, checkpoint, root or `-`, manifest if there is no root, metadata, new size, root, metadata, manifest, then of each
 * block its name and value. Gives `O` if the state was replaced, `B` if a block is missing, `-` otherwise.
 */
export const REPLACE_STATE: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  BLOCKS,
  `
local id, place, root = ARGV[3], ARGV[4] .. '\\0' .. ARGV[5], ARGV[10]
local thread, gone = threadOf(id)
if not thread or gone then return { '-' } end
local c = B .. 'c:' .. id
local row = call('HGET', c, place)
if not row then return { '-' } end
local seq, createdAt, _, needs, before = headerOf(row)
local first = string.find(row, '\\n', 1, true)
local second = string.find(row, '\\n', first + 1, true)
local third = string.find(row, '\\n', second + 1, true)
if before ~= ARGV[6] or string.sub(row, second + 1, third - 1) ~= ARGV[8] then return { '-' } end
if before == '-' and string.sub(row, third + 1) ~= ARGV[7] then return { '-' } end
local names, values, sent = {}, {}, {}
for at = 13, #ARGV, 2 do
  names[#names + 1], values[#values + 1] = ARGV[at], ARGV[at + 1]
  sent[ARGV[at]] = true
end
local function isMissing(name)
  return not sent[name] and call('HEXISTS', B .. 'b:' .. id, name) == 0
end
if root ~= '-' and isMissing(unhex(root)) then return { 'B' } end
for n = 1, #values do
  for _, child in ipairs(childrenOf(values[n])) do
    if isMissing(child) then return { 'B' } end
  end
end
putBlocks(id, names, values, root)
release(id, before)
call('HSET', c, place, seq .. ' ' .. createdAt .. ' ' .. ARGV[9] .. ' ' .. needs .. ' ' .. root
  .. string.sub(row, first, second) .. ARGV[11] .. '\\n' .. ARGV[12])
call('HINCRBY', B .. 't:' .. id, 'g', 1)
return { 'O' }
`,
]);

/**
 * A message in a stream is never changed: the conversation is copied beside itself in short steps, and takes its own place when the copy has
 * all of it. `ARGV`: session, name of the run, `1` if it begins, `1` if more replacements follow, then of each, by `seq`: seq, metadata,
 * content, new metadata, new content. Gives `N` without a session, `W` when another run is under way or this one took too long, `R` when
 * messages were deleted meanwhile, `C` to call again with the same, `M` to go on with more, `O` when all is done; then each `seq` that was replaced.
 */
export const REPLACE_MESSAGES: Script = new Script("write", [
  COMMON,
  SESSION,
  `
local id, run, begins, more = ARGV[3], ARGV[4], ARGV[5] == '1', ARGV[6] == '1'
local m, copy = B .. 'm:' .. id, B .. 'mr:' .. id
if not headOf(id) then return { 'N' } end
local owner = call('XRANGE', copy, '-', '+', 'COUNT', 1)[1]
if owner and owner[2][2] ~= run then return { 'W' } end
if not owner then
  if not begins then return { 'W' } end
  call('XADD', copy, '0-1', 'o', run)
end
call('PEXPIRE', copy, 3000)
local given = {}
for at = 7, #ARGV, 5 do given[ARGV[at]] = at end
local stop = more and ARGV[#ARGV - 4] or '+'
local done, copied, bytes, whole = {}, 0, 0, false
while copied < 500 and bytes < 1048576 and not whole do
  local last = string.match(call('XREVRANGE', copy, '+', '-', 'COUNT', 1)[1][1], '^%d+')
  local from = last == '0' and '-' or last .. '-1'
  if stop ~= '+' and tonumber(last) >= tonumber(stop) then
    whole = true
    break
  end
  local some = call('XRANGE', m, from, stop, 'COUNT', 50)
  whole = #some < 50
  for _, entry in ipairs(some) do
    local seq, e = string.match(entry[1], '^%d+'), entry[2]
    local metadata, content, at = e[8], e[10], given[string.match(entry[1], '^%d+')]
    if at and ARGV[at + 1] == metadata and ARGV[at + 2] == content then
      metadata, content = ARGV[at + 3], ARGV[at + 4]
      done[#done + 1] = seq
    end
    call('XADD', copy, entry[1], 'i', e[2], 'r', e[4], 't', e[6], 'd', metadata, 'b', content)
    copied, bytes = copied + 1, bytes + #metadata + #content
  end
end
if not whole then return { 'C', unpack(done) } end
if more then return { 'M', unpack(done) } end
if call('XLEN', copy) - 1 ~= call('XLEN', m) then
  call('UNLINK', copy)
  return { 'R' }
end
call('XDEL', copy, '0-1')
call('PERSIST', copy)
if call('XLEN', copy) == 0 then call('UNLINK', copy) else call('RENAME', copy, m) end
return { 'O', unpack(done) }
`,
]);
