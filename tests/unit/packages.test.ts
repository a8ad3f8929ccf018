import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { packages } from "../../package-lock.json";
import { dependencies, devDependencies, license, scripts } from "../../package.json";

interface Locked {
  name?: string;
  version: string;
  integrity?: string;
  resolved?: string;
}
/** Every locked package by its place below node_modules. */
const locked = Object.entries(packages as Record<string, Locked>).filter(([place]) => place !== "");

test("every package is locked with its checksum, and to no registry in particular", () => {
  expect(locked.length).toBeGreaterThan(500);
  expect(locked.filter(([, { integrity }]) => !integrity?.startsWith("sha512-"))).toEqual([]);
  expect(locked.filter(([, { resolved }]) => resolved)).toEqual([]);
});

test("what the project asks for is one version each", () => {
  for (const version of Object.values({ ...dependencies, ...devDependencies }))
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});

test("npm run sbom lists every locked package with its checksum", () => {
  const [npm = "", ...args] = scripts.sbom.split(" ");
  const { components } = JSON.parse(execFileSync(npm, args, { encoding: "utf8" })) as {
    components: { purl: string; hashes?: { alg: string; content: string }[] }[];
  };
  const listed = components.map(({ purl, hashes = [] }) =>
    [
      decodeURIComponent(purl.slice("pkg:npm/".length)),
      ...hashes.flatMap(({ alg, content }) => [alg, content]),
    ].join(" "),
  );
  const expected = locked.map(([place, { name, version, integrity = "" }]) =>
    [
      `${name ?? place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length)}@${version}`,
      "SHA-512",
      Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex"),
    ].join(" "),
  );
  expect([...new Set(listed)].sort()).toEqual([...new Set(expected)].sort());
});

test("the license that package.json names is there", () => {
  expect(license).toBe("Apache-2.0");
  expect(readFileSync("LICENSE", "utf8")).toMatch(/^\s+Apache License\n\s+Version 2\.0/);
});
