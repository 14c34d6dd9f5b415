// Certificates for tests: an authority of their own, and a server's certificate that it has signed.
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificates {
  /** The authority's certificate: what a client trusts. */
  readonly ca: string;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  [Symbol.dispose](): void;
}

/**
 * @param names for whom the certificate is: `IP:127.0.0.1`, `DNS:db.example`
 * @param owner who may read the key, where it is not whoever runs the tests
 */
export function makeCertificates(
  names: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "wscert-"));
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test authority", "-days", "2");
  openssl("req", "-new", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server");
  writeFileSync(file("names"), `subjectAltName = ${names}\n`);
  const signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
  openssl("x509", "-req", "-in", "server.csr", "-out", "server.crt", ...signed);
  chmodSync(file("server.key"), 0o600);
  if (owner !== undefined)
    for (const name of [".", "server.key", "server.crt"]) chownSync(file(name), owner.uid, owner.gid);
  return {
    ca: readFileSync(file("ca.crt"), "utf8"),
    caFile: file("ca.crt"),
    certificateFile: file("server.crt"),
    keyFile: file("server.key"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
