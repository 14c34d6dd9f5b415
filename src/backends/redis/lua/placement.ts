/** Scripts about where threads are, on one shard each: marks and claims at a thread's home, and the steps of a move. */
import { KEY_KINDS } from "./guard.js";
import { COMMON, REMOVAL, SESSION, THREAD } from "./parts.js";
import { Script } from "./script.js";

const THERE = `
local function isThere(id)
  return call('EXISTS', B .. 't:' .. id, B .. 'lt:' .. id) > 0
end
`;

/** At home. `ARGV`: thread. Gives the mark or nothing, and 1 if the thread is here. */
export const LOCATE_THREAD: Script = new Script("read", [
  COMMON,
  THERE,
  `
local there = isThere(ARGV[3])
return { call('HGET', B .. 'th', ARGV[3]), there and 1 or 0 }
`,
]);

/** At home. `ARGV`: thread, shard, name of the claim. Gives 1 if the thread may begin there. */
export const CLAIM_THREAD: Script = new Script("write", [
  COMMON,
  THERE,
  `
local id = ARGV[3]
if isThere(id) then return 0 end
local mark = call('HGET', B .. 'th', id)
if mark and string.match(mark, '^%d+') ~= ARGV[4] then return 0 end
call('HSET', B .. 'th', id, ARGV[4] .. ' ' .. ARGV[5])
return 1
`,
]);

/** Where marks lead. `ARGV`: thread and bucket of each. Gives 1 for each that is here; claims of others are void from now on. */
export const VOID_CLAIMS: Script = new Script("write", [
  COMMON,
  THERE,
  `
local found, void = {}, {}
for at = 3, #ARGV, 2 do
  local there = isThere(ARGV[at])
  found[#found + 1] = there and 1 or 0
  if not there then void[ARGV[at + 1]] = true end
end
for bucket in pairs(void) do call('HINCRBY', T, 'e' .. bucket, 1) end
return found
`,
]);

/** At home. `ARGV`: thread and mark of each. Removes marks that are still these. */
export const REMOVE_MARKS: Script = new Script("write", [
  COMMON,
  `
for at = 3, #ARGV, 2 do
  if call('HGET', B .. 'th', ARGV[at]) == ARGV[at + 1] then call('HDEL', B .. 'th', ARGV[at]) end
end
return 1
`,
]);

/** Where a thread is to go. `ARGV`: thread, name of the move. Gives 0 if it is here already. */
export const EXPECT_THREAD: Script = new Script("write", [
  COMMON,
  THERE,
  `
if isThere(ARGV[3]) then return 0 end
call('HSET', B .. 'ty', ARGV[4] .. ' ' .. ARGV[3], '1')
return 1
`,
]);

/** Where a thread was to go. `ARGV`: thread, name of a move that has not begun. */
export const EXPECT_NO_MORE: Script = new Script("write", [
  COMMON,
  `
return call('HDEL', B .. 'ty', ARGV[4] .. ' ' .. ARGV[3])
`,
]);

/**
 * Where a thread is. `ARGV`: thread, shard that it goes to, name of the move, mark at its home or `-`. From now on nobody writes to it here. Gives
 * `O` and each of its keys as DUMP gives it, behind the key's kind; `G` if it had gone with its session and is removed now, `L` and what its
 * row says if it is leaving, and nothing if it is not here.
 */
export const LEAVE_SHARD: Script = new Script(
  "write",
  [
    COMMON,
    SESSION,
    THREAD,
    REMOVAL,
    THERE,
    `
local id = ARGV[3]
if not isThere(id) then return {} end
local leaving = call('HGET', B .. 't:' .. id, 'z')
if leaving then return { 'L', leaving } end
local thread, gone = threadOf(id)
if gone then
  removeThread(id)
  return { 'G' }
end
local found = { 'O' }
for _, kind in ipairs(${KEY_KINDS}) do
  local payload = call('DUMP', B .. kind .. ':' .. id)
  if payload then
    found[#found + 1] = kind
    found[#found + 1] = payload
  end
end
call('HSET', B .. 't:' .. id, 'z', ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6])
return found
`,
  ],
  { binary: true },
);

/** Where a thread is that is leaving. `ARGV`: name of a long text. Gives what DUMP gives. */
export const DUMP_TEXT: Script = new Script(
  "read",
  [
    COMMON,
    `
return call('DUMP', B .. 'v:' .. ARGV[3])
`,
  ],
  { binary: true },
);

/** Where a thread is that is leaving. `ARGV`: thread. Gives names of its long texts. */
export const TEXTS_OF_THREAD: Script = new Script("read", [
  COMMON,
  `
return call('SMEMBERS', B .. 'wv:' .. ARGV[3])
`,
]);

/** Where a thread goes. `ARGV`: thread, name of the move, kind of a key, what DUMP gave. Gives 0 if the move was given up. */
export const RECEIVE_KEY: Script = new Script("write", [
  COMMON,
  `
local id, place = ARGV[3], B .. 'y' .. ARGV[5] .. ':' .. ARGV[3]
if call('HEXISTS', B .. 'ty', ARGV[4] .. ' ' .. id) == 0 then return 0 end
call('RESTORE', place, 0, ARGV[6], 'REPLACE')
call('PEXPIRE', place, 86400000)
return 1
`,
]);

/** Where a thread goes. `ARGV`: thread, name of the move. Gives 1 if it has arrived; otherwise it never will under this name. */
export const GIVE_UP_ARRIVAL: Script = new Script("write", [
  COMMON,
  `
local id = ARGV[3]
if call('HGET', B .. 'to', id) == ARGV[4] then return 1 end
if call('HDEL', B .. 'ty', ARGV[4] .. ' ' .. id) == 1 then
  for _, name in ipairs(call('SMEMBERS', B .. 'ywv:' .. id)) do call('UNLINK', B .. 'yv' .. name .. ':' .. id) end
  for _, kind in ipairs(${KEY_KINDS}) do
    call('UNLINK', B .. 'y' .. kind .. ':' .. id)
  end
end
return 0
`,
]);

/** Where a thread stays after all. `ARGV`: thread, what `z` of its row says. */
export const STAY_IN_SHARD: Script = new Script("write", [
  COMMON,
  `
if call('HGET', B .. 't:' .. ARGV[3], 'z') == ARGV[4] then call('HDEL', B .. 't:' .. ARGV[3], 'z') end
return 1
`,
]);

/** At home. `ARGV`: thread, mark that it had or `-`, new mark. */
export const MARK_THREAD: Script = new Script("write", [
  COMMON,
  `
if (call('HGET', B .. 'th', ARGV[3]) or '-') == ARGV[4] then call('HSET', B .. 'th', ARGV[3], ARGV[5]) end
return 1
`,
]);

/** Where a thread was. `ARGV`: thread, what `z` of its row says. */
export const REMOVE_LEFT: Script = new Script("write", [
  COMMON,
  THREAD,
  REMOVAL,
  `
local id = ARGV[3]
if call('HGET', B .. 't:' .. id, 'z') ~= ARGV[4] then return 0 end
removeThread(id)
return 1
`,
]);

/** Where a thread has arrived. `ARGV`: thread, name of the move. */
export const FORGET_ARRIVAL: Script = new Script("write", [
  COMMON,
  `
if call('HGET', B .. 'to', ARGV[3]) == ARGV[4] then call('HDEL', B .. 'to', ARGV[3]) end
return 1
`,
]);

/** At home. `ARGV`: cursor of HSCAN, limit. Gives the next cursor, then threads and their marks. */
export const WALK_MARKS: Script = new Script("read", [
  COMMON,
  `
local page = call('HSCAN', B .. 'th', ARGV[3], 'COUNT', ARGV[4])
return { page[1], unpack(page[2]) }
`,
]);
