/** Scripts of conversations (C1-C6): a stream of messages, a hash of their ids, and their roles in order. */
import { COMMON, LEASE, SESSION } from "./parts.js";
import { Script } from "./script.js";

/**
 * `ARGV`: session, token, then for each message whether its id was given, id, role, time or nothing, metadata, content. Gives for
 * each its `seq` and time, and of one that was there all of it; `P` when pieces of a long text are not there.
 */
export const ADD_MESSAGES: Script = new Script("write", [
  COMMON,
  SESSION,
  LEASE,
  `
local id, token = ARGV[3], ARGV[4]
local s, m, i, r, mv = B .. 's:' .. id, B .. 'm:' .. id, B .. 'i:' .. id, B .. 'r:' .. id, B .. 'mv:' .. id
local h = headOf(id)
if not h then return { 'N' } end
if token ~= '' then
  local lease = call('GET', B .. 'ls:' .. id)
  if tokenOf(lease) ~= token then return { 'F', lease } end
end
for at = 5, #ARGV, 6 do
  if not isSent(ARGV[at + 5]) then return { 'P' } end
end
local first = tonumber(h[5] or '0')
local seq, moment, results = first, int(now()), { 'O' }
for at = 5, #ARGV, 6 do
  local known = ARGV[at] == '1' and call('HGET', i, ARGV[at + 1])
  if known then
    local entry = call('XRANGE', m, known, known)[1]
    results[#results + 1] = { known, entry[2][6], entry[2] }
  else
    seq = seq + 1
    local name = int(seq)
    local time = ARGV[at + 3] == '' and moment or ARGV[at + 3]
    call('XADD', m, name .. '-0', 'i', ARGV[at + 1], 'r', ARGV[at + 2], 't', time, 'd', ARGV[at + 4], 'b', ARGV[at + 5])
    call('HSET', i, ARGV[at + 1], name)
    call('ZADD', r, 0, ARGV[at + 2] .. '\\0' .. pad(seq))
    keepLong(mv, ARGV[at + 5])
    results[#results + 1] = { name, time }
  end
end
local added = seq - first
if added > 0 then
  local count = int(added)
  call('HSET', s, 'l', int(seq), 'n', int(tonumber(h[6] or '0') + added))
  call('HINCRBY', T, 'messages', count)
  stamp(id, h)
end
return results
`,
]);

/** `ARGV`: session, limit, bounds that are inclusive, `1` for oldest first, roles. Gives entries of the stream. */
export const GET_HISTORY: Script = new Script(
  "read",
  [
    COMMON,
    SESSION,
    `
local id, limit, from, to, oldest = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7] == '1'
local m, r = B .. 'm:' .. id, B .. 'r:' .. id
if not headOf(id) then return {} end
if #ARGV == 7 then
  if from == '' then from = '-' end
  if to == '' then to = '+' end
  if oldest then return call('XRANGE', m, from, to, 'COUNT', limit) end
  local newest = call('XREVRANGE', m, to, from, 'COUNT', limit)
  local n = #newest
  for a = 1, math.floor(n / 2) do newest[a], newest[n + 1 - a] = newest[n + 1 - a], newest[a] end
  return newest
end
local seqs = {}
for at = 8, #ARGV do
  local low = '[' .. ARGV[at] .. '\\0' .. (from == '' and '' or pad(tonumber(from)))
  local high = to == '' and '(' .. ARGV[at] .. '\\1' or '[' .. ARGV[at] .. '\\0' .. pad(tonumber(to))
  local found = oldest and call('ZRANGEBYLEX', r, low, high, 'LIMIT', 0, limit)
    or call('ZREVRANGEBYLEX', r, high, low, 'LIMIT', 0, limit)
  for _, member in ipairs(found) do seqs[#seqs + 1] = tonumber(string.sub(member, -16)) end
end
table.sort(seqs)
local messages = {}
for at = oldest and 1 or math.max(1, #seqs - limit + 1), oldest and math.min(limit, #seqs) or #seqs do
  messages[#messages + 1] = call('XRANGE', m, int(seqs[at]), int(seqs[at]))[1]
end
return messages
`,
  ],
  { binary: true },
);

/** `ARGV`: session, token, bounds that are inclusive. Gives how many went. */
export const DELETE_MESSAGES: Script = new Script("write", [
  COMMON,
  SESSION,
  LEASE,
  `
local id, token = ARGV[3], ARGV[4]
local m, i, r, mv = B .. 'm:' .. id, B .. 'i:' .. id, B .. 'r:' .. id, B .. 'mv:' .. id
local h = headOf(id)
if not h then return { 'N' } end
if token ~= '' then
  local lease = call('GET', B .. 'ls:' .. id)
  if tokenOf(lease) ~= token then return { 'F', lease } end
end
local from, to, removed = ARGV[5] == '' and '-' or ARGV[5], ARGV[6] == '' and '+' or ARGV[6], 0
while true do
  local some = call('XRANGE', m, from, to, 'COUNT', 300)
  if #some == 0 then break end
  local entries, ids, roles = {}, {}, {}
  for n, entry in ipairs(some) do
    entries[n], ids[n] = entry[1], entry[2][2]
    roles[n] = entry[2][4] .. '\\0' .. pad(tonumber(string.match(entry[1], '^%d+')))
  end
  for _, entry in ipairs(some) do dropLong(mv, entry[2][10]) end
  call('XDEL', m, unpack(entries))
  call('HDEL', i, unpack(ids))
  call('ZREM', r, unpack(roles))
  removed = removed + #some
end
if removed > 0 then
  call('HINCRBY', B .. 's:' .. id, 'n', int(-removed))
  call('HINCRBY', T, 'messages', int(-removed))
  stamp(id, h)
end
return { 'O', removed }
`,
]);
