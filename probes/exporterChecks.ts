import { gpuContainers, type Explain, type Gap } from "./containers";
import { docker } from "../host/docker";
import { query } from "../host/http";
import { Mismatch } from "../lib/retry";
import { check, describeGaps, type Advice, type Check } from "./check";
import type { Expectation } from "./report";
import { requireTargetUp, samplesByContainer } from "./samples";

/** The checks of the exporter, which runs on every host. */
export function exporterChecks(
  { prometheusUrl, containers: { exporter } }: Expectation,
  deadline: number,
): Check[] {
  return [
    check("the target exporter is up", exporter, deadline, () => requireTargetUp(prometheusUrl, "exporter")),
    check("the running exporter has been scraped", exporter, deadline, () =>
      exporterScraped(prometheusUrl, exporter),
    ),
    check("the exporter reads the containers from Docker", exporter, deadline, () =>
      exporterReadsDocker(prometheusUrl),
    ),
  ];
}

/** The checks of GPUs, or the reason why there is none. */
export function gpuChecks(
  { gpu, prometheusUrl, containers }: Expectation,
  deadline: number,
  explain: Explain,
): Check[] {
  const complete = "every GPU container has its GPU series";
  if (!gpu.measured) {
    const { reason } = gpu;
    return [
      check(complete, containers.prometheus, deadline, () => Promise.resolve(`no GPU containers: ${reason}`)),
    ];
  }
  const { exporter } = containers;
  return [
    check("the GPU driver answers", exporter, deadline, () => driverAnswers(prometheusUrl)),
    {
      ...check(complete, exporter, deadline, () => exporterReadsDocker(prometheusUrl)),
      advisory: () => gpuComplete(prometheusUrl, explain),
    },
  ];
}

/** The newest series of a metric. After a change of `hostLabel`, a replaced Prometheus also returns the previous series for five minutes. */
const newest = (metric: string) =>
  `${metric}{job="exporter"} and topk(1, timestamp(${metric}{job="exporter"}))`;

/** After an exporter was replaced, the last samples can still be of the previous one. */
async function exporterScraped(prometheus: string, exporter: string): Promise<string> {
  const startedAt = await docker(["inspect", "--format", "{{.State.StartedAt}}", exporter]);
  const started = Date.parse(startedAt.trim()) / 1000;
  const [last] = await query(prometheus, 'max(timestamp(gpu_exporter_docker_up{job="exporter"}))');
  if (last && last.value >= started) return `${(last.value - started).toFixed(0)} s after it started`;
  throw new Mismatch(
    last ? "only samples of the previous exporter" : "no sample of the job exporter",
    "a sample of the running exporter",
    "See `docker logs` of the exporter.",
  );
}

async function driverAnswers(prometheus: string): Promise<string> {
  const [up] = await query(prometheus, newest("gpu_exporter_driver_up"));
  if (up?.value !== 1) {
    const errors = await query(prometheus, 'gpu_exporter_errors_total{job="exporter",stage="driver"}');
    throw new Mismatch(
      `no answer from the driver: ${errors.map(({ labels }) => labels["reason"] ?? "").join(", ")}`,
      "an answer of the driver",
      "Run `nvidia-smi -q` on the host; `docker logs` of the exporter has its errors.",
    );
  }
  const gpus = await query(prometheus, 'gpu_up{job="exporter"}');
  const lost = gpus
    .filter(({ value }) => value !== 1)
    .map(({ labels }) => labels["gpu_uuid"] ?? labels["gpu"] ?? "");
  if (lost.length === 0) return `${gpus.length} GPUs and MIG devices`;
  throw new Mismatch(
    `${lost.length} of ${gpus.length} do not answer: ${lost.join(", ")}`,
    "every GPU since the exporter started",
    "Look for `fallen off the bus` in the kernel log; then the host must be restarted.",
  );
}

async function exporterReadsDocker(prometheus: string): Promise<string> {
  const [up] = await query(prometheus, newest("gpu_exporter_docker_up"));
  if (up?.value === 1) {
    const [count] = await query(prometheus, 'count(container_state{job="exporter"})');
    return `${count?.value ?? 0} containers, with those that stopped in the last day`;
  }
  throw new Mismatch(
    "the exporter gets no answer from Docker, and exposes no containers",
    "gpu_exporter_docker_up 1",
    "See `docker logs` of the exporter.",
  );
}

const GPU_LABELS = ["name", "image", "gpu", "gpu_uuid", "gpu_model"];

/** A container of the user's whose GPUs do not exist is reported, and fails nothing. */
async function gpuComplete(prometheus: string, explain: Explain): Promise<Advice> {
  const infos = samplesByContainer(await query(prometheus, 'container_gpu_info{job="exporter"}'));
  const containers = await gpuContainers();
  const gaps = containers.flatMap((container): Gap[] => {
    const samples = infos.get(container.id);
    if (!samples)
      return [{ container, missing: `no GPU of this host is ${container.allocation.ids.join(", ")}` }];
    const labels = GPU_LABELS.filter((label) => samples.some((sample) => !sample.labels[label]));
    return labels.length > 0 ? [{ container, missing: `no label ${labels.join(", ")}` }] : [];
  });
  const explained = await explain(gaps);
  if (explained.length > 0)
    return {
      actual: `${explained.length} of ${containers.length} GPU containers have no complete series: ${describeGaps(explained)}`,
      gaps: explained,
    };
  if (containers.length === 0) return { actual: "no GPU containers", gaps: [] };
  const counts = containers.map(({ id, name }) => `${name} (${infos.get(id)?.length ?? 0})`);
  return {
    actual: `${containers.length} containers with their number of GPUs: ${counts.sort().join(", ")}`,
    gaps: [],
  };
}
