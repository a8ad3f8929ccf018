import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import { containerSeries, gpuSeries } from "../prometheus/queries";
import { DATASOURCE } from "./panels";
import { DATASOURCE_NAME, TAG } from "./provisioning";

/** The uids of the dashboards, by which they are linked and updated. */
export const UIDS = { host: `${TAG}-host`, container: `${TAG}-container` } as const;

/** The matchers of what is about the host that the variable chooses. */
export const ON_HOST = 'host="$host"';

/**
 * A dashboard with the variables `datasource` and `host`, and a link to the others.
 *
 * @param options.variable the third variable
 * @param options.rows panels by the title of their row; those under "" have none
 */
export function createDashboard({
  uid,
  title,
  description,
  variable,
  rows,
}: {
  uid: string;
  title: string;
  description: string;
  variable: dashboard.QueryVariableBuilder;
  rows: Record<string, Builder<dashboard.Panel>[]>;
}) {
  // Grafana imports this schema in every version; what replaces it needs Grafana 13.
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- see above
  const created = new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([TAG, "prometheus", "docker", "gpu", "llm"])
    .editable()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .time({ from: "now-3h", to: "now" })
    .timezone("browser")
    .refresh("30s")
    .links([
      new dashboard.DashboardLinkBuilder("Dashboards of containers")
        .type(dashboard.DashboardLinkType.Dashboards)
        .icon("external link")
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    ])
    .variables([
      datasource(),
      choice("host", "Host", `label_values(${containerSeries("")}, host)`),
      variable,
    ]);
  for (const [name, panels] of Object.entries(rows)) {
    if (name) created.withRow(new dashboard.RowBuilder(name));
    for (const panel of panels) created.withPanel(panel);
  }
  return created;
}

/** The data source of the provisioning files where it is there, and else the first Prometheus. */
const datasource = () =>
  new dashboard.DatasourceVariableBuilder("datasource")
    .label("Data source")
    .type("prometheus")
    .current({ text: DATASOURCE_NAME, value: DATASOURCE_NAME });

/** A variable with the values of a label. */
const choice = (name: string, label: string, query: string) =>
  new dashboard.QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query({ query, refId: `Variable-${name}` })
    .definition(query)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.NaturalAsc);

/** The variable of the container. */
export const containerVariable = () =>
  choice("name", "Container", `label_values(${containerSeries(ON_HOST)}, name)`);

/** The variable of the GPUs, for which panels are repeated. */
export const gpuVariable = () =>
  choice("gpu", "GPU", `label_values(${gpuSeries(ON_HOST)}, gpu)`)
    .multi(true)
    .includeAll(true)
    .current({ text: ["All"], value: ["$__all"] });
