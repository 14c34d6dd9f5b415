/**
 * Data of another realm. A test runner or a sandbox that runs code in a context of `node:vm` gives it classes of its own, and what Node.js
 * itself makes (`response.json()`, `structuredClone`, the errors of `node:fs`) comes with those of the outer realm.
 */
import { isDeepStrictEqual } from "node:util";

type BuiltIn = { readonly name: string; readonly prototype: object };

/** Of this realm, by name. A getter is not asked: Node.js loads a library for some. */
const BUILT_INS: ReadonlyMap<unknown, BuiltIn> = new Map(
  Object.values(Object.getOwnPropertyDescriptors(globalThis))
    .map(({ value }): unknown => value)
    .filter((value): value is BuiltIn => typeof value === "function" && typeof value.prototype === "object")
    .map((maker) => [maker.name, maker]),
);

/** What was found, as the classes of a realm are few and their objects many. */
const FOUND = new WeakMap<object, object>();

/** The prototype that stands in this realm for the one of a built-in class in another; any other prototype is its own. */
export function ownPrototype(prototype: object): object {
  let own = FOUND.get(prototype);
  if (own === undefined) {
    own = standInOf(prototype) ?? prototype;
    FOUND.set(prototype, own);
  }
  return own;
}

/** Whether objects of this prototype are plain ones. */
export function isPlainPrototype(prototype: object | null): boolean {
  return prototype === null || prototype === Object.prototype || ownPrototype(prototype) === Object.prototype;
}

/** Whether arrays of this prototype are no instances of a class of their own. */
export function isArrayPrototype(prototype: object | null): boolean {
  return prototype === Array.prototype || (prototype !== null && ownPrototype(prototype) === Array.prototype);
}

/** Whether a view is the same as a bare one of this realm over the same bytes, which is then of the view's realm. */
export function isBareView(view: ArrayBufferView, bare: ArrayBufferView): boolean {
  const prototype: object = Object.getPrototypeOf(view);
  const own: object = Object.getPrototypeOf(bare);
  if (prototype !== own && ownPrototype(prototype) === own) Object.setPrototypeOf(bare, prototype);
  return isDeepStrictEqual(view, bare);
}

function standInOf(prototype: object): object | undefined {
  const maker: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  if (typeof maker !== "function" || maker.prototype !== prototype) return undefined;
  const own = BUILT_INS.get(maker.name);
  // Nothing but a built-in function has this text: neither a class of the same name, nor a bound function, nor a proxy.
  return own !== undefined && textOf(maker) === textOf(own) ? own.prototype : undefined;
}

function textOf(maker: unknown): string {
  return Function.prototype.toString.call(maker);
}
