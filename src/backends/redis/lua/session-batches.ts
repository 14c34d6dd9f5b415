/**
 * Scripts of batches of sessions that go to several shards (S1): each shard keeps the ids for the batch, one shard decides, and the others follow. `rs`
 * has the batch of each id that is kept and the shard that decides, `rd` the fields of its session, `rb` what was decided: the time, or `-`.
 */
import { COMMON, REMOVAL, SESSION, THREAD } from "./parts.js";
import { Script } from "./script.js";

const APPLY = `
local function applyBatch(name, moment, ids)
  for _, id in ipairs(ids) do
    local kept = call('HGET', B .. 'rs', id)
    if kept and string.match(kept, '^%S+') == name then
      local fields = cmsgpack.unpack(call('HGET', B .. 'rd', id))
      call('HDEL', B .. 'rs', id)
      call('HDEL', B .. 'rd', id)
      if not headOf(id) then
        if call('EXISTS', B .. 's:' .. id) == 1 then removeSession(id) end
        local row = { 'c', moment, 'a', moment }
        for n = 1, #fields do row[n + 4] = fields[n] end
        insertSession(id, row)
      end
    end
  end
end
local function idsFrom(first)
  local ids = {}
  for at = first, #ARGV do ids[#ids + 1] = ARGV[at] end
  return ids
end
`;

/** `ARGV`: batch, shard that decides, how many, then for each its id and a list of fields with its length. Gives `E`, id and row of one that is there, `P` and whom an id is kept for. */
export const KEEP_SESSION_IDS: Script = new Script("write", [
  COMMON,
  SESSION,
  `
local note, new, at = ARGV[3] .. ' ' .. ARGV[4], {}, 6
for n = 1, tonumber(ARGV[5]) do
  local id, length = ARGV[at], tonumber(ARGV[at + 1])
  local fields = {}
  for i = 1, length do fields[i] = ARGV[at + 1 + i] end
  new[n] = { id, cmsgpack.pack(fields) }
  at = at + 2 + length
end
for _, each in ipairs(new) do
  if headOf(each[1]) then return { 'E', each[1], call('HGETALL', B .. 's:' .. each[1]) } end
  local kept = call('HGET', B .. 'rs', each[1])
  if kept and kept ~= note then return { 'P', each[1], kept } end
end
for _, each in ipairs(new) do
  call('HSET', B .. 'rs', each[1], note)
  call('HSET', B .. 'rd', each[1], each[2])
end
return { 'O' }
`,
]);

/** On the shard that decides. `ARGV`: batch, its ids here. Gives the time, or nothing for a batch that was given up. */
export const DECIDE_SESSION_BATCH: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  APPLY,
  `
local ids = idsFrom(4)
if call('HEXISTS', B .. 'rb', ARGV[3]) == 1 then return {} end
call('HSET', B .. 'rb', ARGV[3], int(now()))
applyBatch(ARGV[3], int(now()), ids)
return { int(now()) }
`,
]);

/** `ARGV`: batch, time, ids that are kept for it. Makes the sessions that were decided about. */
export const APPLY_SESSION_BATCH: Script = new Script("write", [
  COMMON,
  SESSION,
  THREAD,
  REMOVAL,
  APPLY,
  `
local ids = idsFrom(5)
applyBatch(ARGV[3], ARGV[4], ids)
return 1
`,
]);

/** On the shard that decides. `ARGV`: batch, `1` to give it up unless it is decided. Gives the time if it was decided, `-` if it was given up, nothing if neither. */
export const ASK_SESSION_BATCH: Script = new Script("write", [
  COMMON,
  `
local decided = call('HGET', B .. 'rb', ARGV[3])
if not decided and ARGV[4] == '1' then
  call('HSET', B .. 'rb', ARGV[3], '-')
  return '-'
end
return decided
`,
]);

/** `ARGV`: batch, ids. Lets go of ids that were kept for it. */
export const FREE_SESSION_IDS: Script = new Script("write", [
  COMMON,
  `
for at = 4, #ARGV do
  local kept = call('HGET', B .. 'rs', ARGV[at])
  if kept and string.match(kept, '^%S+') == ARGV[3] then
    call('HDEL', B .. 'rs', ARGV[at])
    call('HDEL', B .. 'rd', ARGV[at])
  end
end
return 1
`,
]);

/** On the shard that has decided. `ARGV`: batch. */
export const FORGET_SESSION_BATCH: Script = new Script("write", [
  COMMON,
  `
call('HDEL', B .. 'rb', ARGV[3])
return 1
`,
]);
