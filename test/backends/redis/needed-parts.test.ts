// Scripts are put together from parts, of which they carry what they call.
import { expect, it } from "vitest";
import { neededParts } from "../../../src/backends/redis/lua/needed-parts.js";

const PARTS = `local call = redis.call
local function one() return 1 end
-- Says what three says.
local function two()
  if true then
    return one()
  end
end
local function three()
  return 3
end
local instant
local function now()
  instant = instant or call('TIME')
end`;

it("keeps functions that are called, also by others that are, and all else in its order", () => {
  expect(neededParts(`${PARTS}\nreturn two()`)).toBe(`local call = redis.call
local function one() return 1 end
-- Says what three says.
local function two()
  if true then
    return one()
  end
end
local instant
return two()`);
});

it("keeps what stands between functions, and none where nothing is called", () => {
  expect(neededParts(`${PARTS}\n-- not two\nreturn 1`)).toBe(
    "local call = redis.call\n-- Says what three says.\nlocal instant\n-- not two\nreturn 1",
  );
});
