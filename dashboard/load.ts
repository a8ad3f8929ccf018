import * as api from "./api";
import { OVERVIEW, sparklineGrid } from "./answers";
import type { RangeName } from "./address";
import {
  chartGrid,
  containerHistory,
  descriptionQuery,
  historyQueries,
  type ContainerHistory,
} from "./containerHistory";
import { hasDownTarget, overview, type Overview } from "./overview";
import { combined } from "./tagged";

/** Queries Prometheus for the first screen: five requests, and one more while a target is down. */
export async function loadOverview(): Promise<Overview> {
  const descriptions = await api.query(OVERVIEW.descriptions);
  // By the clock of Prometheus: the reader's may be wrong.
  const now = descriptions[0]?.value[0] ?? Date.now() / 1000;
  const grid = sparklineGrid(now);
  const [values, containers, others, alerts, targets] = await Promise.all([
    api.query(OVERVIEW.now),
    api.queryRange(OVERVIEW.containers, grid),
    api.queryRange(OVERVIEW.others, grid),
    api.alerts(),
    hasDownTarget(descriptions) ? api.targets() : [],
  ]);
  return overview({ grid, descriptions, now: values, containers, others, alerts, targets });
}

/** Queries Prometheus for the view of a container. */
export async function loadContainer(name: string, range: RangeName): Promise<ContainerHistory> {
  const [descriptions, alerts] = await Promise.all([api.query(descriptionQuery(name)), api.alerts()]);
  const grid = chartGrid(range, descriptions[0]?.value[0] ?? Date.now() / 1000);
  const queries = Object.entries(historyQueries(name, grid)).map(([field, { expr }]) => [field, expr]);
  const ranges = await api.queryRange(combined(Object.fromEntries(queries) as Record<string, string>), grid);
  return containerHistory({ name, grid, descriptions, ranges, alerts });
}
