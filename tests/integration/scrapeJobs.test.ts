import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Authority, type Certified } from "../support/certificates";
import { commandLinesDuring } from "../support/commandLines";
import { docker, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { startLlmServer } from "../support/llmServer";
import { query } from "../support/prometheus";
import { expectNowhere, secretPlaces } from "../support/secretPlaces";
import { failed, Stack, succeeded, WITH_POLICIES } from "../support/stack";

const TOKEN = `token-${randomBytes(20).toString("hex")}`;
const WRONG_TOKEN = `token-${randomBytes(20).toString("hex")}`;

let folder: string;
let stack: Stack;
let authority: Authority;
let client: Certified;
let server: string;
const outputs: string[] = [];

const withToken = { job_name: "token", authorization: {}, static_configs: [{ targets: ["llm:8000"] }] };
const withCertificate = () => ({
  job_name: "certificate",
  scheme: "https",
  tls_config: { ca: ca, cert: client.certificate },
  static_configs: [{ targets: ["llm:8443"] }],
});
let ca: string;
const secretsOf = (token: string) => ({
  "scrapeJobs[0].authorization.credentials": token,
  "scrapeJobs[1].tls_config.key": client.key,
});
const up = () => stack.up(...WITH_POLICIES);
const preview = (...args: string[]) => stack.preview(...WITH_POLICIES, ...args);
const badRelabeling = {
  job_name: "bad",
  static_configs: [{ targets: ["bad:1"] }],
  relabel_configs: [{ action: "replace", source_labels: ["a"] }],
};
const isUp = (job: string, value = 1) =>
  eventually(async () => {
    expect(await query(stack.prometheus, `up{job="${job}"} == ${value}`)).toHaveLength(1);
  });
const inPrometheus = (...command: string[]) => docker("exec", stack.resource("prometheus"), ...command);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "jobs-"));
  authority = await Authority.in(path.join(folder, "ca"));
  ca = await authority.certificate();
  client = await authority.certify("prometheus");
  stack = await Stack.create({ scrapeInterval: "1s", scrapeJobs: [badRelabeling] });
});
afterAll(async () => {
  await docker("rm", "-f", server);
  await stack.remove();
  await rm(folder, { recursive: true });
});

describe("Scrape jobs of the user", () => {
  it("fail a first deploy by promtool's message and their name, when promtool refuses them", async () => {
    const output = await failed(up());
    expect(output).toContain(
      "the scrape job bad: relabel configuration for replace action requires 'target_label' value",
    );
    await stack.configure({ scrapeJobs: [] });
    await succeeded(up());
  });

  it("are refused in the preview by promtool, once Prometheus runs, and nothing changes", async () => {
    const { Id: before } = await inspect(stack.resource("prometheus"));
    await stack.configure({ scrapeJobs: [badRelabeling] });
    for (const attempt of [preview, up])
      expect(await failed(attempt())).toMatch(
        /nothing was changed:\s+the scrape job bad: relabel configuration for replace action requires 'target_label'/,
      );
    expect((await inspect(stack.resource("prometheus"))).Id).toBe(before);
    expect(await inPrometheus("ls", "/etc/prometheus")).not.toContain("candidate");
  });

  it("with a secret in plaintext are refused, with the command that encrypts it", async () => {
    await stack.configure({ scrapeJobs: [{ ...withToken, authorization: { credentials: WRONG_TOKEN } }] });
    const output = await failed(preview());
    expect(output).toContain("pulumi config set --secret --path 'scrapeJobs[0].authorization.credentials'");
    expect(output).not.toContain(WRONG_TOKEN);
  });

  it("scrape servers that want a bearer token or a client certificate, whose pages have many and long labels", async () => {
    const { networkName } = await stack.outputs<{ networkName: string }>();
    server = await startLlmServer(folder, { network: networkName, token: TOKEN, authority });
    const scrapeJobs = [withToken, withCertificate()];
    await stack.configure({ scrapeJobs }, secretsOf(WRONG_TOKEN));
    outputs.push(await succeeded(preview("--diff")));
    outputs.push(await commandLinesDuring(async () => outputs.push(await succeeded(up()))));
    expect(outputs.join()).toContain("start.cjs loadConfig");
    await isUp("certificate");
    await isUp("token", 0);

    await stack.configure({ scrapeJobs }, secretsOf(TOKEN));
    outputs.push(await succeeded(preview("--diff")));
    expect(outputs.at(-1)).toContain("[secret]");
    outputs.push(await commandLinesDuring(async () => outputs.push(await succeeded(up()))));
    for (const job of ["token", "certificate"]) {
      await isUp(job);
      const series = `{__name__=~"vllm:.*_info",job="${job}"}`;
      await eventually(async () => {
        const samples = await query(stack.prometheus, series);
        const lengths = samples.flatMap(({ metric }) => [
          Object.keys(metric).length,
          metric["waiting_lora_adapters"]?.length ?? 0,
        ]);
        expect(Math.max(...lengths)).toBeGreaterThan(2400);
        expect(samples.some(({ metric }) => Object.keys(metric).length > 40)).toBe(true);
      });
    }
    await succeeded(preview("--expect-no-changes"));
  });

  it("have their secrets in files that only Prometheus reads, and nowhere in plaintext", async () => {
    const files = await inPrometheus(
      "sh",
      "-c",
      "cd /etc/prometheus; stat -c '%a %u %n' secrets.* secrets.*/*",
    );
    expect(
      files
        .replaceAll(/secrets\.[0-9a-f-]+/g, "secrets")
        .split("\n")
        .sort(),
    ).toEqual([
      "600 65534 secrets/certificate.tls_config.cert",
      "600 65534 secrets/certificate.tls_config.key",
      "600 65534 secrets/token.authorization.credentials",
      "700 65534 secrets",
    ]);
    const pages = ["/api/v1/status/config", "/api/v1/targets"];
    const places = await secretPlaces(stack, "prometheus", outputs, pages);
    for (const place of ["files", "/api/v1/status/config"])
      expect(places[place]).toContain("token.authorization.credentials");
    expectNowhere([TOKEN, WRONG_TOKEN, client.key.split("\n")[1] ?? ""], places);
  });

  it("find targets by files, HTTP and DNS, with the label host", async () => {
    const jobs = [
      { job_name: "file", file_sd_configs: [{ files: ["/etc/prometheus/targets/*.json"] }] },
      { job_name: "http", http_sd_configs: [{ url: "http://llm:8001/targets", refresh_interval: "1s" }] },
      {
        job_name: "dns",
        dns_sd_configs: [{ names: ["llm"], type: "A", port: 8001, refresh_interval: "1s" }],
      },
    ];
    await stack.configure({ scrapeJobs: jobs });
    await succeeded(up());
    const targets = path.join(folder, "llm.json");
    await writeFile(targets, JSON.stringify([{ targets: ["llm:8001"] }]));
    await docker("cp", targets, `${stack.resource("prometheus")}:/etc/prometheus/targets/`);
    for (const { job_name } of jobs) {
      await isUp(job_name);
      expect(await query(stack.prometheus, `up{job="${job_name}",host!=""}`)).toHaveLength(1);
    }
  });

  it("leave no file behind when they are removed", async () => {
    await stack.configure({ scrapeJobs: [] });
    await succeeded(up());
    expect(await inPrometheus("ls", "/etc/prometheus")).not.toContain("secrets");
    await succeeded(preview("--expect-no-changes"));
  });
});
