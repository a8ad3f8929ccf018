import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { buildImage, wasBuilt } from "../../../airgap";
import { reachable } from "../../../cli/prerequisites/download";
import { stackImages } from "../../../cli/prerequisites/images";
import { proxyFor } from "../../../cli/prerequisites/proxy";

jest.mock("../../../lib/log");
jest.mock("../../../airgap", () => ({
  canBuild: (image: string) => image.startsWith("known/"),
  buildImage: jest.fn(),
  wasBuilt: jest.fn(),
}));
jest.mock("../../../cli/stackConfig", () => ({
  stackConfig: () => Promise.resolve({ "llm-metrics:cadvisorImage": process.env["TEST_IMAGE"] }),
}));

const MINUTE = 60_000;
const URL_OF_PULUMI = "https://get.pulumi.example/releases/pulumi.tar.gz";

describe("A proxy", () => {
  // Sources: curl(1); golang.org/x/net/http/httpproxy, which Docker and the Pulumi CLI use.
  it.each([
    [{}, undefined],
    [{ HTTPS_PROXY: "http://proxy:3128" }, "http://proxy:3128"],
    [{ https_proxy: "proxy:3128", HTTPS_PROXY: "http://other:1" }, "http://proxy:3128"],
    [{ HTTPS_PROXY: "http://ann:secret@proxy:3128" }, "http://ann:secret@proxy:3128"],
    [{ ALL_PROXY: "http://proxy:3128" }, "http://proxy:3128"],
    [{ http_proxy: "http://proxy:3128", HTTP_PROXY: "http://proxy:3128" }, undefined],
    [{ HTTPS_PROXY: "", https_proxy: "" }, undefined],
    [{ HTTPS_PROXY: "http://proxy", NO_PROXY: "*" }, undefined],
    [{ HTTPS_PROXY: "http://proxy", NO_PROXY: "a.example,get.pulumi.example" }, undefined],
    [{ HTTPS_PROXY: "http://proxy", no_proxy: "a.example .pulumi.example" }, undefined],
    [{ HTTPS_PROXY: "http://proxy", no_proxy: "PULUMI.example" }, undefined],
    [{ HTTPS_PROXY: "http://proxy", no_proxy: "pulumi.example:443" }, undefined],
    [{ HTTPS_PROXY: "http://proxy", no_proxy: "pulumi.example:8443" }, "http://proxy"],
    [{ HTTPS_PROXY: "http://proxy", no_proxy: "i.example,127.0.0.1" }, "http://proxy"],
  ])("is the one of %j: %s", (env, expected) => {
    expect(proxyFor(URL_OF_PULUMI, env)).toBe(expected);
  });

  it("is what downloads connect to", async () => {
    const requests: string[] = [];
    const proxy = createServer((socket) =>
      socket.on("data", (data) => {
        requests.push(data.toString().split("\r\n")[0] ?? "");
        socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      }),
    );
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    process.env["HTTPS_PROXY"] = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    expect(await reachable(URL_OF_PULUMI)).toBe(false);
    delete process.env["HTTPS_PROXY"];
    proxy.close();
    expect(requests).toEqual(["CONNECT get.pulumi.example:443 HTTP/1.1"]);
  });
});

describe("An image", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "images-"));
    jest.replaceProperty(process, "env", { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` });
    jest.mocked(buildImage).mockReset();
  });
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });

  /** A `docker` whose registry sends nothing until the file "go", and then the image; a test makes the file. */
  function silentRegistry(firstLine = ":"): void {
    writeFileSync(
      path.join(folder, "docker"),
      `#!/bin/sh\n[ "$1" = pull ] || exit 1\n${firstLine}; touch ${folder}/asked\nuntil [ -e ${folder}/go ]; do sleep 0.1; done; echo Pulled\n`,
    );
    chmodSync(path.join(folder, "docker"), 0o755);
  }
  const exists = (file: string) =>
    new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (!existsSync(path.join(folder, file))) return;
        clearInterval(look);
        resolve();
      }, 50);
    });

  /** Pulls an image from a registry that is silent for some time, and returns whether the image was built instead. */
  async function built(image: string, milliseconds: number, firstLine?: string): Promise<boolean> {
    silentRegistry(firstLine);
    process.env["TEST_IMAGE"] = image;
    jest.useFakeTimers({ doNotFake: ["setInterval", "clearInterval", "setImmediate", "nextTick"] });
    const done = stackImages("dev", "unix:///nowhere.sock");
    await exists("asked");
    jest.advanceTimersByTime(milliseconds);
    writeFileSync(path.join(folder, "go"), "");
    await done;
    return jest.mocked(buildImage).mock.calls.length > 0;
  }

  it("of a mirror that is silent for 9 s is pulled", async () => {
    expect(await built("known/image:1", 9000)).toBe(false);
  });

  it("of a mirror that is silent for longer is built, where it can be", async () => {
    expect(await built("known/image:1", MINUTE)).toBe(true);
  });

  it("that cannot be built is waited for", async () => {
    expect(await built("mirror.example/image:1", 10 * MINUTE)).toBe(false);
  });

  it("that a registry has begun to send is waited for", async () => {
    expect(await built("known/image:1", 10 * MINUTE, "echo Pulling")).toBe(false);
  });

  it.each([
    ["that an older checkout built is built again, if it differs", true],
    ["of the Docker host that was not built here is left alone", false],
  ])("%s", async (_, own) => {
    writeFileSync(path.join(folder, "docker"), "#!/bin/sh\n[ $1 = image ] && echo found\n", { mode: 0o755 });
    process.env["TEST_IMAGE"] = "known/image:1";
    jest.mocked(wasBuilt).mockResolvedValue(own);
    await stackImages("dev", "unix:///nowhere.sock");
    expect(jest.mocked(buildImage).mock.calls.length > 0).toBe(own);
  });
});
