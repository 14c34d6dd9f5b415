/** Bytes inside a stored value: typed arrays, DataView, ArrayBuffer and Buffer, as base64 of their little-endian bytes. */
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { isDeepStrictEqual, types } from "node:util";
import { isBareView } from "../realms.js";
import { runAtOnce } from "../slices.js";
import { hasProperties, type Json, type LeafKind, type LeafWriter, malformed } from "./format.js";
import { type StoredText, TextWindow } from "./long-text.js";

interface TypedArrayConstructor {
  readonly name: string;
  readonly prototype: object;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): ArrayBufferView;
}

// Float16Array came with Node.js 24: an older runtime refuses what a newer one has stored.
const { Float16Array } = globalThis as { readonly Float16Array?: TypedArrayConstructor };

const TYPED_ARRAYS: readonly TypedArrayConstructor[] = [
  Uint8Array,
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  BigUint64Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
  ...(Float16Array === undefined ? [] : [Float16Array]),
];

/** For how many arrays and objects bytes count, however many they are. */
const CONTAINERS = 40;

export const BINARY_KINDS: readonly LeafKind[] = [
  ...TYPED_ARRAYS.map(typedArray),
  {
    tag: "Buffer",
    prototype: Buffer.prototype,
    containers: CONTAINERS,
    write(value, writer) {
      const buffer = value as Buffer;
      const memory = ownMemory(buffer.buffer, writer);
      const bare = Buffer.from(memory, buffer.byteOffset, buffer.byteLength);
      if (!isDeepStrictEqual(buffer, bare)) writer.refuse("a Buffer with further properties");
      return writer.bytes(bare);
    },
    ...readAs((bytes) => Buffer.from(bytes.buffer)),
  },
  {
    tag: "DataView",
    prototype: DataView.prototype,
    containers: CONTAINERS,
    write(value, writer) {
      const view = value as DataView;
      if (hasProperties(view)) writer.refuse("a DataView with further properties");
      return writer.bytes(new Uint8Array(ownMemory(view.buffer, writer), view.byteOffset, view.byteLength));
    },
    ...readAs((bytes) => new DataView(bytes.buffer)),
  },
  {
    tag: "ArrayBuffer",
    prototype: ArrayBuffer.prototype,
    containers: CONTAINERS,
    write(value, writer) {
      if (hasProperties(value)) writer.refuse("an ArrayBuffer with further properties");
      return writer.bytes(new Uint8Array(ownMemory(value as ArrayBuffer, writer)));
    },
    ...readAs((bytes) => bytes.buffer),
  },
];

function typedArray(View: TypedArrayConstructor): LeafKind {
  const { name, prototype, BYTES_PER_ELEMENT: width } = View;
  return {
    tag: name,
    prototype,
    containers: CONTAINERS,
    write(value, writer) {
      const view = value as ArrayBufferView;
      const memory = ownMemory(view.buffer, writer);
      // A second view of the same memory: the two differ only if this one has further properties or another kind inside.
      const bare = new View(memory, view.byteOffset, view.byteLength / width);
      if (!isBareView(view, bare)) writer.refuse(`a ${name} with further properties`);
      return writer.bytes(swapBytes(new Uint8Array(memory, view.byteOffset, view.byteLength), width));
    },
    // The constructor refuses a length that is no multiple of the element's.
    ...readAs((bytes) => new View(swapBytes(bytes, width).buffer)),
  };
}

function readAs(
  make: (bytes: Uint8Array<ArrayBuffer>) => object,
): Pick<LeafKind, "read"> & Required<Pick<LeafKind, "readInSteps">> {
  return {
    read: (payload) => make(fromBase64(payload)),
    *readInSteps(payload) {
      return make(yield* fromBase64InSteps(payload));
    },
  };
}

/** The buffer, if its bytes belong to this value alone and have a fixed length. */
function ownMemory(buffer: ArrayBufferLike, writer: LeafWriter): ArrayBuffer {
  if (types.isSharedArrayBuffer(buffer)) return writer.refuse("a SharedArrayBuffer");
  if (buffer.resizable) return writer.refuse("a resizable ArrayBuffer");
  if (buffer.detached) return writer.refuse("a detached ArrayBuffer");
  return buffer;
}

/** The bytes, in memory of their own: a Buffer from the pool of Node.js would show its neighbours. */
function fromBase64(payload: Json): Uint8Array<ArrayBuffer> {
  if (typeof payload !== "string") throw malformed("bytes that are no text");
  return runAtOnce(fromBase64InSteps(payload));
}

/** Characters of base64 that are read in one step: four for each three bytes. */
const READ_AT_ONCE = 128 * 1024;

function* fromBase64InSteps(payload: StoredText): Generator<void, Uint8Array<ArrayBuffer>, void> {
  const texts = new TextWindow(payload);
  const last = texts.slice(payload.length - 2, payload.length);
  const padding = last === "==" ? 2 : last.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array(Math.max(0, Math.floor(payload.length / 4) * 3 - padding));
  const buffer = Buffer.from(bytes.buffer);
  let end = 0;
  for (let at = 0; at < payload.length; at += READ_AT_ONCE) {
    if (at > 0) yield;
    const text = texts.slice(at, at + READ_AT_ONCE);
    const start = end;
    end += buffer.write(text, start, "base64");
    // Node.js skips what is not base64: only text that comes out again is whole.
    if (buffer.toString("base64", start, end) !== text) throw malformed("bytes that are not base64");
  }
  if (end !== bytes.length) throw malformed("bytes that are not base64");
  return bytes;
}

/** The bytes of each element in the other order, where this machine is not little-endian. */
function swapBytes(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  if (endianness() === "LE" || width === 1) return bytes;
  const swapped = new Uint8Array(bytes);
  for (let i = 0; i < swapped.length; i += width) swapped.subarray(i, i + width).reverse();
  return swapped;
}
