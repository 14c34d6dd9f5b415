/** How columns become values: 64-bit integers as numbers, JSON as text, bytes as bytes, whatever the application has set up for `pg`. */

const BOOL = 16;
const BYTEA = 17;
const INT8 = 20;
const INT2 = 21;
const INT4 = 23;
const OID = 26;
const FLOAT4 = 700;
const FLOAT8 = 701;

type Parser = (value: never) => unknown;

const asIs = ((value: string) => value) as Parser;
const asNumber = ((value: string) => Number(value)) as Parser;

const PARSERS = new Map<number, Parser>([
  [BOOL, ((value: string) => value === "t") as Parser],
  [BYTEA, ((value: string) => Buffer.from(value.slice(2), "hex")) as Parser],
  [INT8, asNumber],
  [INT2, asNumber],
  [INT4, asNumber],
  [OID, asNumber],
  [FLOAT4, asNumber],
  [FLOAT8, asNumber],
]);

export const ROW_VALUES = {
  getTypeParser: (oid: number): Parser => PARSERS.get(oid) ?? asIs,
};
