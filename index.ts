import * as pulumi from "@pulumi/pulumi";
import { ContainerMetrics, wanted } from "./components/containerMetrics";
import { editedConfig } from "./host/configurationDrift";
import { gpuPlan } from "./components/gpuExporter";
import { readHost } from "./host/read";
import { requireFree } from "./host/conflicts";
import { CONTAINER_LABELS, GPU_LABEL_MEANINGS } from "./prometheus/catalogue";
import { parseSettings, SECRET_KEYS, SETTING_KEYS } from "./settings";

/** The program: settings and host are checked before anything is declared; the outputs are described in docs/outputs.md. */
export = () => program().catch(refuse);

async function program(): Promise<Record<string, unknown>> {
  const values = configuration();
  // How Pulumi's language host tells which keys are encrypted; the SDK has no public function for it.
  const encrypted = JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]") as string[];
  const inClear = SECRET_KEYS.filter(
    (key) => values[key] && !encrypted.includes(`${pulumi.getProject()}:${key}`),
  );
  const settings = parseSettings(values, inClear);
  const environment = pulumi.getStack();
  const name = `${pulumi.getProject()}-${environment}`;
  const dockerHost = new pulumi.Config("docker").get("host") ?? process.env["DOCKER_HOST"];
  const [{ facts: host, ...taken }, edited] = await Promise.all([
    readHost(dockerHost),
    editedConfig(`${name}-prometheus`, dockerHost),
  ]);
  const gpu = gpuPlan(settings.gpu, host);
  await requireFree(taken, wanted(name, environment, settings));
  if (edited) void pulumi.log.warn(`an update undoes what was changed by hand:\n${edited}`);
  if (!gpu.access) void pulumi.log.info(`GPUs are not measured: ${gpu.reason}`);
  const {
    network,
    urls,
    gateway,
    cadvisor,
    prometheus,
    gpuExporter,
    dockerProxy,
    hostLabel,
    cadvisorScrapeConfig,
    jobNames,
    report,
  } = new ContainerMetrics(name, { settings, environment, host, gpu, editedConfig: edited });

  return {
    cadvisorUrl: urls.cadvisor,
    prometheusUrl: urls.prometheus,
    networkName: network.name,
    networkId: network.id,
    containerNames: {
      cadvisor: cadvisor.container.name,
      prometheus: prometheus.container.name,
      gateway: gateway.container.name,
      ...(gpuExporter && { gpuExporter: gpuExporter.container.name }),
      ...(dockerProxy && { dockerProxy: dockerProxy.container.name }),
    },
    images: {
      cadvisor: settings.cadvisorImage,
      prometheus: settings.prometheusImage,
      gateway: settings.caddyImage,
      ...(gpuExporter && { gpuExporter: settings.gpuExporterImage }),
      ...(dockerProxy && { dockerProxy: settings.caddyImage }),
    },
    hostLabel,
    scrapeInterval: settings.scrapeInterval,
    jobNames,
    labels: { ...CONTAINER_LABELS, ...(gpuExporter && GPU_LABEL_MEANINGS) },
    cadvisorScrapeConfig,
    probeReport: report,
  };
}

/**
 * Ends the program with a message for people. The error has no stack, which goes to the debug log instead: Pulumi prints
 * stacks by util.inspect, which in Node 20 does not end at a line such as `node_modules/@pulumi/resource.ts:1598`.
 */
function refuse(error: unknown): never {
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  void pulumi.log.debug(stack);
  throw Object.assign(new pulumi.RunError(message), { stack: "" });
}

/** Every key of the project's configuration, known or not, as text. */
function configuration(): Record<string, string> {
  const config = new pulumi.Config();
  const all = Object.entries(pulumi.runtime.allConfig())
    .filter(([key]) => key.startsWith(`${config.name}:`))
    .map(([key, value]) => [key.slice(config.name.length + 1), value] as const);
  const unset = SETTING_KEYS.filter((key) => !all.some(([known]) => known === key)).map((key) => [
    key,
    config.get(key),
  ]);
  return Object.fromEntries([...all, ...unset]) as Record<string, string>;
}
