import { dump } from "js-yaml";
import type { PrometheusConfig } from "./config";

/** The YAML of a configuration, or of its scrape configs. */
export const toYaml = (config: PrometheusConfig | Pick<PrometheusConfig, "scrape_configs">): string =>
  dump(config, { lineWidth: -1, noRefs: true, skipInvalid: true });
