/** Names of keys. All keys of a tenant, or of one shard of it, are in one slot: its name stands in the hash tag, and nothing else does. */

/** The tenant's own key, with which every other key of it begins. Two tenants never have one tag. */
export function tenantKey(prefix: string, tenant: string): string {
  return `${prefix}:{${tagOf(tenant)}}`;
}

/** A name as it stands in a hash tag: braces end tags, so they are written as `%7B` and `%7D`, and `%` as `%25`. */
export function tagOf(name: string): string {
  return name.replace(/[%{}]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The number of shards of every tenant of the store. Tenants' keys have a brace behind the colon. */
export function shardsKey(prefix: string): string {
  return `${prefix}:shards`;
}
