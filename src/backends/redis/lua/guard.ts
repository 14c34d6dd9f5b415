/**
 * What stands before a script where threads are spread over shards: it looks whether this shard has the thread, in the script's own step.
 *
 * A thread is at home in the shard of its id, or where the mark in its home's `th` says: there its keys are the proof that it has it. A field `z` of
 * `t:` says that it is leaving, `ty` has threads that are arriving, `to` those that have arrived. A field `e<bucket>` counts claims that were withdrawn, so
 * that a thread is not begun by who has claimed the place before.
 */
import { Script } from "./script.js";

/** Fields of the shard's own hash among which the counts of withdrawn claims are spread. */
export const BUCKETS = 256;

/**
 * Behind the script's own arguments: thread, how it is here (`h` at home, `g` elsewhere, `a` on arrival; `H` and `G` for one that is only read
 * beside the other), epoch or name of the arrival, bucket or number of keys, for each guard; how many.
 */
const GUARD = `
local wsAdopt, wsUndo
do
  local call, T, B = redis.call, KEYS[1], KEYS[1] .. ':'
  local function take() return table.remove(ARGV) end
  for n = 1, tonumber(take()) do
    local bucket, token, mode, id = take(), take(), take(), take()
    local source = mode == 'H' or mode == 'G'
    if ARGV[2] == '1' then call('EXISTS', T, B .. 't:' .. id, B .. 'lt:' .. id, B .. 'th', B .. 'ty', B .. 'to') end
    if call('EXISTS', B .. 't:' .. id, B .. 'lt:' .. id) > 0 then
      local leaving = call('HGET', B .. 't:' .. id, 'z')
      if leaving and source then return redis.error_reply('WSAWAY -') end
      if leaving then return redis.error_reply('WSLEAVING ' .. leaving) end
      if mode == 'a' then return redis.error_reply('WSELSEWHERE -') end
    elseif source then
      if mode == 'G' or call('HEXISTS', B .. 'th', id) == 1 then return redis.error_reply('WSAWAY -') end
    elseif mode == 'h' then
      local mark = call('HGET', B .. 'th', id)
      if mark then return redis.error_reply('WSELSEWHERE -') end
    elseif mode == 'g' then
      local epoch = call('HGET', T, 'e' .. bucket) or '0'
      if token ~= epoch then return redis.error_reply('WSELSEWHERE ' .. epoch) end
    else
      local kinds = {}
      for _, kind in ipairs({ 't', 'c', 'q', 'n', 'p', 'b', 'f', 'w', 'wx', 'lt' }) do
        if call('EXISTS', B .. 'y' .. kind .. ':' .. id) == 1 then kinds[#kinds + 1] = kind end
      end
      if call('HGET', B .. 'ty', id) ~= token or #kinds ~= tonumber(bucket) then
        return redis.error_reply('WSELSEWHERE -')
      end
      local mark = call('HGET', B .. 'th', id)
      local row
      function wsAdopt()
        for _, kind in ipairs(kinds) do
          call('RENAME', B .. 'y' .. kind .. ':' .. id, B .. kind .. ':' .. id)
          call('PERSIST', B .. kind .. ':' .. id)
        end
        row = call('HMGET', B .. 't:' .. id, 'c', 'a', 'k')
        if row[1] then
          -- The session that it was linked to is in another shard, and the thread leaves it.
          call('HDEL', B .. 't:' .. id, 's')
          call('ZADD', B .. 'tc', row[1], id)
          call('ZADD', B .. 'tu', row[2], id)
          if row[3] ~= '0' then call('HINCRBY', T, 'checkpoints', row[3]) end
        end
        call('HDEL', B .. 'ty', id)
        call('HSET', B .. 'to', id, token)
        if mark then call('HDEL', B .. 'th', id) end
      end
      function wsUndo()
        for _, kind in ipairs(kinds) do
          call('RENAME', B .. kind .. ':' .. id, B .. 'y' .. kind .. ':' .. id)
        end
        if row[1] then
          call('ZREM', B .. 'tc', id)
          call('ZREM', B .. 'tu', id)
          if row[3] ~= '0' then call('HINCRBY', T, 'checkpoints', '-' .. row[3]) end
        end
        call('HDEL', B .. 'to', id)
        call('HSET', B .. 'ty', id, token)
        if mark then call('HSET', B .. 'th', id, mark) end
      end
    end
  end
end
`;

const guarded = new WeakMap<Script, Script>();
const adopting = new WeakMap<Script, Script>();

/** The script behind its guards. */
export function guardedScript(script: Script): Script {
  return made(guarded, script, () => [GUARD, script.text]);
}

/** The script over a thread that arrives: what is refused leaves it outside. */
export function adoptingScript(script: Script): Script {
  const run = `
local function wsRun()
${script.text}
end
wsAdopt()
local wsReply = wsRun()
if type(wsReply) ~= 'table' or wsReply[1] ~= 'O' then wsUndo() end
return wsReply
`;
  return made(adopting, script, () => [GUARD, run]);
}

function made(known: WeakMap<Script, Script>, script: Script, parts: () => string[]): Script {
  let found = known.get(script);
  if (found === undefined) {
    found = new Script(script.writes ? "write" : "read", parts(), { binary: script.binary });
    known.set(script, found);
  }
  return found;
}
