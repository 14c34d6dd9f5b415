/** Bytes inside a stored value: typed arrays, DataView, ArrayBuffer and Buffer, as base64 of their little-endian bytes. */
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { isDeepStrictEqual, types } from "node:util";
import { hasProperties, type Json, type LeafKind, type LeafWriter, malformed } from "./format.js";

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

export const BINARY_KINDS: readonly LeafKind[] = [
  ...TYPED_ARRAYS.map(typedArray),
  {
    tag: "Buffer",
    prototype: Buffer.prototype,
    write(value, writer) {
      const buffer = value as Buffer;
      const memory = ownMemory(buffer.buffer, writer);
      const bare = Buffer.from(memory, buffer.byteOffset, buffer.byteLength);
      if (!isDeepStrictEqual(buffer, bare)) writer.refuse("a Buffer with further properties");
      return toBase64(bare, writer);
    },
    read: (payload) => Buffer.from(fromBase64(payload).buffer),
  },
  {
    tag: "DataView",
    prototype: DataView.prototype,
    write(value, writer) {
      const view = value as DataView;
      if (hasProperties(view)) writer.refuse("a DataView with further properties");
      return toBase64(new Uint8Array(ownMemory(view.buffer, writer), view.byteOffset, view.byteLength), writer);
    },
    read: (payload) => new DataView(fromBase64(payload).buffer),
  },
  {
    tag: "ArrayBuffer",
    prototype: ArrayBuffer.prototype,
    write(value, writer) {
      if (hasProperties(value)) writer.refuse("an ArrayBuffer with further properties");
      return toBase64(new Uint8Array(ownMemory(value as ArrayBuffer, writer)), writer);
    },
    read: (payload) => fromBase64(payload).buffer,
  },
];

function typedArray(View: TypedArrayConstructor): LeafKind {
  const { name, prototype, BYTES_PER_ELEMENT: width } = View;
  return {
    tag: name,
    prototype,
    write(value, writer) {
      const view = value as ArrayBufferView;
      const memory = ownMemory(view.buffer, writer);
      // A second view of the same memory: the two differ only if this one has further properties or another kind inside.
      const bare = new View(memory, view.byteOffset, view.byteLength / width);
      if (!isDeepStrictEqual(view, bare)) writer.refuse(`a ${name} with further properties`);
      return toBase64(swapBytes(new Uint8Array(memory, view.byteOffset, view.byteLength), width), writer);
    },
    read(payload) {
      // The constructor refuses a length that is no multiple of the element's.
      return new View(swapBytes(fromBase64(payload), width).buffer);
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

function toBase64(bytes: Uint8Array, writer: LeafWriter): string {
  writer.reserve(Math.ceil(bytes.byteLength / 3) * 4);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** The bytes, in memory of their own: a Buffer from the pool of Node.js would show its neighbours. */
function fromBase64(payload: Json): Uint8Array<ArrayBuffer> {
  if (typeof payload !== "string") throw malformed("bytes that are no text");
  const padding = payload.endsWith("==") ? 2 : payload.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array(Math.max(0, Math.floor(payload.length / 4) * 3 - padding));
  const buffer = Buffer.from(bytes.buffer);
  buffer.write(payload, "base64");
  // Node.js skips what is not base64: only text that comes out again is whole.
  if (buffer.toString("base64") !== payload) throw malformed("bytes that are not base64");
  return bytes;
}

/** The bytes of each element in the other order, where this machine is not little-endian. */
function swapBytes(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  if (endianness() === "LE" || width === 1) return bytes;
  const swapped = new Uint8Array(bytes);
  for (let i = 0; i < swapped.length; i += width) swapped.subarray(i, i + width).reverse();
  return swapped;
}
