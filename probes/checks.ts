import { gpuContainers, runningContainers } from "../host/containers";
import { docker } from "../host/docker";
import { get, query, type Sample } from "../host/http";
import { requireLoaded } from "./loadedConfig";
import type { Expectation } from "./report";
import { Mismatch } from "../lib/retry";

/** A question to the running system. */
export interface Check {
  /** The expected answer, as a sentence. */
  name: string;
  /** The container whose log tells why, when the answer is another one. */
  container: string;
  /** Seconds to keep asking. */
  deadline: number;
  /** Asks once. Resolves to what was seen, or throws {@link Mismatch}. */
  ask: () => Promise<string>;
}

const RUN_AGAIN = "Run `npm run up` again; if it stays so, look at `docker logs` of the container.";

/** The checks in the order in which one rests on the other. */
export function checks(expectation: Expectation): Check[] {
  const {
    cadvisorUrl,
    prometheusUrl,
    scrapeIntervalSeconds: interval,
    patienceSeconds: started,
    containers: { cadvisor, prometheus, gateway },
  } = expectation;
  // Prometheus spreads first scrapes over an interval, and new targets wait some seconds; cAdvisor sees a new container at once.
  const scraped = started + 2 * interval;
  return [
    {
      name: "cAdvisor is healthy",
      container: cadvisor,
      deadline: started,
      ask: () => healthy(`${cadvisorUrl}/healthz`),
    },
    {
      name: "Prometheus is ready",
      container: prometheus,
      deadline: started,
      ask: () => healthy(`${prometheusUrl}/-/ready`),
    },
    ...(expectation.login
      ? [
          {
            name: "the gateway lets nobody in without a login",
            container: gateway,
            deadline: started,
            ask: () => closed([cadvisorUrl, prometheusUrl]),
          },
        ]
      : []),
    {
      name: "the loaded configuration is the declared one",
      container: prometheus,
      deadline: started,
      ask: () => requireLoaded(prometheusUrl, expectation.config),
    },
    {
      name: "the target cadvisor is up",
      container: cadvisor,
      deadline: scraped,
      ask: () => targetUp(prometheusUrl, "cadvisor"),
    },
    {
      name: "the samples are fresh",
      container: prometheus,
      deadline: scraped,
      ask: () => fresh(prometheusUrl, interval),
    },
    {
      name: "every running container is listed by name",
      container: cadvisor,
      deadline: scraped,
      ask: () => listed(prometheusUrl),
    },
    {
      name: "the required metrics are there with their labels",
      container: cadvisor,
      deadline: scraped,
      ask: () => complete(prometheusUrl, expectation),
    },
    ...gpuChecks(expectation, scraped),
  ];
}

function gpuChecks({ gpu, prometheusUrl, containers }: Expectation, deadline: number): Check[] {
  const check = (name: string, container: string, ask: Check["ask"]) => ({ name, container, deadline, ask });
  const every = "every GPU container has its GPU series";
  if (!gpu.measured)
    return [check(every, containers.prometheus, () => Promise.resolve(`no GPU containers: ${gpu.reason}`))];
  const { exporter } = gpu;
  return [
    check("the target gpu is up", exporter, () => targetUp(prometheusUrl, "gpu")),
    check("the GPU exporter that runs has been scraped", exporter, () =>
      exporterScraped(prometheusUrl, exporter),
    ),
    check("the GPU driver answers", exporter, () => driverAnswers(prometheusUrl)),
    check(every, exporter, () => gpuComplete(prometheusUrl)),
  ];
}

async function healthy(url: string): Promise<string> {
  const { status, body } = await get(url);
  if (status !== 200)
    throw new Mismatch(`${url} answered ${status}: ${body.slice(0, 200)}`, "status 200", RUN_AGAIN);
  return body.trim();
}

async function closed(urls: string[]): Promise<string> {
  const answers = await Promise.all(urls.map((url) => get(`${url}/metrics`, true)));
  if (answers.some(({ status }) => status !== 401))
    throw new Mismatch(
      `answers with status ${answers.map(({ status }) => status).join(" and ")}`,
      "status 401 from both",
      "Take the gateway down (`docker stop`) until you know why, and look at `docker inspect` of it.",
    );
  return "401 from both servers";
}

async function targetUp(prometheus: string, job: string): Promise<string> {
  const { body } = await get(`${prometheus}/api/v1/targets?scrapePool=${job}`);
  interface Target {
    health: string;
    scrapeUrl: string;
    lastError: string;
  }
  const [target] = (JSON.parse(body) as { data: { activeTargets: Target[] } }).data.activeTargets;
  const seen = !target
    ? "no target"
    : target.health === "unknown"
      ? "not scraped yet"
      : `${target.health}: ${target.lastError}`;
  if (target?.health !== "up")
    throw new Mismatch(
      seen,
      `target ${job} up`,
      `See whether the container that serves ${job} runs and is on the network of the stack.`,
    );
  return target.scrapeUrl;
}

async function fresh(prometheus: string, interval: number): Promise<string> {
  // Of anything but a selector, timestamp() is now.
  const [age] = await query(prometheus, 'time() - timestamp(up{job="cadvisor"}) and up == 1');
  if (!age || age.value > 2 * interval + 5) {
    const seen = age
      ? `the last scrape is ${age.value.toFixed(0)} s old`
      : "there is no sample of the job cadvisor";
    const refused = await failedWrites(prometheus);
    throw new Mismatch(
      refused ? `${seen}, and the disk of Prometheus refused ${refused} writes` : seen,
      `a scrape every ${interval} s`,
      refused
        ? "Most likely the disk is full: see the end of the log below. Make room, then restart the container of Prometheus."
        : "See the page /targets of Prometheus for the error of the last scrape.",
    );
  }
  return `last scrape ${age.value.toFixed(0)} s ago`;
}

/** How many writes to its disk have failed since Prometheus started. It cannot be queried while they fail, as samples of it are not stored either. */
async function failedWrites(prometheus: string): Promise<number> {
  const { body } = await get(`${prometheus}/metrics`);
  return Number(/^prometheus_tsdb_wal_writes_failed_total (\S+)/m.exec(body)?.[1] ?? 0);
}

async function listed(prometheus: string): Promise<string> {
  const running = await runningContainers();
  const seen = byContainer(await query(prometheus, 'container_start_time_seconds{job="cadvisor",name!=""}'));
  const missing = running.filter(({ id, name }) => seen.get(id)?.[0]?.labels["name"] !== name);
  if (missing.length > 0)
    throw new Mismatch(
      `${missing.length} of ${running.length} are missing: ${missing
        .map(({ name }) => name)
        .slice(0, 10)
        .join(", ")}`,
      "every running container by its name",
      seen.size === 0
        ? "cAdvisor could not ask Docker or containerd for names: look for `Registration of the docker container factory failed` in its log."
        : "Containers that started a moment ago are listed with the next scrape; run `npm run up` again.",
    );
  return `${running.length} containers: ${running
    .map(({ name }) => name)
    .sort()
    .join(", ")}`;
}

async function complete(prometheus: string, { metrics, labels }: Expectation): Promise<string> {
  const running = await runningContainers();
  const seen = byContainer(
    await query(prometheus, `{__name__=~"${metrics.join("|")}",job="cadvisor",name!=""}`),
  );
  const gaps = running.flatMap(({ id, name }) => {
    const samples = seen.get(id) ?? [];
    const absent = metrics.filter(
      (metric) => !samples.some((sample) => sample.labels["__name__"] === metric),
    );
    const bare = labels.filter((label) => samples.some((sample) => !sample.labels[label]));
    return [...absent, ...bare.map((label) => `label ${label}`)].map((what) => `${name} has no ${what}`);
  });
  if (gaps.length > 0)
    throw new Mismatch(
      gaps.slice(0, 10).join("; "),
      `${metrics.length} metrics with the labels ${labels.join(", ")}`,
      "Compare with what cAdvisor itself serves at /metrics.",
    );
  return `${metrics.length} metrics of ${running.length} containers, each with ${labels.join(", ")}`;
}

/** After an exporter has been replaced, what is there can still be of the one before. */
async function exporterScraped(prometheus: string, exporter: string): Promise<string> {
  const state = await docker(["inspect", "--format", "{{.State.StartedAt}}", exporter]);
  const started = Date.parse(state.trim()) / 1000;
  const [told] = await query(prometheus, 'timestamp(gpu_exporter_driver_up{job="gpu"})');
  if (!told || told.value < started)
    throw new Mismatch(
      told ? "only samples of an exporter before this one" : "no sample of the job gpu",
      "a sample of the exporter that runs",
      "See `docker logs` of the GPU exporter.",
    );
  return `${(told.value - started).toFixed(0)} s after it started`;
}

async function driverAnswers(prometheus: string): Promise<string> {
  const [up] = await query(prometheus, 'gpu_exporter_driver_up{job="gpu"}');
  if (up?.value !== 1) {
    const errors = await query(prometheus, 'gpu_exporter_errors_total{job="gpu",stage="driver"}');
    const reasons = errors.map(({ labels }) => labels["reason"] ?? "");
    throw new Mismatch(
      `no answer from the driver: ${reasons.join(", ")}`,
      "an answer of nvidia-smi",
      "Run `nvidia-smi -q` on the host; see `docker logs` of the GPU exporter for what it said.",
    );
  }
  const gpus = await query(prometheus, 'gpu_up{job="gpu"}');
  const lost = gpus.filter(({ value }) => value !== 1).map(({ labels }) => labels["gpu_uuid"] ?? "");
  if (lost.length > 0)
    throw new Mismatch(
      `${lost.length} of ${gpus.length} do not answer: ${lost.join(", ")}`,
      "every GPU that was seen",
      "Look for `fallen off the bus` in the kernel's log; the host has to be restarted then.",
    );
  return `${gpus.length} GPUs and MIG devices`;
}

async function gpuComplete(prometheus: string): Promise<string> {
  const containers = await gpuContainers();
  if (containers.length === 0) return "no GPU containers";
  const infos = byContainer(await query(prometheus, 'container_gpu_info{job="gpu"}'));
  const labels = ["name", "image", "gpu", "gpu_uuid", "gpu_model"];
  const gaps = containers.flatMap(({ id, name }) => {
    const info = infos.get(id) ?? [];
    if (info.length === 0) return [`${name} has no container_gpu_info`];
    return labels
      .filter((label) => info.some((sample) => !sample.labels[label]))
      .map((label) => `${name} has no label ${label}`);
  });
  if (gaps.length > 0)
    throw new Mismatch(
      gaps.slice(0, 10).join("; "),
      `container_gpu_info with ${labels.join(", ")} for each container that has GPUs`,
      "Compare the GPUs that `docker inspect` says with those of `nvidia-smi -L`: an id that the host does not have is passed over.",
    );
  const held = containers.map(({ id, name }) => `${name} (${infos.get(id)?.length ?? 0})`);
  return `${containers.length} containers with their number of GPUs: ${held.sort().join(", ")}`;
}

/** Samples by the 64-digit container id in which their label `id` ends. */
function byContainer(samples: Sample[]): Map<string, Sample[]> {
  const result = new Map<string, Sample[]>();
  for (const sample of samples) {
    const id = /[0-9a-f]{64}/.exec(sample.labels["id"] ?? "")?.[0];
    if (id) result.set(id, [...(result.get(id) ?? []), sample]);
  }
  return result;
}
