/** The script of imports (P1): a batch is read whole, then asked about, then stored, so that nothing has to be taken back. */
import { BLOCKS, COMMON, REMOVAL, SESSION, THREAD, WRITES } from "./parts.js";
import { Script } from "./script.js";

/** Groups as `imports.ts` writes them into `ARGV`. */
const PARSE = `
local at = 3
local function take()
  at = at + 1
  return ARGV[at - 1]
end
local function list(count)
  local found = {}
  for n = 1, count do found[n] = take() end
  return found
end
local function takeMany(fields)
  local rows = {}
  for n = 1, tonumber(take()) do rows[n] = list(fields) end
  return rows
end
local conflict, groups = take(), {}
for g = 1, tonumber(take()) do
  local group = { kind = take(), id = take(), continued = take() }
  if group.kind == 'session' then
    group.fields, group.context = list(tonumber(take())), take()
    group.messages = takeMany(6)
  elseif group.kind == 'task_context' then
    group.versions = takeMany(3)
  elseif group.kind == 'thread' then
    group.row, group.checkpoints = list(tonumber(take())), {}
    for n = 1, tonumber(take()) do
      local checkpoint = list(11)
      checkpoint.blocks = takeMany(2)
      group.checkpoints[n] = checkpoint
    end
    group.writes = takeMany(2)
  else
    group.items = takeMany(3)
  end
  groups[g] = group
end
`;

const ASK = `
local function isLiveContext(id)
  for _, session in ipairs(call('SMEMBERS', B .. 'xs:' .. id)) do
    if headOf(session) then return true end
  end
  return false
end
local function isStored(group)
  if group.kind == 'session' then return headOf(group.id) ~= nil end
  if group.kind == 'task_context' then
    return isLiveContext(group.id) and call('EXISTS', B .. 'xv:' .. group.id) == 1
  end
  if group.kind == 'thread' then
    local thread, gone = threadOf(group.id)
    return thread ~= nil and not gone
  end
  local row = call('HGET', B .. 'it', group.id)
  local expires = row and string.match(row, '^%S+ %S+ %S+ %S+ (%S+) ')
  return row and (expires == '-' or now() < tonumber(expires))
end
-- Why rows do not go on from what is stored under their id.
local function notExtending(group)
  if group.kind == 'session' then
    local row = {}
    for i = 1, #group.fields, 2 do row[group.fields[i]] = group.fields[i + 1] end
    local h = call('HMGET', B .. 's:' .. group.id, 'u', 'c', 't', 'x', 'l')
    if h[1] ~= row.u or tonumber(h[2]) ~= tonumber(row.c) or tonumber(h[3] or -1) ~= tonumber(row.t or -1)
      or (h[4] or '') ~= group.context then return 'another' end
    local last, first = tonumber(h[5] or 0), group.messages[1]
    if tonumber(row.l or 0) < last or (first and tonumber(first[2]) <= last) then return 'further' end
  elseif group.kind == 'thread' then
    local h = call('HMGET', B .. 't:' .. group.id, 's', 'c', 'l')
    if (h[1] or '') ~= group.row[1] or tonumber(h[2]) ~= tonumber(group.row[2]) then return 'another' end
    local last, first = tonumber(h[3]), group.checkpoints[1]
    if tonumber(group.row[4]) < last or (first and tonumber(first[3]) <= last) then return 'further' end
  elseif group.kind == 'task_context' then
    local newest = call('HGET', B .. 'x:' .. group.id, 'n')
    if newest and tonumber(group.versions[1][1]) <= tonumber(newest) then return 'further' end
  end
  return nil
end
-- The position of a row whose id its subject has already; 'M' for a place that somebody else has taken.
local function refusal(group)
  local goesOn = (group.continued ~= '' and group.continued ~= 'skipped') or group.extends
  local seen = {}
  if group.kind == 'session' then
    local newest = goesOn and call('XREVRANGE', B .. 'm:' .. group.id, '+', '-', 'COUNT', 1)[1]
    local last = newest and tonumber(string.match(newest[1], '^%d+')) or 0
    for _, message in ipairs(group.messages) do
      if seen[message[3]] or (goesOn and call('HEXISTS', B .. 'i:' .. group.id, message[3]) == 1) then
        return tonumber(message[1])
      end
      seen[message[3]] = true
      if tonumber(message[2]) <= last then return 'M' end
      last = tonumber(message[2])
    end
  elseif group.kind == 'thread' then
    local c, q = B .. 'c:' .. group.id, B .. 'q:' .. group.id
    for _, checkpoint in ipairs(group.checkpoints) do
      local place = checkpoint[2]
      if seen[place] or (goesOn and call('HEXISTS', c, place) == 1) then return tonumber(checkpoint[1]) end
      seen[place] = true
      if goesOn and call('ZCOUNT', q, checkpoint[3], checkpoint[3]) > 0 then return 'M' end
    end
  end
  return nil
end
local begun = {}
for g, group in ipairs(groups) do
  if conflict == 'extend' and group.continued == '' and group.kind ~= 'item' and isStored(group) then
    group.extends = true
    local why = notExtending(group)
    if why then return { 'R', g - 1, why } end
  end
  local found = refusal(group)
  if found then return { 'R', g - 1, found } end
  if conflict == 'error' and group.continued == '' then
    local name = group.kind .. '\\0' .. group.id
    if begun[name] or isStored(group) then return { 'C', g - 1 } end
    begun[name] = true
  end
end
`;

const APPLY = `
-- The row of the whole takes the place of the stored one, but for how many messages there are.
local function extendSession(id, fields)
  local key, row = B .. 's:' .. id, {}
  local old = call('HMGET', key, 'u', 's', 'q', 'e')
  for i = 1, #fields, 2 do row[fields[i]] = fields[i + 1] end
  for _, field in ipairs(call('HKEYS', key)) do
    if not row[field] and (string.sub(field, 1, 2) == 'm:' or field == 'q' or field == 'p' or field == 'e') then
      call('HDEL', key, field)
    end
  end
  many('HSET', key, fields, 1, #fields)
  call('ZADD', B .. 'su', row.a, id)
  call('ZADD', B .. 'uu:' .. old[1], row.a, id)
  if row.t then call('ZADD', B .. 'sx', int(tonumber(row.a) + tonumber(row.t)), id) end
  local active = (row.s == 'active' and 1 or 0) - (old[2] == 'active' and 1 or 0)
  if active ~= 0 then call('HINCRBY', T, 'active', active) end
  call('HINCRBY', T, 'requests', int(tonumber(row.q or 0) - tonumber(old[3] or 0)))
  call('HINCRBY', T, 'errors', int(tonumber(row.e or 0) - tonumber(old[4] or 0)))
end
local function storeSession(group)
  local id = group.id
  if group.continued == '' and not group.extends and call('EXISTS', B .. 's:' .. id) == 1 then removeSession(id) end
  if group.extends then
    extendSession(id, group.fields)
  elseif #group.fields > 0 then
    insertSession(id, group.fields)
    if group.context ~= '' then
      for _, other in ipairs(call('SMEMBERS', B .. 'xs:' .. group.context)) do
        if not headOf(other) then removeSession(other) end
      end
      call('SADD', B .. 'xs:' .. group.context, id)
      call('ZADD', B .. 'xi', 0, group.context)
      call('HSET', B .. 's:' .. id, 'x', group.context)
    end
  end
  -- A session that was deleted between two batches: its messages go with it.
  if #group.messages == 0 or call('EXISTS', B .. 's:' .. id) == 0 then return end
  for _, m in ipairs(group.messages) do
    call('XADD', B .. 'm:' .. id, m[2] .. '-0', 'i', m[3], 'r', m[4], 't', m[5], 'd', string.match(m[6], '^(.-)\\n'),
      'b', string.match(m[6], '\\n(.*)$'))
    call('HSET', B .. 'i:' .. id, m[3], m[2])
    call('ZADD', B .. 'r:' .. id, 0, m[4] .. '\\0' .. pad(tonumber(m[2])))
  end
  call('HINCRBY', B .. 's:' .. id, 'n', #group.messages)
  call('HINCRBY', T, 'messages', #group.messages)
end
local function storeContext(group)
  local id = group.id
  if group.continued == '' and not group.extends then
    dropLongs(B .. 'xl:' .. id)
    call('UNLINK', B .. 'x:' .. id, B .. 'xv:' .. id)
  end
  if call('EXISTS', B .. 'xs:' .. id) == 0 then return end
  for _, v in ipairs(group.versions) do
    call('HSET', B .. 'x:' .. id, 'n', v[1], 'i' .. v[1], v[2], 'c' .. v[1], v[3])
    call('ZADD', B .. 'xv:' .. id, v[1], v[1])
  end
end
local function storeThread(group)
  local id = group.id
  if group.continued == '' and not group.extends and call('EXISTS', B .. 't:' .. id) == 1 then removeThread(id) end
  if group.extends then
    local session, _, updatedAt, lastSeq = unpack(group.row)
    call('HSET', B .. 't:' .. id, 'a', updatedAt, 'l', lastSeq)
    call('ZADD', B .. 'tu', updatedAt, id)
    if session ~= '' then call('ZADD', B .. 'lu:' .. session, updatedAt, id) end
  elseif #group.row > 0 then
    local session, createdAt, updatedAt, lastSeq = unpack(group.row)
    if session ~= '' and call('EXISTS', B .. 's:' .. session) == 0 then session = '' end
    call('HSET', B .. 't:' .. id, 'c', createdAt, 'a', updatedAt, 'l', lastSeq, 'k', '0')
    call('PERSIST', B .. 'b:' .. id)
    call('PERSIST', B .. 'f:' .. id)
    if session ~= '' then call('HSET', B .. 't:' .. id, 's', session) end
    placeThread(id, session ~= '' and session or nil, createdAt, updatedAt)
  end
  if call('EXISTS', B .. 't:' .. id) == 0 then return end
  for _, k in ipairs(group.checkpoints) do
    local place, seq, createdAt, size, needs, root = k[2], k[3], k[4], k[5], k[6], k[7]
    local names, values = {}, {}
    for n, block in ipairs(k.blocks) do names[n], values[n] = block[1], block[2] end
    putBlocks(id, names, values, root)
    call('HSET', B .. 'c:' .. id, place, seq .. ' ' .. createdAt .. ' ' .. size .. ' ' .. needs .. ' ' .. root .. '\\n' .. k[8]
      .. '\\n' .. k[9] .. '\\n' .. k[10])
    local stop = string.find(place, '\\0', 1, true)
    call('ZADD', B .. 'q:' .. id, seq, place)
    call('ZADD', B .. 'n:' .. id, 0, string.sub(place, 1, stop) .. pad(tonumber(seq)) .. string.sub(place, stop))
    if k[11] ~= '' then call('HSET', B .. 'p:' .. id, place, k[11]) end
    if tonumber(seq) > tonumber(call('HGET', B .. 't:' .. id, 'l')) then call('HSET', B .. 't:' .. id, 'l', seq) end
  end
  if #group.checkpoints > 0 then
    call('HINCRBY', B .. 't:' .. id, 'k', #group.checkpoints)
    call('HINCRBY', T, 'checkpoints', #group.checkpoints)
  end
  for _, w in ipairs(group.writes) do
    local extends = group.extends or group.continued == 'extended'
    local before = extends and call('HGET', B .. 'w:' .. id, w[1])
    if before then dropLong(B .. 'wv:' .. id, textOf(before)) end
    if call(extends and 'HSET' or 'HSETNX', B .. 'w:' .. id, w[1], w[2]) == 1 then
      call('ZADD', B .. 'wx:' .. id, 0, w[1])
    end
  end
  call('HINCRBY', B .. 't:' .. id, 'g', 1)
end
local function storeItems(group)
  for _, item in ipairs(group.items) do
    local text = call('HGET', B .. 'iv', group.id)
    if text then
      call('HDEL', B .. 'iv', group.id)
      call('UNLINK', B .. 'v:' .. text)
    end
    local row = item[1] .. ' ' .. int(call('HINCRBY', T, 'items', 1)) .. '\\n' .. item[2]
    call('HSET', B .. 'it', group.id, row)
    call('ZADD', B .. 'ip', 0, group.id)
    if item[3] == '-' then call('ZREM', B .. 'ix', group.id) else call('ZADD', B .. 'ix', item[3], group.id) end
  end
end
local verdicts = { 'O' }
for _, group in ipairs(groups) do
  local verdict = group.continued
  if verdict == '' then
    if group.kind == 'task_context' and not isLiveContext(group.id) then
      verdict = 'skipped'
    elseif not isStored(group) then
      verdict = 'imported'
    elseif conflict == 'extend' then
      verdict = group.extends and 'extended' or group.kind == 'item' and 'replaced' or 'imported'
    else
      verdict = conflict == 'replace' and 'replaced' or 'skipped'
    end
  end
  if verdict ~= 'skipped' then
    if group.kind == 'session' then
      storeSession(group)
    elseif group.kind == 'task_context' then
      storeContext(group)
    elseif group.kind == 'thread' then
      storeThread(group)
    else
      storeItems(group)
    end
  end
  verdicts[#verdicts + 1] = verdict
end
return verdicts
`;

/**
 * `ARGV`: what to do about what is there, how many groups, then the groups. Gives a verdict for each; `R` with the group and the place of
 * the row that is refused, `C` with the group that is there already.
 */
export const IMPORT_BATCH: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  BLOCKS,
  WRITES,
  REMOVAL,
  PARSE,
  ASK,
  APPLY,
]);

/** The same questions, and nothing else. */
export const CHECK_IMPORT: Script = new Script("read", [
  COMMON,
  SESSION,
  THREAD,
  PARSE,
  ASK,
  `
return { 'O' }
`,
]);

/** `ARGV`: contexts. Gives the sessions that share each, in one list for each. */
export const SESSIONS_OF_CONTEXTS: Script = new Script("read", [
  COMMON,
  SESSION,
  `
local found = {}
for at = 3, #ARGV do
  found[at - 2] = {}
  for _, session in ipairs(call('SMEMBERS', B .. 'xs:' .. ARGV[at])) do
    if headOf(session) then table.insert(found[at - 2], session) end
  end
end
return found
`,
]);
