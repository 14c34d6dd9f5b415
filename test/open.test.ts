// `openStorage`: URLs, options and where they come from, and what is refused.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type OpenOptions, openStorage, type StorageBackend, type StorageScheme } from "../src/index.js";

const folder = mkdtempSync(join(tmpdir(), "waystone-open-"));
const opened: StorageBackend[] = [];

afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens with an environment of its own. */
async function open(url?: string, options: OpenOptions = {}): Promise<StorageBackend> {
  const storage = await openStorage(url, { env: {}, ...options });
  opened.push(storage);
  return storage;
}

/** A scheme that gives back what it was opened with. */
function recording(): { readonly scheme: StorageScheme; readonly seen: { path?: string; options?: object } } {
  const seen: { path?: string; options?: object } = {};
  const scheme: StorageScheme = {
    options: { size: (text) => Number(text), name: (text) => text },
    open: async (path, options) => {
      Object.assign(seen, { path, options });
      return (await import("../src/backends/memory/index.js")).memoryStorage();
    },
  };
  return { scheme, seen };
}

describe("openStorage", () => {
  it("opens memory:", async () => {
    expect((await open("memory:")).kind).toBe("memory");
  });

  it("opens a SQLite file by a relative and by an absolute path, and creates its folders", async () => {
    const path = join(folder, "deep", "agent.db");
    const storage = await open(`sqlite:${path}`);
    await storage.createSession("s", "ada");
    await storage.close();
    expect((await (await open(`sqlite://${path}`)).getSession("s"))?.userId).toBe("ada");
  });

  it("decodes percent signs of a path", async () => {
    const { scheme, seen } = recording();
    await open("mine:/a%20b%3Fc", { schemes: { mine: scheme } });
    expect(seen.path).toBe("/a b?c");
    await expect(open("sqlite:%zz")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("takes the URL from the argument, else from the environment", async () => {
    const env = { WAYSTONE_URL: `sqlite:${join(folder, "env.db")}` };
    expect((await open(undefined, { env })).kind).toBe("sqlite");
    expect((await open("memory:", { env })).kind).toBe("memory");
    expect((await open(undefined, { env, url: "memory:" })).kind).toBe("memory");
    const fromObject = await openStorage({ url: "memory:", env });
    opened.push(fromObject);
    expect(fromObject.kind).toBe("memory");
  });

  it("opens sqlite:./.waystone/store.db when nothing says which", async () => {
    const before = process.cwd();
    const here = mkdtempSync(join(tmpdir(), "waystone-cwd-"));
    process.chdir(here);
    try {
      const storage = await openStorage(undefined, { env: {} });
      await storage.createSession("s", "ada");
      await storage.close();
      const again = await openStorage("sqlite:./.waystone/store.db");
      expect((await again.getSession("s"))?.userId).toBe("ada");
      await again.close();
    } finally {
      process.chdir(before);
      rmSync(here, { recursive: true });
    }
  });

  it("takes an option from the argument, else the URL, else the environment", async () => {
    const env = { WAYSTONE_SIZE: "1", WAYSTONE_NAME: "env" };
    const { scheme, seen } = recording();
    await open("mine:x?size=2", { env, schemes: { mine: scheme } });
    expect(seen.options).toEqual({ size: 2, name: "env" });
    await open("mine:x?size=2", { env, schemes: { mine: scheme }, ...({ size: 3 } as object) });
    expect(seen.options).toEqual({ size: 3, name: "env" });
  });

  it("passes tenant and deadline on", async () => {
    const storage = await open("memory:?tenant=acme");
    expect(storage.tenantName).toBe("acme");
    expect((await open("memory:", { tenant: "other", env: { WAYSTONE_TENANT: "acme" } })).tenantName).toBe("other");
    await expect(open("memory:?timeoutMs=0")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(open("memory:?timeoutMs=soon")).rejects.toThrow("timeoutMs must be a number");
  });

  it.each([
    ["nosuch:", "the known ones are memory:, sqlite:"],
    ["__proto__:", "begins with a scheme"],
    ["toString:", "the known ones are"],
    ["./agent.db", "begins with a scheme"],
    ["", "begins with a scheme"],
    ["memory:?color=red", "the known ones are tenant, timeoutMs, keepVersions"],
    ["memory:somewhere", "has no path"],
    ["sqlite:", "names a file"],
    ["sqlite::memory:", "memory:"],
    ["sqlite://", "has no host"],
    ["sqlite://agent.db", "has no host"],
    ["sqlite:~/agent.db", "does not know ~"],
    ["sqlite:%7E", "does not know ~"],
    ["sqlite:x.db?durability=crash&durability=process", "durability is given twice"],
    ["sqlite:x.db?durability=none", "durability"],
    ["sqlite:x.db?keepVersions=0", "keepVersions"],
  ])("refuses %j and says what is known", async (url, message) => {
    const failure = await open(url).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect((failure as Error).message).toContain(message);
  });

  it("refuses an unknown option of the argument, and arguments of another kind", async () => {
    await expect(open("memory:", { durability: "crash" })).rejects.toThrow("memory: has no option");
    for (const wrong of [7, null, true]) {
      await expect(openStorage(wrong as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    await expect(openStorage("memory:", null as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(openStorage("memory:", { initialize: "no" } as never)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it("never repeats a URL in an error: it may hold a password", async () => {
    const failure = await open("postgres://ada:hunter2@db/app").catch((error: unknown) => error);
    expect(String(failure)).not.toContain("hunter2");
  });

  it("tells at once that a store cannot be opened, or later when asked to wait", async () => {
    const url = `sqlite:${join(import.meta.filename, "below-a-file.db")}`;
    await expect(open(url)).rejects.toMatchObject({ code: "CONNECTION", retryable: false });
    const later = await open(url, { initialize: false });
    await expect(later.getSession("s")).rejects.toMatchObject({ code: "CONNECTION" });
    expect((await later.healthCheck()).status).toBe("unhealthy");
  });

  it("works with await using", async () => {
    let storage: StorageBackend;
    {
      await using inner = await openStorage("memory:");
      storage = inner;
      await inner.createSession("s", "ada");
    }
    await expect(storage.getSession("s")).rejects.toMatchObject({ code: "CLOSED" });
  });
});
