import {
  reasonsForGaps,
  runningContainers,
  type Explain,
  type Gap,
  type RunningContainer,
} from "./containers";
import { get, query, type Sample } from "../host/http";
import { describeUnavailable } from "../host/unavailable";
import { cut } from "../lib/labels";
import { SERVERS, target } from "../lib/names";
import { Mismatch } from "../lib/retry";
import { check, describeGaps, type Advice, type Check } from "./check";
import { exporterChecks, gpuChecks } from "./exporterChecks";
import { llmChecks } from "./llmChecks";
import type { Expectation } from "./report";
import { requireTargetUp, samplesByContainer, scrapeJobStates } from "./samples";

const RUN_AGAIN = "Run `npm run up` again; if the error stays, see `docker logs` of the container.";

/** The post-deploy checks, in the order in which one depends on the other. */
export function checks(expectation: Expectation): Check[] {
  const { cadvisorUrl, prometheusUrl, scrapeIntervalSeconds, startTimeoutSeconds, containers } = expectation;
  const { cadvisor, prometheus } = containers;
  // Prometheus spreads first scrapes over an interval, after a delay for new targets.
  const scraped = startTimeoutSeconds + 2 * scrapeIntervalSeconds;
  const since = Date.now();
  const explain: Explain = (gaps) => reasonsForGaps(gaps, since, scrapeIntervalSeconds);
  return [
    check("cAdvisor is healthy", cadvisor, startTimeoutSeconds, () => healthy(`${cadvisorUrl}/healthz`)),
    check("Prometheus is ready", prometheus, startTimeoutSeconds, () => healthy(`${prometheusUrl}/-/ready`)),
    check("the gateway serves the page", containers.gateway, startTimeoutSeconds, () =>
      pageServed(prometheusUrl),
    ),
    ...loginChecks(expectation),
    check("Prometheus has loaded its configuration", prometheus, startTimeoutSeconds, () =>
      configurationLoaded(prometheusUrl, "prometheus_config_last_reload_successful"),
    ),
    check("the target cadvisor is up", cadvisor, scraped, () => requireTargetUp(prometheusUrl, "cadvisor")),
    check("the samples are fresh", prometheus, scraped, () => fresh(prometheusUrl, scrapeIntervalSeconds)),
    {
      ...check("every running container is listed by name", cadvisor, scraped, () => ownListed(expectation)),
      advisory: () => listed(expectation, explain),
    },
    {
      ...check("the required metrics are there with their labels", cadvisor, scraped, () =>
        ownComplete(expectation),
      ),
      advisory: () => complete(expectation, explain),
    },
    ...unavailableChecks(expectation),
    ...exporterChecks(expectation, scraped),
    ...hostChecks(expectation, scraped),
    ...gpuChecks(expectation, scraped, explain),
    ...llmChecks(expectation, scraped),
    ...alertmanagerChecks(expectation),
    ...grafanaChecks(expectation),
    ...scrapeJobChecks(expectation),
  ];
}

function loginChecks({
  login,
  cadvisorUrl,
  prometheusUrl,
  containers,
  startTimeoutSeconds,
}: Expectation): Check[] {
  if (!login) return [];
  return [
    check("the gateway requires a login", containers.gateway, startTimeoutSeconds, () =>
      loginRequired([cadvisorUrl, prometheusUrl]),
    ),
  ];
}

function hostChecks({ host, prometheusUrl }: Expectation, deadline: number): Check[] {
  if (!host) return [];
  const { exporter, disks } = host;
  return [
    check("the target host is up", exporter, deadline, () => requireTargetUp(prometheusUrl, "host")),
    check("the host and its disks are measured", exporter, deadline, () =>
      hostMeasured(prometheusUrl, disks),
    ),
  ];
}

/** The metrics that node_exporter has of every host; the kernel need not measure pressure. */
const OF_EVERY_HOST = ["node_load15", "node_memory_MemAvailable_bytes"];
const CPU = "machine_cpu_usage_seconds_total";

async function hostMeasured(prometheus: string, disks: string[]): Promise<string> {
  const metrics = [...OF_EVERY_HOST, CPU, "node_filesystem_avail_bytes"];
  const samples = await query(prometheus, `{__name__=~"${metrics.join("|")}",job=~"host|cadvisor"}`);
  const found = samples.map(({ labels }) => labels["mountpoint"] ?? labels["__name__"] ?? "");
  const missing = [...OF_EVERY_HOST, ...disks].filter((one) => !found.includes(one));
  if (missing.length > 0)
    throw new Mismatch(
      `Prometheus has no samples of ${missing.join(", ")}`,
      "load and memory of the host, and each of its disks",
      "See `docker logs` of node_exporter, and the setting hostDisks.",
    );
  const measured = `load, memory, and the disks of ${disks.join(", ")}`;
  // Old kernels with cgroup v2 have no CPU time of the root cgroup.
  return found.includes(CPU) ? `CPU, ${measured}` : `${measured}; cAdvisor reports no CPU time of the host`;
}

function alertmanagerChecks({ alertmanager, prometheusUrl, startTimeoutSeconds }: Expectation): Check[] {
  if (!alertmanager) return [];
  const { url, container } = alertmanager;
  return [
    check("Alertmanager is ready", container, startTimeoutSeconds, () => healthy(`${url}/-/ready`)),
    check("Alertmanager has loaded its configuration", container, startTimeoutSeconds, () =>
      configurationLoaded(url, "alertmanager_config_last_reload_successful"),
    ),
    check("Prometheus sends alerts to Alertmanager", container, startTimeoutSeconds, () =>
      requireDiscovered(prometheusUrl),
    ),
  ];
}

/** Seconds until Grafana, which makes its database first, answers. */
const GRAFANA_START_SECONDS = 180;

function grafanaChecks({ grafana }: Expectation): Check[] {
  if (!grafana) return [];
  const { url, container } = grafana;
  return [
    {
      name: "Grafana is healthy",
      container,
      deadline: GRAFANA_START_SECONDS,
      query: async () => (await healthy(`${url}/api/health`)).replace(/\s+/g, " "),
    },
  ];
}

/** The URL at which Prometheus sends alerts to the stack's own Alertmanager. */
async function requireDiscovered(prometheus: string): Promise<string> {
  const { body } = await get(`${prometheus}/api/v1/alertmanagers`);
  const { data } = JSON.parse(body) as { data: { activeAlertmanagers: { url: string }[] } };
  const urls = data.activeAlertmanagers.map(({ url }) => url);
  const own = urls.find((url) => new URL(url).host === target(SERVERS.alertmanager));
  if (own) return own;
  throw new Mismatch(
    `it sends alerts to ${urls.join(", ") || "no Alertmanager"}`,
    `also to ${target(SERVERS.alertmanager)}`,
    "See the page /alertmanager-discovery of Prometheus.",
  );
}

/** The user's own jobs are reported, and fail nothing. */
function scrapeJobChecks({ scrapeJobs, prometheusUrl, containers }: Expectation): Check[] {
  if (scrapeJobs.length === 0) return [];
  return [
    check("the targets of the setting scrapeJobs", containers.prometheus, 0, () =>
      scrapeJobStates(prometheusUrl, scrapeJobs),
    ),
  ];
}

/** What the host cannot provide is reported, and fails nothing. */
function unavailableChecks({ unavailable, containers }: Expectation): Check[] {
  if (unavailable.length === 0) return [];
  const described = describeUnavailable(unavailable).join("; ");
  return [
    check("the metrics that this host does not provide", containers.cadvisor, 0, () =>
      Promise.resolve(described),
    ),
  ];
}

async function healthy(url: string): Promise<string> {
  const { status, body } = await get(url);
  if (status !== 200)
    throw new Mismatch(`${url} answered ${status}: ${body.slice(0, 200)}`, "status 200", RUN_AGAIN);
  return body.trim();
}

async function loginRequired(urls: string[]): Promise<string> {
  const answers = await Promise.all(urls.map((url) => get(`${url}/metrics`, { anonymous: true })));
  if (answers.some(({ status }) => status !== 401))
    throw new Mismatch(
      `requests without a login are answered with status ${answers.map(({ status }) => status).join(" and ")}`,
      "status 401 from both servers",
      "Stop the gateway (`docker stop`) until you know the reason, and see `docker inspect` of it.",
    );
  return "401 from both servers";
}

/** The document of the page, and the script that it names. */
async function pageServed(url: string): Promise<string> {
  const { status, body } = await get(`${url}/`);
  const script = /page-\w+\.js/.exec(body)?.[0];
  if (script && (await get(`${url}/${script}`)).status === 200) return script;
  throw new Mismatch(
    script ? `${script} is not there` : `status ${status}, without the page`,
    "the page and its script",
    "Its files are in a volume of the gateway. Remove the gateway's container (`docker rm --force`), and run `npm run up` again, which creates both again.",
  );
}

/** @param metric the server's own metric of its last reload */
async function configurationLoaded(server: string, metric: string): Promise<string> {
  const { body } = await get(`${server}/metrics`);
  if (!new RegExp(`^${metric} 1$`, "m").test(body))
    throw new Mismatch(
      "its last reload failed, and it runs with the previous configuration",
      "a successful reload",
      "See its log for the reason, and run `npm run up -- --refresh`.",
    );
  return "the last reload was successful";
}

async function fresh(prometheus: string, interval: number): Promise<string> {
  // Of anything but a selector, timestamp() is now. A series with a previous host label, of a Prometheus that was replaced, has
  // no stale marker, and lasts for five minutes.
  const [age] = await query(prometheus, 'min(time() - timestamp(up{job="cadvisor"}) and up == 1)');
  if (age && age.value <= 2 * interval + 5) return `last scrape ${age.value.toFixed(0)} s ago`;

  const actual = age
    ? `the last scrape is ${age.value.toFixed(0)} s old`
    : "there is no sample of the job cadvisor";
  const failed = await failedWrites(prometheus);
  if (failed > 0)
    throw new Mismatch(
      `${actual}, and ${failed} writes to the disk of Prometheus failed`,
      `a scrape every ${interval} s`,
      "Most likely the disk is full: see the end of the log below. Free space, then restart the container of Prometheus.",
    );
  throw new Mismatch(
    actual,
    `a scrape every ${interval} s`,
    "See the page /targets of Prometheus for the error of the last scrape.",
  );
}

/** Failed writes since Prometheus started, from its own metrics: they cannot be queried while samples are not stored. */
async function failedWrites(prometheus: string): Promise<number> {
  const { body } = await get(`${prometheus}/metrics`);
  return Number(/^prometheus_tsdb_wal_writes_failed_total (\S+)/m.exec(body)?.[1] ?? 0);
}

/** The running containers, and of those that are not listed by name, what is missing. */
async function unlisted(prometheus: string): Promise<{ running: RunningContainer[]; gaps: Gap[] }> {
  const samples = samplesByContainer(
    await query(prometheus, 'container_start_time_seconds{job="cadvisor",name!=""}'),
  );
  // Listed after the query, so that a container that ended before is none of them.
  const running = await runningContainers();
  const gaps = running
    .filter(({ id, name }) => !samples.get(id)?.some(({ labels }) => labels["name"] === cut(name)))
    .map((container) => ({ container, missing: "cAdvisor has no series of it: see its log" }));
  return { running, gaps };
}

async function ownListed({ prometheusUrl, environment }: Expectation): Promise<string> {
  const { running, gaps } = await unlisted(prometheusUrl);
  const own = running.filter((container) => container.environment === environment);
  const missing = gaps.map(({ container }) => container).filter((container) => own.includes(container));
  if (missing.length === 0) return `${own.length} containers: ${names(own)}`;
  throw new Mismatch(
    `${missing.length} of the ${own.length} containers of this stack are missing: ${names(missing)}`,
    "every container of this stack by its name",
    gaps.length === running.length
      ? "cAdvisor got no names from Docker or containerd: look for `Registration of the docker container factory failed` in its log."
      : "Containers that started a moment ago are listed with the next scrape; run `npm run up` again.",
  );
}

async function listed({ prometheusUrl }: Expectation, explain: Explain): Promise<Advice> {
  const { running, gaps } = await unlisted(prometheusUrl);
  const explained = await explain(gaps);
  if (explained.length === 0) return { actual: `${running.length} containers: ${names(running)}`, gaps: [] };
  return {
    actual: `${explained.length} of ${running.length} containers are not listed: ${describeGaps(explained)}`,
    gaps: explained,
  };
}

const names = (containers: { name: string }[]) =>
  containers
    .map(({ name }) => name)
    .sort()
    .join(", ");

/** The containers that are listed, and of those that lack a metric or a label, what is missing. */
async function incomplete({ prometheusUrl, metrics, labels }: Expectation): Promise<{
  containers: RunningContainer[];
  gaps: Gap[];
}> {
  const samples = samplesByContainer(
    await query(prometheusUrl, `{__name__=~"${metrics.join("|")}",job="cadvisor",name!=""}`),
  );
  const containers = (await runningContainers()).filter(({ id }) => samples.has(id));
  const gaps = containers.flatMap((container) => {
    const parts = missingFrom(samples.get(container.id) ?? [], metrics, labels);
    return parts.length > 0 ? [{ container, missing: `no ${parts.join(", ")}` }] : [];
  });
  return { containers, gaps };
}

async function ownComplete(expectation: Expectation): Promise<string> {
  const { environment, metrics, labels } = expectation;
  const { containers, gaps } = await incomplete(expectation);
  const own = gaps.filter(({ container }) => container.environment === environment);
  if (own.length === 0) return completeText(expectation, containers.length);
  throw new Mismatch(
    own.map(({ container, missing }) => `${container.name} has ${missing}`).join("; "),
    `${metrics.length} metrics with the labels ${labels.join(", ")}`,
    "Compare with cAdvisor's own /metrics.",
  );
}

async function complete(expectation: Expectation, explain: Explain): Promise<Advice> {
  const { containers, gaps } = await incomplete(expectation);
  const explained = await explain(gaps);
  const complete = completeText(expectation, containers.length - explained.length);
  if (explained.length === 0) return { actual: complete, gaps: [] };
  return { actual: `${complete}; incomplete: ${describeGaps(explained)}`, gaps: explained };
}

const completeText = ({ metrics, labels }: Expectation, containers: number) =>
  `${metrics.length} metrics of ${containers} containers, each with ${labels.join(", ")}`;

function missingFrom(samples: Sample[], metrics: string[], labels: string[]): string[] {
  const absent = metrics.filter((metric) => !samples.some((sample) => sample.labels["__name__"] === metric));
  const empty = labels.filter((label) => samples.some((sample) => !sample.labels[label]));
  return [...absent, ...empty.map((label) => `label ${label}`)];
}
