/** Names of keys. All keys of a tenant are in one slot: its name stands in the hash tag, and nothing else does. */

/**
 * The tenant's own key, with which every other key of it begins. Braces end hash tags, so they are written as `%7B` and `%7D`, and `%`
 * as `%25`: two tenants never have one tag.
 */
export function tenantKey(prefix: string, tenant: string): string {
  const tag = tenant.replace(/[%{}]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${prefix}:{${tag}}`;
}
