import { run } from "../lib/run";
import { exporterCost } from "./exporter";
import { gpuCounters } from "./gpuCounters";
import { LLM_LOAD, llmLoad, llmTokens } from "./llm";
import { pageCost, pictures } from "./page";
import { rates } from "./rates";
import { dockerDaemon } from "../cli/prerequisites/docker";
import { stackImages } from "../cli/prerequisites/images";
import { POLICY_PACK, pulumiEnvironment } from "../cli/pulumiCommand";

const RUNS = 7;
const STACK = ["--stack", "bench"];
const POLICIES = ["--policy-pack", POLICY_PACK];

const MINUTES = 10;

/**
 * `npm run bench [-- exporter [MINUTES]|counters|page|llm|deploy|rates [MINUTES]]` measures the cost of the exporter, of the page and of
 * deployments, and how exact the use of GPUs and rates are, with loads that run for 10 minutes. `npm run bench -- pictures` makes the
 * pictures of the documentation.
 */
export default async (args: string[]): Promise<number> => {
  if (args.length === 0) await exporterCost();
  if (args[0] === "exporter") await exporterCost(Number(args[1] ?? 0));
  if (args.length === 0 || args.includes("counters")) await gpuCounters();
  if (args.length === 0 || args.includes("page")) await pageCost();
  if (args.length === 0 || args.includes("llm")) await llmTokens();
  if (args.includes(LLM_LOAD)) await onStack((pulumi) => deployed(pulumi, llmLoad));
  if (args.includes("pictures")) await pictures();
  if (args.length === 0 || args.includes("deploy")) await onStack(deployTimes);
  if (args.length === 0 || args.includes("rates"))
    await onStack((pulumi) => deployed(pulumi, () => rates(Number(args[1] ?? MINUTES))));
  return 0;
};

/** Runs the Pulumi CLI on the stack of the benchmarks. */
type RunPulumi = (...args: string[]) => Promise<string>;

/** Makes the stack of the benchmarks, and removes it after the work. Ports 8080 and 23001 must be free. */
async function onStack(work: (pulumi: RunPulumi) => Promise<void>): Promise<void> {
  await dockerDaemon(process.env["DOCKER_HOST"]);
  await stackImages("bench");
  // Each Node process loads NODE_EXTRA_CA_CERTS in 60 ms, which is a property of the machine, not of the stack.
  const env = { ...(await pulumiEnvironment()), NODE_EXTRA_CA_CERTS: undefined };
  const pulumi: RunPulumi = (...args) => run("pulumi", [...args, ...STACK], { env });
  await run("pulumi", ["stack", "init", "--no-select", "bench"], { env });
  try {
    await pulumi("config", "set", "hostLabel", "bench");
    await work(pulumi);
  } finally {
    await pulumi("destroy", "--yes", "--skip-preview");
    await run("pulumi", ["stack", "rm", "--yes", "bench"], { env });
  }
}

async function deployed(pulumi: RunPulumi, work: () => Promise<void>): Promise<void> {
  await pulumi("up", "--yes", "--skip-preview", ...POLICIES);
  await work();
}

/**
 * Compares how long a deployment of the whole stack takes, post-deploy checks included, with `docker compose up --wait` of
 * cAdvisor and Prometheus alone, in turn. Also measures a preview without changes.
 */
async function deployTimes(pulumi: RunPulumi): Promise<void> {
  const compose = (...args: string[]) => run("docker", ["compose", "-f", "benchmarks/compose.yaml", ...args]);

  for (const interval of ["30s", "1s"]) {
    await pulumi("config", "set", "scrapeInterval", interval);
    const [ups, previews, composes]: number[][] = [[], [], []];
    for (let i = 0; i < RUNS; i++) {
      ups?.push(await seconds(() => pulumi("up", "--yes", "--skip-preview", ...POLICIES)));
      previews?.push(await seconds(() => pulumi("preview", "--expect-no-changes", ...POLICIES)));
      await pulumi("destroy", "--yes", "--skip-preview");
      composes?.push(await seconds(() => compose("up", "--wait", "--detach")));
      await compose("down", "--volumes");
    }
    console.log(`scrape interval ${interval}, ${RUNS} runs, seconds (min, median, max):`);
    console.log(`  pulumi up, checks included   ${spread(ups)}`);
    console.log(`  docker compose up --wait     ${spread(composes)}`);
    console.log(`  preview without changes      ${spread(previews)}`);
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function spread(values: number[] = []): string {
  const sorted = [...values].sort((a, b) => a - b);
  return [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
    .map((value) => value?.toFixed(1))
    .join("  ");
}
