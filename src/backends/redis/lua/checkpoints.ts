/** Scripts of checkpoints and their writes (K1-K5, K8). */
import { BLOCKS, COMMON, LEASE, REMOVAL, SESSION, THREAD, WRITES } from "./parts.js";
import { Script } from "./script.js";

/**
 * `ARGV`: thread, namespace, checkpoint, session or nothing, kind of the lease or nothing, token, `any`, `none` or `is`, the head that
 * is expected, needed parent or nothing, size, `1` if the parent is needed, root or `-`, first line, metadata, manifest, how many
 * blocks, and of each its name and value.
 */
export const STORE_CHECKPOINT: Script = new Script("write", [
  COMMON,
  SESSION,
  LEASE,
  THREAD,
  REMOVAL,
  BLOCKS,
  `
local id, namespace, checkpoint, session = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local place = namespace .. '\\0' .. checkpoint
local owner
if session ~= '' then
  owner = headOf(session)
  if not owner then return { 'N' } end
end
local thread, gone, linked = threadOf(id)
if ARGV[7] ~= '' then
  local lease
  if ARGV[7] == 'session' then
    lease = call('GET', B .. 'ls:' .. session)
  else
    lease = (not gone) and call('GET', B .. 'lt:' .. id) or false
  end
  if tokenOf(lease) ~= ARGV[8] then return { 'F', lease } end
end
if ARGV[9] ~= 'any' then
  local head = (not gone) and lastOf(id, namespace) or nil
  if head ~= (ARGV[9] == 'is' and ARGV[10] or nil) then return { 'H', head or false } end
end
local root, names, values, sent = ARGV[14], {}, {}, {}
for at = 19, #ARGV, 2 do
  names[#names + 1], values[#values + 1] = ARGV[at], ARGV[at + 1]
  sent[ARGV[at]] = true
end
local function isMissing(name)
  return not sent[name] and (gone or call('HEXISTS', B .. 'b:' .. id, name) == 0)
end
if root ~= '-' and isMissing(unhex(root)) then return { 'B' } end
for n = 1, #values do
  for _, child in ipairs(childrenOf(values[n])) do
    if isMissing(child) then return { 'B' } end
  end
end
if gone then
  removeThread(id)
  thread = nil
end
thread = thread or beginThread(id)
local c = B .. 'c:' .. id
local before = call('HGET', c, place)
local seq, createdAt, size, needs, replaced
if before then
  seq, createdAt, size, needs, replaced = headerOf(before)
else
  seq, createdAt = int(tonumber(thread[4]) + 1), int(now())
end
putBlocks(id, names, values, root)
if replaced then release(id, replaced) end
call('HSET', c, place, seq .. ' ' .. createdAt .. ' ' .. ARGV[12] .. ' ' .. ARGV[13] .. ' ' .. root .. '\\n' .. ARGV[15]
  .. '\\n' .. ARGV[16] .. '\\n' .. ARGV[17])
if ARGV[11] ~= '' then
  call('HSET', B .. 'p:' .. id, place, ARGV[11])
elseif before then
  call('HDEL', B .. 'p:' .. id, place)
end
if not before then
  call('ZADD', B .. 'q:' .. id, seq, place)
  call('ZADD', B .. 'n:' .. id, 0, namespace .. '\\0' .. pad(tonumber(seq)) .. '\\0' .. checkpoint)
  call('HINCRBY', T, 'checkpoints', 1)
end
local last, count = before and thread[4] or seq, before and thread[5] or int(tonumber(thread[5]) + 1)
touchThread(id, thread, session ~= '' and session or thread[1], owner or linked, 'l', last, 'k', count)
return { 'O', seq, createdAt }
`,
]);

/** `ARGV`: thread, names. Gives for each whether the thread has the block. */
export const KNOWN_BLOCKS: Script = new Script("read", [
  COMMON,
  SESSION,
  THREAD,
  `
local _, gone = threadOf(ARGV[3])
local known = {}
for at = 4, #ARGV do known[at - 3] = gone and 0 or call('HEXISTS', B .. 'b:' .. ARGV[3], ARGV[at]) end
return known
`,
]);

/** Keeps pieces of a long state that its checkpoint follows, of a thread that may be yet to come. `ARGV`: thread, names and values. */
export const STAGE_BLOCKS: Script = new Script("write", [
  COMMON,
  `
local id = ARGV[3]
local b, f = B .. 'b:' .. id, B .. 'f:' .. id
for at = 4, #ARGV, 2 do
  if call('HSETNX', b, ARGV[at], ARGV[at + 1]) == 1 then call('HSET', f, ARGV[at], -1) end
end
if call('EXISTS', B .. 't:' .. id) == 0 then
  call('PEXPIRE', b, 600000)
  call('PEXPIRE', f, 600000)
end
return 1
`,
]);

/** Takes pieces back whose checkpoint was refused, unless somebody else has used them. `ARGV`: thread, names. */
export const UNSTAGE_BLOCKS: Script = new Script("write", [
  COMMON,
  `
local b, f = B .. 'b:' .. ARGV[3], B .. 'f:' .. ARGV[3]
for at = 4, #ARGV do
  if call('HGET', f, ARGV[at]) == '-1' then
    call('HDEL', f, ARGV[at])
    call('HDEL', b, ARGV[at])
  end
end
return 1
`,
]);

const PARTS = `
-- Blocks from some names down, each once: a name and a value behind the other. Once they are many bytes, names are left for another call.
local function addBlocks(id, level, seen, found, rest)
  local b, bytes = B .. 'b:' .. id, 0
  while #level > 0 do
    local below = {}
    for from = 1, #level, 16 do
      local last = math.min(from + 15, #level)
      if bytes > 2097152 then
        for n = from, last do rest[#rest + 1] = level[n] end
      else
        local values = call('HMGET', b, unpack(level, from, last))
        for n = 1, last - from + 1 do
          local value = values[n]
          if value then
            found[#found + 1], found[#found + 2] = level[from + n - 1], value
            bytes = bytes + #value
            for _, child in ipairs(childrenOf(value)) do
              if not seen[child] then
                seen[child] = true
                below[#below + 1] = child
              end
            end
          end
        end
      end
    end
    level = below
  end
end
local function addState(id, root, seen, found, rest)
  if root == '-' then return end
  local name = unhex(root)
  if seen[name] then return end
  seen[name] = true
  addBlocks(id, { name }, seen, found, rest)
end
`;

/** What a call before has left. `ARGV`: thread, names. Gives blocks, and names that are left again. */
export const READ_BLOCKS: Script = new Script(
  "read",
  [
    COMMON,
    BLOCKS,
    PARTS,
    `
local level, seen, found, rest = {}, {}, {}, {}
for at = 4, #ARGV do
  level[at - 3] = ARGV[at]
  seen[ARGV[at]] = true
end
addBlocks(ARGV[3], level, seen, found, rest)
return { found, rest }
`,
  ],
  { binary: true },
);

/**
 * `ARGV`: thread, namespace, checkpoint or nothing for the latest, `1` for writes, root that need not come. Gives the id, row, blocks,
 * names of blocks that are left for another call, writes, and the session that the thread is linked to or nothing.
 */
export const GET_CHECKPOINT: Script = new Script(
  "read",
  [
    COMMON,
    SESSION,
    THREAD,
    BLOCKS,
    WRITES,
    PARTS,
    `
local id, namespace = ARGV[3], ARGV[4]
local thread, gone = threadOf(id)
if not thread or gone then return {} end
local checkpoint = ARGV[5] ~= '' and ARGV[5] or lastOf(id, namespace)
local place = checkpoint and namespace .. '\\0' .. checkpoint
local row = place and call('HGET', B .. 'c:' .. id, place)
if not row then return {} end
local _, _, _, _, root = headerOf(row)
local blocks, rest = {}, {}
if root and root ~= ARGV[7] then addState(id, root, {}, blocks, rest) end
return { checkpoint, row, blocks, rest, ARGV[6] == '1' and writesOf(id, place) or {}, thread[1] or '' }
`,
  ],
  { binary: true },
);

/**
 * A page by seq. `ARGV`: thread, `1` for one namespace and its name, limit, exclusive bound or nothing, `desc` or `asc`, `1` for states, `1` for
 * writes. Gives the blocks of all, names of those that are left, then for each its place, row and writes.
 */
export const LIST_CHECKPOINTS: Script = new Script(
  "read",
  [
    COMMON,
    SESSION,
    THREAD,
    BLOCKS,
    WRITES,
    PARTS,
    `
local id, one, namespace, limit, bound, desc = ARGV[3], ARGV[4] == '1', ARGV[5], ARGV[6], ARGV[7], ARGV[8] == 'desc'
local thread, gone = threadOf(id)
if not thread or gone then return {} end
local places
if one then
  local high = '(' .. namespace .. '\\0' .. (bound == '' and '\\255' or pad(tonumber(bound)))
  places = call('ZREVRANGEBYLEX', B .. 'n:' .. id, high, '[' .. namespace .. '\\0', 'LIMIT', 0, limit)
  for n, member in ipairs(places) do places[n] = namespace .. '\\0' .. string.sub(member, #namespace + 19) end
elseif desc then
  places = call('ZREVRANGEBYSCORE', B .. 'q:' .. id, bound == '' and '+inf' or '(' .. bound, '-inf', 'LIMIT', 0, limit)
else
  places = call('ZRANGEBYSCORE', B .. 'q:' .. id, bound == '' and '-inf' or '(' .. bound, '+inf', 'LIMIT', 0, limit)
end
local seen, found = {}, { {}, {} }
for _, place in ipairs(places) do
  local row = call('HGET', B .. 'c:' .. id, place)
  if row then
    local _, _, _, _, root = headerOf(row)
    if root and ARGV[9] == '1' then addState(id, root, seen, found[1], found[2]) end
    found[#found + 1] = place
    found[#found + 1] = row
    found[#found + 1] = ARGV[10] == '1' and writesOf(id, place) or {}
  end
end
return found
`,
  ],
  { binary: true },
);

/** `ARGV`: thread, namespace, checkpoint, `1` to overwrite, token, then task with index and value of each write. `P` when pieces of a long text are not there. */
export const PUT_WRITES: Script = new Script("write", [
  COMMON,
  SESSION,
  LEASE,
  THREAD,
  REMOVAL,
  WRITES,
  `
local id, place = ARGV[3], ARGV[4] .. '\\0' .. ARGV[5] .. '\\0'
local thread, gone, linked = threadOf(id)
if ARGV[7] ~= '' then
  local lease = (not gone) and call('GET', B .. 'lt:' .. id) or false
  if tokenOf(lease) ~= ARGV[7] then return { 'F', lease } end
end
local w, wx, wv = B .. 'w:' .. id, B .. 'wx:' .. id, B .. 'wv:' .. id
for at = 9, #ARGV, 2 do
  if not isSent(textOf(ARGV[at])) then return { 'P' } end
end
if gone then
  removeThread(id)
  thread = nil
end
thread = thread or beginThread(id)
for at = 8, #ARGV, 2 do
  local name, value = place .. ARGV[at], ARGV[at + 1]
  if ARGV[6] == '1' then
    local before = call('EXISTS', wv) == 1 and call('HGET', w, name)
    if call('HSET', w, name, value) == 1 then call('ZADD', wx, 0, name) end
    if before then dropLong(wv, textOf(before)) end
    keepLong(wv, textOf(value))
  elseif call('HSETNX', w, name, value) == 1 then
    call('ZADD', wx, 0, name)
    keepLong(wv, textOf(value))
  end
end
touchThread(id, thread, thread[1], linked)
return { 'O' }
`,
]);

/** `ARGV`: thread, namespace, checkpoint. */
export const GET_WRITES: Script = new Script("read", [
  COMMON,
  SESSION,
  THREAD,
  WRITES,
  `
local thread, gone = threadOf(ARGV[3])
if not thread or gone then return {} end
return writesOf(ARGV[3], ARGV[4] .. '\\0' .. ARGV[5])
`,
]);
