import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { buildProviders } from "../../../airgap";
import { reachable } from "../../../cli/prerequisites/download";
import { installPlugins } from "../../../cli/prerequisites/plugins";
import { log } from "../../../lib/log";

jest.mock("../../../airgap");
jest.mock("../../../lib/log");
jest.mock("../../../cli/prerequisites/download");

let home: string;
const before = process.env["PULUMI_HOME"];
const DOCKER = "plugins/resource-docker-v5.2.0";
const COMMAND = "plugins/resource-command-v1.2.1";

/** What airgap/ builds, from sources of that name. */
const built = (sources: string) => {
  const folder = path.join(home, "cache", sources);
  mkdirSync(folder, { recursive: true });
  for (const name of ["docker", "command"])
    writeFileSync(path.join(folder, `pulumi-resource-${name}`), `${name} of ${sources}`, { mode: 0o755 });
  jest.mocked(buildProviders).mockResolvedValue(folder);
};
const program = (folder: string) =>
  readFileSync(
    path.join(home, folder, `pulumi-resource-${/resource-(.+)-v/.exec(folder)?.[1] ?? ""}`),
    "utf8",
  );

beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), "plugins-"));
  process.env["PULUMI_HOME"] = home;
  jest.mocked(reachable).mockResolvedValue(false);
  built("one");
});
afterEach(() => {
  if (before === undefined) delete process.env["PULUMI_HOME"];
  else process.env["PULUMI_HOME"] = before;
  rmSync(home, { recursive: true });
});

describe("Plugins", () => {
  it("are built and installed where the Pulumi CLI looks for them, by several processes at once", async () => {
    await Promise.all([installPlugins("cli"), installPlugins("cli"), installPlugins("cli")]);
    expect([program(DOCKER), program(COMMAND)]).toEqual(["docker of one", "command of one"]);
    expect(readdirSync(path.join(home, "plugins")).sort()).toEqual(
      [COMMAND, DOCKER].map((one) => path.basename(one)),
    );
    expect(jest.mocked(log)).toHaveBeenCalledWith(
      "plugins: docker 5.2.0 (built by airgap/), command 1.2.1 (built by airgap/)",
    );
  });

  it("that were built are installed again when their sources change", async () => {
    await installPlugins("cli");
    built("two");
    await installPlugins("cli");
    expect([program(DOCKER), program(COMMAND)]).toEqual(["docker of two", "command of two"]);
  });

  it("that are official stay", async () => {
    mkdirSync(path.join(home, DOCKER), { recursive: true });
    writeFileSync(path.join(home, DOCKER, "pulumi-resource-docker"), "official");
    await installPlugins("cli");
    expect([program(DOCKER), program(COMMAND)]).toEqual(["official", "command of one"]);
    expect(jest.mocked(log)).toHaveBeenLastCalledWith(
      "plugins: docker 5.2.0 (official), command 1.2.1 (built by airgap/)",
    );
  });

  it("whose download did not end are replaced", async () => {
    mkdirSync(path.join(home, DOCKER), { recursive: true });
    writeFileSync(path.join(home, `${DOCKER}.partial`), "");
    await installPlugins("cli");
    expect(program(DOCKER)).toBe("docker of one");
    expect(readdirSync(path.join(home, "plugins"))).not.toContain("resource-docker-v5.2.0.partial");
  });
});
