/** Counts of a tenant: kept with every write, so that reading them takes no longer for a large tenant. */
import { COMMON } from "./parts.js";
import { Script } from "./script.js";

/** Gives sessions, active ones, messages, threads, checkpoints, items, requests, errors. */
export const COUNT_ALL: Script = new Script("read", [
  COMMON,
  `
local c = call('HMGET', T, 'active', 'messages', 'checkpoints', 'requests', 'errors')
for n = 1, 5 do c[n] = tonumber(c[n] or '0') end
return { call('ZCARD', B .. 'sc'), c[1], c[2], call('ZCARD', B .. 'tc'), c[3], call('ZCARD', B .. 'ip'), c[4], c[5] }
`,
]);
