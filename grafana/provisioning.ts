import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { dump } from "js-yaml";
import { SERVERS, target } from "../lib/names";

/** The tag of the dashboards, and the start of their uids. */
export const TAG = "llm-metrics";

/** The name of the data source, and its uid. */
export const DATASOURCE_NAME = TAG;

/** The files of the dashboards, below `dashboards/`. */
export const DASHBOARD_FILES = ["container.json", "host.json"] as const;

/** The folder of Grafana's container with the dashboards and the files that provision them. */
export const GRAFANA_FOLDER = "/etc/grafana/llm-metrics";

const PROVISIONING = "provisioning";

/** The folder in {@link GRAFANA_FOLDER} by which Grafana is provisioned. */
export const PROVISIONING_FOLDER = `${GRAFANA_FOLDER}/${PROVISIONING}`;

/** The file that an update installs last, with the version of the files that Grafana reads only when it starts. */
export const VERSION_FILE = `${PROVISIONING}/version`;

/**
 * The files by which Grafana is provisioned, by their path below `dashboards/`. Source:
 * grafana.com/docs/grafana/latest/administration/provisioning.
 *
 * @param scrapeInterval that of Prometheus, from which $__rate_interval follows
 */
export const provisioningFiles = (scrapeInterval = "30s"): Record<string, string> => ({
  [`${PROVISIONING}/dashboards/${TAG}.yaml`]: dump({
    apiVersion: 1,
    providers: [
      {
        name: TAG,
        folder: "Containers",
        type: "file",
        disableDeletion: true,
        allowUiUpdates: false,
        options: { path: GRAFANA_FOLDER },
      },
    ],
  }),
  [`${PROVISIONING}/datasources/${TAG}.yaml`]: dump({
    apiVersion: 1,
    datasources: [
      {
        name: DATASOURCE_NAME,
        uid: DATASOURCE_NAME,
        type: "prometheus",
        access: "proxy",
        url: `http://${target(SERVERS.prometheus)}`,
        editable: false,
        jsonData: { httpMethod: "POST", prometheusType: "Prometheus", timeInterval: scrapeInterval },
      },
    ],
  }),
});

/**
 * The files of the stack's own Grafana: the dashboards, as they are committed, and the files that provision them. The program runs in
 * the project's folder.
 */
export const deployedFiles = (scrapeInterval: string): Record<string, string> => ({
  ...Object.fromEntries(
    DASHBOARD_FILES.map((name) => [name, readFileSync(path.resolve("dashboards", name), "utf8")]),
  ),
  ...provisioningFiles(scrapeInterval),
  [VERSION_FILE]: filesVersion(provisioningFiles(scrapeInterval)),
});

/** Identifies the content of files. */
export const filesVersion = (files: Record<string, string>): string =>
  createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 12);
