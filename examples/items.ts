// Items: what agents remember across sessions.
import { openStorage } from "waystone";

await using storage = await openStorage("memory:");

const ada = ["users", "ada"];
await storage.putItem([...ada, "facts"], "home", { city: "Lyon", confidence: 0.9 });
await storage.putItem([...ada, "facts"], "diet", { kind: "vegetarian", confidence: 0.6 });
await storage.putItem([...ada, "notes"], "n1", { text: "prefers the window seat" });
await storage.putItem(["users", "ad"], "other", { text: "another user, never found below ada" });

const sure = await storage.searchItems(ada, { filter: { confidence: { $gte: 0.8 } } });
console.log("sure of:", sure.items.map((item) => `${item.key} = ${JSON.stringify(item.value)}`).join(", "));

const all = await storage.searchItems(ada, { orderBy: "key" });
console.log("below users/ada:", all.items.map((item) => item.key).join(" "));

const { items: namespaces } = await storage.listNamespaces({ prefix: ["users"] });
console.log("namespaces:", namespaces.map((labels) => labels.join("/")).join(" "));

// A batch applies all of its steps or none, and each sees the earlier ones.
const results = await storage.batchItems([
  { put: { namespace: [...ada, "facts"], key: "diet", value: { kind: "vegan", confidence: 0.7 }, expectedVersion: 1 } },
  { get: { namespace: [...ada, "facts"], key: "diet" } },
  { delete: { namespace: [...ada, "notes"], key: "n1" } },
  { search: { prefix: ada, filter: { confidence: { $exists: true } }, orderBy: "key" } },
]);
for (const result of results) {
  if (typeof result === "boolean") console.log("deleted:", result);
  else if (typeof result === "number") console.log("counted:", result);
  else if (result === undefined) console.log("not there");
  else if ("items" in result) console.log("found:", result.items.length);
  else console.log("version", result.version, "of", result.key, result.value);
}

console.log("forgotten:", await storage.deleteItems(["users"]));
