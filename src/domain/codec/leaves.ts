/** The kinds of objects that hold no other values, in one table: Date, RegExp, URL and bytes. */
import { BINARY_KINDS } from "./binary.js";
import { hasProperties, type LeafKind, malformed } from "./format.js";

const DATE: LeafKind = {
  tag: "Date",
  prototype: Date.prototype,
  containers: 8,
  write(value, writer) {
    const date = value as Date;
    if (hasProperties(date)) writer.refuse("a Date with further properties");
    return Number.isNaN(Date.prototype.getTime.call(date)) ? null : Date.prototype.toISOString.call(date);
  },
  read(payload) {
    if (payload === null) return new Date(Number.NaN);
    const date = new Date(typeof payload === "string" ? payload : Number.NaN);
    if (Number.isNaN(date.getTime()) || date.toISOString() !== payload) throw malformed("a Date");
    return date;
  },
};

const REG_EXP: LeafKind = {
  tag: "RegExp",
  prototype: RegExp.prototype,
  containers: 10,
  write(value, writer) {
    const pattern = value as RegExp;
    if (hasProperties(pattern)) writer.refuse("a RegExp with further properties");
    const { source, flags, lastIndex } = pattern;
    if (!Number.isSafeInteger(lastIndex) || Object.is(lastIndex, -0)) {
      writer.refuse("a RegExp whose lastIndex is no integer");
    }
    writer.reserve(source.length);
    return [source, flags, lastIndex];
  },
  read(payload) {
    if (!Array.isArray(payload) || payload.length !== 3) throw malformed("a RegExp");
    const [source, flags, lastIndex] = payload;
    if (typeof source !== "string" || typeof flags !== "string" || !Number.isSafeInteger(lastIndex)) {
      throw malformed("a RegExp");
    }
    const pattern = new RegExp(source, flags);
    if (pattern.source !== source || pattern.flags !== flags) throw malformed("a RegExp");
    pattern.lastIndex = lastIndex as number;
    return pattern;
  },
};

const WEB_ADDRESS: LeafKind = {
  tag: "URL",
  prototype: URL.prototype,
  containers: 40,
  write(value, writer) {
    const url = value as URL;
    if (hasProperties(url)) writer.refuse("a URL with further properties");
    const { href } = url;
    writer.reserve(href.length);
    if (new URL(href).href !== href) writer.refuse("a URL that its own text does not give back");
    return href;
  },
  read(payload) {
    const url = new URL(typeof payload === "string" ? payload : "");
    if (url.href !== payload) throw malformed("a URL");
    return url;
  },
};

const LEAF_KINDS: readonly LeafKind[] = [DATE, REG_EXP, WEB_ADDRESS, ...BINARY_KINDS];

const LEAF_BY_PROTOTYPE: ReadonlyMap<object, LeafKind> = new Map(LEAF_KINDS.map((kind) => [kind.prototype, kind]));

const LEAF_BY_TAG: ReadonlyMap<string, LeafKind> = new Map(LEAF_KINDS.map((kind) => [kind.tag, kind]));

/** The kind of objects that have this prototype. */
export function leafByPrototype(prototype: object): LeafKind | undefined {
  // A mocked clock replaces the class of dates for a time.
  return LEAF_BY_PROTOTYPE.get(prototype) ?? (prototype === globalThis.Date.prototype ? DATE : undefined);
}

/** The kind that a tag names. */
export function leafByTag(tag: string): LeafKind | undefined {
  return LEAF_BY_TAG.get(tag);
}
