/**
 * What stands before a script where threads are spread over shards: it looks whether this shard has the thread, in the script's own step.
 *
 * A thread is at home in the shard of its id, or where the mark in its home's `th` says: there its keys are the proof that it has it. A field `z` of
 * `t:` says that it is leaving, `ty` has threads that are arriving, `to` those that have arrived. A field `e<bucket>` counts claims that were withdrawn, so
 * that a thread is not begun by who has claimed the place before.
 */
import type { Script } from "./script.js";

/** Kinds of a thread's keys, and its lease. Beside them are the long texts that `wv:` names. */
export const KEY_KINDS = "{ 't', 'c', 'q', 'n', 'p', 'b', 'f', 'w', 'wx', 'wv', 'lt' }";

/** Fields of the shard's own hash among which the counts of withdrawn claims are spread. */
export const BUCKETS = 256;

/**
 * Behind the script's own arguments: thread, how it is here (`h` at home, `g` elsewhere, `a` on arrival; `H` and `G` for one that is only read
 * beside the other), epoch or name of the arrival, bucket or number of keys, for each guard; how many.
 */
const GUARD = `
local wsAdopt, wsUndo, wsKeep
do
  local call, T, B = redis.call, KEYS[1], KEYS[1] .. ':'
  local function take() return table.remove(ARGV) end
  for n = 1, tonumber(take()) do
    local bucket, token, mode, id = take(), take(), take(), take()
    local source = mode == 'H' or mode == 'G'
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
      local kinds, longs, shared, count = {}, {}, {}, 0
      for _, kind in ipairs(${KEY_KINDS}) do
        if call('EXISTS', B .. 'y' .. kind .. ':' .. id) == 1 then kinds[#kinds + 1] = kind end
      end
      for _, name in ipairs(call('SMEMBERS', B .. 'ywv:' .. id)) do
        count = count + call('EXISTS', B .. 'yv' .. name .. ':' .. id)
        -- A copy of the thread may have brought the text along.
        if call('EXISTS', B .. 'v:' .. name) == 1 then shared[#shared + 1] = name else longs[#longs + 1] = name end
      end
      if call('HEXISTS', B .. 'ty', token .. ' ' .. id) == 0 or #kinds + count ~= tonumber(bucket) or count ~= #longs + #shared then
        return redis.error_reply('WSELSEWHERE -')
      end
      local mark = call('HGET', B .. 'th', id)
      local row
      function wsAdopt()
        for _, kind in ipairs(kinds) do
          call('RENAME', B .. 'y' .. kind .. ':' .. id, B .. kind .. ':' .. id)
          call('PERSIST', B .. kind .. ':' .. id)
        end
        for _, name in ipairs(longs) do
          call('RENAME', B .. 'yv' .. name .. ':' .. id, B .. 'v:' .. name)
          call('PERSIST', B .. 'v:' .. name)
          call('HDEL', B .. 'v:' .. name, 'n')
        end
        for _, name in ipairs(shared) do call('HINCRBY', B .. 'v:' .. name, 'n', 1) end
        row = call('HMGET', B .. 't:' .. id, 'c', 'a', 'k')
        if row[1] then
          -- The session that it was linked to is in another shard, and the thread leaves it.
          call('HDEL', B .. 't:' .. id, 's')
          call('ZADD', B .. 'tc', row[1], id)
          call('ZADD', B .. 'tu', row[2], id)
          if row[3] ~= '0' then call('HINCRBY', T, 'checkpoints', row[3]) end
        end
        call('HDEL', B .. 'ty', token .. ' ' .. id)
        call('HSET', B .. 'to', id, token)
        if mark then call('HDEL', B .. 'th', id) end
      end
      function wsUndo()
        for _, kind in ipairs(kinds) do
          call('RENAME', B .. kind .. ':' .. id, B .. 'y' .. kind .. ':' .. id)
        end
        for _, name in ipairs(longs) do call('RENAME', B .. 'v:' .. name, B .. 'yv' .. name .. ':' .. id) end
        for _, name in ipairs(shared) do call('HINCRBY', B .. 'v:' .. name, 'n', -1) end
        if row[1] then
          call('ZREM', B .. 'tc', id)
          call('ZREM', B .. 'tu', id)
          if row[3] ~= '0' then call('HINCRBY', T, 'checkpoints', '-' .. row[3]) end
        end
        call('HDEL', B .. 'to', id)
        call('HSET', B .. 'ty', token .. ' ' .. id, '1')
        if mark then call('HSET', B .. 'th', id, mark) end
      end
      function wsKeep()
        for _, name in ipairs(shared) do call('UNLINK', B .. 'yv' .. name .. ':' .. id) end
      end
    end
  end
end
`;

const guarded = new WeakMap<Script, Script>();
const adopting = new WeakMap<Script, Script>();

/** The script behind its guards. */
export function guardedScript(script: Script): Script {
  return made(guarded, script, () => script.behind(GUARD));
}

/** The script over a thread that arrives: what is refused leaves it outside. */
export function adoptingScript(script: Script): Script {
  return made(adopting, script, () =>
    script.behind(
      GUARD,
      (own) => `
local function wsRun()
${own}
end
wsAdopt()
local wsReply = wsRun()
if type(wsReply) == 'table' and wsReply[1] == 'O' then wsKeep() else wsUndo() end
return wsReply
`,
    ),
  );
}

function made(known: WeakMap<Script, Script>, script: Script, make: () => Script): Script {
  let found = known.get(script);
  if (found === undefined) {
    found = make();
    known.set(script, found);
  }
  return found;
}
