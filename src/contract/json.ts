/** Plain JSON, the shape of metadata and items: what every backend can index (V2). */

export type JsonScalar = string | number | boolean | null;

export type JsonValue = JsonScalar | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * Metadata of a session, message, checkpoint or context: a plain JSON object of at most 1 MiB.
 * A key whose value is `undefined` is treated as absent.
 */
export type Metadata = { [key: string]: JsonValue };

/** What a caller may pass as metadata. */
export type MetadataInput = { readonly [key: string]: JsonValue | undefined };

/** Equality of top-level metadata keys with scalars; every key must match (S7). */
export type MetadataFilter = { readonly [key: string]: JsonScalar };
