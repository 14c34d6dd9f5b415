/** The same sums by SIMD: a small WebAssembly module, written out here instruction by instruction. */

import { endianness } from "node:os";
import type { RowRange, SumKind } from "./row-sums.js";
import { MAX_DIMENSIONS } from "./vectors.js";

type SimdSums = (kind: SumKind, query: Float64Array, rows: RowRange, sums: Float64Array) => void;

/** Numbers of a row that one turn of the loop takes. */
const NUMBERS_A_TURN = 8;

/** The memory of the module: the query, the sums, and as many rows as there is room for, few enough for a processor's cache. */
const QUERY_AT = 0;
const SUMS_AT: number = 8 * MAX_DIMENSIONS;
const MAX_SUMS = 256;
const VALUES_AT = 128 * 1024;
const VALUE_NUMBERS = 32 * 1024;
const PAGES = 4;

/** Compiled at the first use; `null` where there is no WebAssembly with SIMD. */
let compiled: SimdSums | null | undefined;

/** `null` where vectors of this many dimensions have to be summed without. */
export function simdSums(dimensions: number): SimdSums | null {
  if (dimensions % NUMBERS_A_TURN !== 0) return null;
  if (compiled === undefined) compiled = compile();
  return compiled;
}

/** What is used of WebAssembly, whose types come with those of browsers only. */
interface WebAssemblyApi {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: object,
  ) => {
    readonly exports: Readonly<Record<SumKind, (values: number, rows: number, queryEnd: number, sums: number) => void>>;
  };
  readonly CompileError: new () => Error;
}

function compile(): SimdSums | null {
  const { WebAssembly: api } = globalThis as { readonly WebAssembly?: WebAssemblyApi };
  // The memory of WebAssembly is little-endian on every machine, the arrays of JavaScript are not.
  if (api === undefined || endianness() === "BE") return null;
  let module: object;
  try {
    module = new api.Module(moduleBytes());
  } catch (error) {
    // A processor without SIMD, or a host that compiles nothing at run time.
    if (error instanceof api.CompileError) return null;
    throw error;
  }
  const memory = new api.Memory({ initial: PAGES });
  const { exports } = new api.Instance(module, { host: { memory } });
  const queryPlace = new Float64Array(memory.buffer, QUERY_AT, MAX_DIMENSIONS);
  const sumsPlace = new Float64Array(memory.buffer, SUMS_AT, MAX_SUMS);
  const valuesPlace = new Float32Array(memory.buffer, VALUES_AT, VALUE_NUMBERS);
  return (kind, query, { values, from, count }, sums) => {
    const { length } = query;
    const atOnce = Math.min(MAX_SUMS, Math.floor(VALUE_NUMBERS / length));
    queryPlace.set(query);
    for (let done = 0; done < count; ) {
      const rows = Math.min(atOnce, count - done);
      const start = from + done;
      valuesPlace.set(values.subarray(start * length, (start + rows) * length));
      exports[kind](VALUES_AT, rows, 8 * length, SUMS_AT);
      sums.set(rows === MAX_SUMS ? sumsPlace : sumsPlace.subarray(0, rows), done);
      done += rows;
    }
  };
}

// Types, and the variables of the two functions: four parameters, then the others.
const I32 = 0x7f;
const V128 = 0x7b;
const VALUES = 0;
const ROWS = 1;
const QUERY_END = 2;
const SUMS = 3;
const QUERY = 4;
const DIFFERENCE = 5;
const ACCUMULATORS = [6, 7, 8, 9] as const;

// Instructions, named as in the specification.
const END = 0x0b;
const BLOCK = [0x02, 0x40];
const LOOP = [0x03, 0x40];
const br = (depth: number): number[] => [0x0c, depth];
const br_if = (depth: number): number[] => [0x0d, depth];
const local_get = (local: number): number[] => [0x20, local];
const local_set = (local: number): number[] => [0x21, local];
const local_tee = (local: number): number[] => [0x22, local];
const i32_const = (n: number): number[] => [0x41, ...(n < 64 ? [n] : [n | 0x80, 0])];
const I32_EQZ = 0x45;
const I32_LT_U = 0x49;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const F64_STORE = [0x39, 3, 0];
const F64_ADD = 0xa0;
const v128_load = (offset: number): number[] => [0xfd, 0x00, 3, offset];
const V128_ZERO = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
const v128_load64_zero = (offset: number): number[] => [0xfd, 0x5d, 2, offset];
const F64X2_PROMOTE_LOW_F32X4 = [0xfd, 0x5f];
const f64x2_extract_lane = (lane: number): number[] => [0xfd, 0x21, lane];
const F64X2_ADD = [0xfd, 0xf0, 0x01];
const F64X2_SUB = [0xfd, 0xf1, 0x01];
const F64X2_MUL = [0xfd, 0xf2, 0x01];

/** Two numbers of the query and of a row, which become two numbers to be added. */
const TERMS: Readonly<Record<SumKind, readonly number[]>> = {
  products: F64X2_MUL,
  squares: [...F64X2_SUB, ...local_tee(DIFFERENCE), ...local_get(DIFFERENCE), ...F64X2_MUL],
};

/**
 * For each row: four accumulators of two sums begin with zero; the query and the row are gone through, eight numbers a turn; the
 * eight sums are added, as the plain loop adds its own, and stored.
 */
function functionBody(kind: SumKind): number[] {
  const [a, b, c, d] = ACCUMULATORS;
  return [
    ...BLOCK,
    ...LOOP,
    ...[...local_get(ROWS), I32_EQZ, ...br_if(1)],
    ...[...i32_const(QUERY_AT), ...local_set(QUERY)],
    ...ACCUMULATORS.flatMap((sum) => [...V128_ZERO, ...local_set(sum)]),
    ...LOOP,
    ...ACCUMULATORS.flatMap((sum, i) => [
      ...[...local_get(sum), ...local_get(QUERY), ...v128_load(16 * i)],
      ...[...local_get(VALUES), ...v128_load64_zero(8 * i), ...F64X2_PROMOTE_LOW_F32X4],
      ...[...TERMS[kind], ...F64X2_ADD, ...local_set(sum)],
    ]),
    ...[...local_get(VALUES), ...i32_const(4 * NUMBERS_A_TURN), I32_ADD, ...local_set(VALUES)],
    ...[...local_get(QUERY), ...i32_const(8 * NUMBERS_A_TURN), I32_ADD, ...local_tee(QUERY)],
    ...[...local_get(QUERY_END), I32_LT_U, ...br_if(0)],
    END,
    ...local_get(SUMS),
    ...[...local_get(a), ...local_get(b), ...F64X2_ADD, ...local_get(c), ...local_get(d), ...F64X2_ADD],
    ...[...F64X2_ADD, ...local_tee(a), ...f64x2_extract_lane(0), ...local_get(a), ...f64x2_extract_lane(1), F64_ADD],
    ...F64_STORE,
    ...[...local_get(SUMS), ...i32_const(8), I32_ADD, ...local_set(SUMS)],
    ...[...local_get(ROWS), ...i32_const(1), I32_SUB, ...local_set(ROWS)],
    ...br(0),
    END,
    END,
    END,
  ];
}

function moduleBytes(): Uint8Array {
  const locals = list([
    [1, I32],
    [1 + ACCUMULATORS.length, V128],
  ]);
  const code = (kind: SumKind): number[] => sized([...locals, ...functionBody(kind)]);
  return Uint8Array.from([
    ...[0x00, ...text("asm"), 1, 0, 0, 0],
    // One type of function, (i32, i32, i32, i32) -> (); a memory of the host; two functions, by their names.
    ...section(1, list([[0x60, ...list([[I32], [I32], [I32], [I32]]), 0]])),
    ...section(2, list([[...name("host"), ...name("memory"), 2, 0, PAGES]])),
    ...section(3, list([[0], [0]])),
    ...section(
      7,
      list([
        [...name("products"), 0, 0],
        [...name("squares"), 0, 1],
      ]),
    ),
    ...section(10, list([code("products"), code("squares")])),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

function list(parts: readonly (readonly number[])[]): number[] {
  return [parts.length, ...parts.flat()];
}

/** Bytes after their number, which takes one byte for each seven bits of it. */
function sized(bytes: readonly number[]): number[] {
  const { length } = bytes;
  return [...(length < 128 ? [length] : [(length & 127) | 128, length >>> 7]), ...bytes];
}

function name(string: string): number[] {
  return sized(text(string));
}

function text(string: string): number[] {
  return [...Buffer.from(string)];
}
