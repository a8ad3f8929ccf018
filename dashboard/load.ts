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
  const described = api.query(OVERVIEW.descriptions);
  // By the clock of Prometheus: the reader's may be wrong.
  const gridOfNow = described.then((samples) => sparklineGrid(samples[0]?.value[0] ?? Date.now() / 1000));
  const overTime = async (expr: string) => api.queryRange(expr, await gridOfNow);
  const [grid, descriptions, now, containers, others, alerts, targets] = await Promise.all([
    gridOfNow,
    described,
    api.query(OVERVIEW.now),
    overTime(OVERVIEW.containers),
    overTime(OVERVIEW.others),
    api.alerts(),
    described.then((samples) => (hasDownTarget(samples) ? api.targets() : [])),
  ]);
  return overview({ grid, descriptions, now, containers, others, alerts, targets });
}

/** Queries Prometheus for the view of a container. */
export async function loadContainer(name: string, range: RangeName): Promise<ContainerHistory> {
  const [descriptions, alerts] = await Promise.all([api.query(descriptionQuery(name)), api.alerts()]);
  const grid = chartGrid(range, descriptions[0]?.value[0] ?? Date.now() / 1000);
  const queries = Object.entries(historyQueries(name, grid)).map(([field, { expr }]) => [field, expr]);
  const ranges = await api.queryRange(combined(Object.fromEntries(queries) as Record<string, string>), grid);
  return containerHistory({ name, grid, descriptions, ranges, alerts });
}
