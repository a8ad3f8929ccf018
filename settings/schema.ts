import * as z from "zod";
import { OWN_JOBS } from "../lib/names";
import { alertSettings } from "./alerts";
import {
  diskDirectory,
  duration,
  flag,
  headerValue,
  hostLabel,
  hostPort,
  isContainerName,
  memory,
  oneOf,
  networkName,
  port,
  scrapeInterval,
  size,
  type Refuse,
} from "./formats";
import { checkGateway, gatewaySettings } from "./gateway";
import { imageOf } from "./images";
import { checkReceivers, receiver } from "./notify";
import { checkScrapeJobs, extraScrapeJob } from "./scrapeJobs";

/** Every setting of a stack; `Pulumi.yaml` describes each key and has its default. */
export const schema = z
  .strictObject({
    cadvisorImage: imageOf("cadvisorImage"),
    cadvisorPort: port,
    /** Memory limit in MiB. */
    cadvisorMemory: memory,
    prometheusImage: imageOf("prometheusImage"),
    prometheusPort: port,
    /** Memory limit in MiB. */
    prometheusMemory: memory,
    /** What cAdvisor and the exporter mount: Docker's socket, or the address of a proxy that filters its API. */
    dockerAccess: oneOf("socket", "proxy"),
    /** Image of Caddy, for the gateway and the Docker proxy. */
    caddyImage: imageOf("caddyImage"),
    ...gatewaySettings.shape,
    /** A Prometheus duration, such as "30s". */
    scrapeInterval,
    retentionTime: duration,
    retentionSize: size,
    /** Value of the label `host`; empty: the name that the Docker daemon reports. */
    hostLabel,
    /** Whether GPUs are measured: where the host has them, always, or never. */
    gpu: oneOf("auto", "on", "off"),
    exporterImage: imageOf("exporterImage"),
    /** Memory limit in MiB. */
    exporterMemory: memory,
    /** host:port of an existing dcgm-exporter; empty: none. */
    dcgmExporter: z.union([z.literal(""), hostPort], {
      error: "must be host:port, such as dcgm-exporter:9400",
    }),
    /** Whether the host itself is measured: CPU, load, memory, disks, network. */
    hostMetrics: oneOf("on", "off"),
    nodeExporterImage: imageOf("nodeExporterImage"),
    /** Directories of the host whose disks are measured, beside the disk of Docker's root directory. */
    hostDisks: z.array(diskDirectory),
    /** Whether the metrics of LLM servers are scraped: those that rules read, all of them, or none. */
    llmServers: oneOf("on", "all", "off"),
    /** Networks of Docker whose LLM servers are scraped through a forwarder, besides those on the stack's network. */
    llmNetworks: z.array(networkName),
    /** Keys of LLM servers, by the name of the container. */
    llmKeys: z.record(z.string(), headerValue),
    protectData: flag,
    /** Whether Prometheus may reach other hosts. */
    outbound: flag,
    scrapeJobs: z.array(extraScrapeJob),
    alertmanagers: z.array(hostPort),
    /** Thresholds and times of the alerts, and which of them are off. */
    alerts: alertSettings,
    /** Receivers of alerts. With one, an Alertmanager is deployed. */
    notify: z.array(receiver),
    alertmanagerImage: imageOf("alertmanagerImage"),
    /** Whether a Grafana is deployed. */
    grafana: oneOf("off", "on"),
    grafanaImage: imageOf("grafanaImage"),
  })
  .superRefine((settings, context) => {
    const refuse: Refuse = (path, message) => {
      context.addIssue({ code: "custom", path, message });
    };
    if (settings.cadvisorPort === settings.prometheusPort)
      refuse(["prometheusPort"], `is also cadvisorPort: give each its own`);
    for (const [key, what] of [["hostDisks", "directory"] as const, ["llmNetworks", "network"] as const])
      for (const [index, entry] of settings[key].entries())
        if (settings[key].indexOf(entry) < index) refuse([key, index], `must not list a ${what} twice`);
    for (const name of Object.keys(settings.llmKeys))
      if (!isContainerName(name))
        refuse(["llmKeys", name], "must be under the name of a container, such as llmKeys.chat-vllm-1");
    checkGateway(settings, refuse);
    const free: string[] = [];
    if (settings.notify.length === 0) free.push(OWN_JOBS.alertmanager);
    if (settings.hostMetrics === "off") free.push(OWN_JOBS.host);
    if (settings.llmServers === "off") free.push(OWN_JOBS.llm);
    if (!needsLlmForwarder(settings)) free.push(OWN_JOBS.llmForwarder);
    checkScrapeJobs(settings.scrapeJobs, settings.scrapeInterval, free, refuse);
    checkReceivers(settings.notify, refuse);
  });

/** The checked settings of a stack. */
export type Settings = z.infer<typeof schema>;

/** Whether LLM servers are scraped through a forwarder. */
export const needsLlmForwarder = ({
  llmServers,
  llmNetworks,
  llmKeys,
}: Pick<Settings, "llmServers" | "llmNetworks" | "llmKeys">): boolean =>
  llmServers !== "off" && llmNetworks.length + Object.keys(llmKeys).length > 0;

/** The keys of a stack's configuration, without the project's name. */
export const SETTING_KEYS = Object.keys(schema.shape);

/** The keys that must be encrypted. Pulumi itself enforces that (`secret: true`) only for keys that every stack sets. */
export const SECRET_KEYS: readonly string[] = ["tlsKey", "users", "llmKeys"];
