/** `waystone schema print|migrate|status`: the schema of a store, for people and for pipelines. */
import type { SchemaStatus, StorageSchema } from "../../contract/storage-schema.js";
import { DEFAULT_URL, openSchema } from "../../open.js";
import { EXIT } from "../exit-codes.js";
import { type Invocation, longCall } from "../invocation.js";
import { jsonText } from "../output/json.js";
import { printThing } from "../output/thing.js";

/** What the command line says of the schema; it wins over the URL. */
export interface SchemaOptions {
  readonly schema?: string;
  readonly partitions?: number;
  readonly rls?: boolean;
}

export function schemaPrint(
  invocation: Invocation,
  _args: readonly [],
  { from, ...options }: SchemaOptions & { readonly from?: number },
): Promise<void> {
  return withSchema(invocation, options, (schema) => {
    const script = schema.script(from);
    return invocation.print(invocation.form === "json" ? jsonText({ backend: schema.backend, script }) : script);
  });
}

export function schemaMigrate(invocation: Invocation, _args: readonly [], options: SchemaOptions): Promise<void> {
  return withSchema(invocation, options, async (schema) => {
    const call = longCall(invocation);
    const before = await schema.status(call);
    const status = before.pending.length === 0 ? before : await schema.migrate(call);
    return printStatus(invocation, status, { applied: before.pending });
  });
}

/** @returns 8 where something is pending */
export function schemaStatus(invocation: Invocation, _args: readonly [], options: SchemaOptions): Promise<number> {
  return withSchema(invocation, options, async (schema) => {
    const status = await schema.status({ signal: invocation.signal });
    await printStatus(invocation, status, {});
    return status.pending.length === 0 ? EXIT.ok : EXIT.checkFailed;
  });
}

async function withSchema<T>(
  { url, timeoutMs }: Invocation,
  options: SchemaOptions,
  use: (schema: StorageSchema) => Promise<T>,
): Promise<T> {
  const schema = await openSchema(url ?? process.env.WAYSTONE_URL ?? DEFAULT_URL, { ...options, timeoutMs });
  try {
    return await use(schema);
  } finally {
    await schema.close();
  }
}

function printStatus(
  invocation: Invocation,
  status: SchemaStatus,
  done: { readonly applied?: readonly string[] },
): Promise<void> {
  const { backend, version, wantedVersion, pending } = status;
  const fields = [
    { name: "backend", value: backend },
    { name: "version", value: version },
    { name: "wanted", value: wantedVersion },
    ...(done.applied ?? []).map((step) => ({ name: "applied", value: step })),
    ...pending.map((step) => ({ name: "pending", value: step })),
  ];
  return printThing(invocation, fields, { ...status, ...done });
}
