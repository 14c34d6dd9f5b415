// The search for forbidden syntax finds each kind.
import { expect, it } from "vitest";
import { syntaxOf } from "./support/syntax.js";

it.each([
  ["export default 1;", ["export-default"]],
  ["const a = 1; export { a as default };", ["export-default"]],
  ['export * from "./a.js";', ["export-all"]],
  ['export * as a from "./a.js";', ["export-all"]],
  ["{ using a = b(); }", ["using"]],
  ["async function f() { await using a = b(); }", ["using"]],
  ['export const a = "export default"; export { b } from "./b.js"; const using = 1;', []],
])("in %s", (code, found) => {
  expect(syntaxOf("x.ts", code)).toEqual(found);
});
