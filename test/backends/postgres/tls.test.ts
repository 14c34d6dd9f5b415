// TLS: a server that takes nothing else, with a certificate of a test's own authority.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { type Certificates, makeCertificates } from "../../support/certificates.js";
import { type PostgresServer, serverUser, startPostgres } from "../../support/postgres-server.js";

let certificates: Certificates;
let strangers: Certificates;
let server: PostgresServer;

beforeAll(async () => {
  const owner = await serverUser();
  certificates = makeCertificates("IP:127.0.0.1", owner);
  strangers = makeCertificates("IP:127.0.0.1", owner);
  server = await startPostgres({
    inMemory: true,
    settings: { ssl: "on", ssl_cert_file: certificates.certificateFile, ssl_key_file: certificates.keyFile },
    access: ["hostnossl all all 127.0.0.1/32 reject"],
  });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  certificates[Symbol.dispose]();
  strangers[Symbol.dispose]();
});

describe("a server with TLS alone", () => {
  it("is used with the authority that signed its certificate, given as an option or in the URL", async () => {
    await using byOption = postgresStorage({ url: server.url, tls: { ca: certificates.ca } });
    await byOption.createSession("s", "ada");
    const file = encodeURIComponent(certificates.caFile);
    await using byUrl = postgresStorage(`${server.url}?sslmode=verify-full&sslrootcert=${file}`);
    expect(await byUrl.getSession("s")).toMatchObject({ userId: "ada" });
  });

  it("is not used with another authority, in a typed error that says why", async () => {
    await using storage = postgresStorage({ url: server.url, tls: { ca: strangers.ca } });
    const failure = await storage.initialize().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: false });
    expect((failure as Error).message).toMatch(/certificate of the server is not trusted: [A-Z_]+/);
  });

  it("is not used under a name that its certificate does not have", async () => {
    const url = server.url.replace("127.0.0.1", "localhost");
    await using storage = postgresStorage({ url, tls: { ca: certificates.ca } });
    await expect(storage.initialize()).rejects.toThrow("not trusted: ERR_TLS_CERT_ALTNAME_INVALID");
  });

  it("refuses whoever comes without", async () => {
    await using storage = postgresStorage({ url: `${server.url}?sslmode=verify-full`, tls: false });
    await expect(storage.initialize()).rejects.toMatchObject({ code: "CONNECTION", retryable: false });
  });

  it("wins over what the URL says when it is given as an option", async () => {
    await using storage = postgresStorage({ url: `${server.url}?sslmode=disable`, tls: { ca: certificates.ca } });
    await storage.initialize();
  });
});

describe("a server without TLS", () => {
  it("is not used by whoever asks for it", async () => {
    await using plain = await startPostgres({ inMemory: true });
    await using storage = postgresStorage({ url: plain.url, tls: true });
    const failure = await storage.initialize().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CONNECTION", retryable: false, message: "the server does not speak TLS" });
  });
});
