import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { generatedFiles } from "../../../grafana/generated";
import { deployedFiles, filesVersion } from "../../../grafana/provisioning";
import { DASHBOARDS, dashboard, type Panel } from "../../support/dashboards";

const committed = () =>
  Object.fromEntries(
    readdirSync("dashboards", { recursive: true, encoding: "utf8" })
      .filter((name) => path.extname(name) !== "")
      .sort()
      .map((name) => [name, readFileSync(path.join("dashboards", name), "utf8")]),
  );

test("the files of dashboards/ are those that `npm run dashboards` writes", () => {
  expect(committed()).toEqual(generatedFiles());
});

describe.each(DASHBOARDS)("Dashboard %s", (name) => {
  const { uid, title, tags, schemaVersion, links, panels, templating, annotations } = dashboard(name);
  const shown = panels.filter(({ type }) => type !== "row");

  it("has a uid of its own, a title, tags, and a schema that Grafana imports", () => {
    expect(uid).toBe(`llm-metrics-${name}`);
    expect(title).toMatch(/^Containers \/ /);
    expect(tags).toContain("llm-metrics");
    expect(schemaVersion).toBe(42);
  });

  it("links to the other dashboards, by their tag", () => {
    expect(links).toMatchObject([
      { type: "dashboards", tags: ["llm-metrics"], includeVars: true, keepTime: true },
    ]);
  });

  it("takes data source and host from variables, and queries no data source by its name", () => {
    expect(templating.list.slice(0, 2)).toMatchObject([
      { name: "datasource", type: "datasource", query: "prometheus" },
      { name: "host", type: "query", datasource: { uid: "${datasource}" } },
    ]);
    const asked = [
      ...shown.flatMap(({ datasource, targets = [] }) => [
        datasource,
        ...targets.map((target) => target.datasource),
      ]),
      ...(annotations.list ?? []).map((annotation) => (annotation as { datasource?: unknown }).datasource),
    ];
    expect(asked.length).toBeGreaterThan(20);
    for (const datasource of asked) expect(datasource).toEqual({ type: "prometheus", uid: "${datasource}" });
    expect(JSON.stringify(panels)).not.toContain("__inputs");
  });

  it("uses only variables that it has, and those that Grafana has", () => {
    const known = new Set([
      ...templating.list.map((variable) => variable.name),
      ...["__rate_interval", "__url_time_range", "__value"],
    ]);
    const used = [...JSON.stringify(panels).matchAll(/\$\{?(\w+)/g)].map(([, variable = ""]) => variable);
    expect(new Set(used.filter((variable) => !known.has(variable)))).toEqual(new Set());
  });

  it("has a description of each panel, and a text for an empty result", () => {
    for (const { title: panel, description, fieldConfig } of shown) {
      expect([panel, description]).toEqual([panel, expect.stringMatching(/^[A-Z].*\.$/)]);
      expect([panel, fieldConfig?.defaults.noValue]).toEqual([panel, expect.stringMatching(/\.$/)]);
    }
    const titles = shown.map((panel) => panel.title);
    expect(new Set(titles).size).toBe(titles.length);
  });

  it("has no panels that overlap", () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
  });

  it("names the columns of each table in the transformation and in the overrides alike", () => {
    for (const { title: panel, fieldConfig, transformations = [] } of shown.filter(
      ({ type }) => type === "table",
    )) {
      const { renameByName } = transformations.find(({ id }) => id === "organize")?.options as {
        renameByName: Record<string, string>;
      };
      const columns = Object.values(renameByName);
      expect(new Set(columns).size).toBe(columns.length);
      const overridden = (fieldConfig?.overrides ?? []).map(({ matcher }) => matcher.options);
      expect([panel, overridden.filter((column) => !columns.includes(column))]).toEqual([panel, []]);
    }
  });
});

describe("Units of the dashboards", () => {
  const unitsOf = (panels: Panel[], wanted: string) =>
    panels.flatMap(({ title, fieldConfig }) => [
      ...(title === wanted ? [fieldConfig?.defaults.unit] : []),
      ...(fieldConfig?.overrides ?? [])
        .filter(({ matcher }) => matcher.options === wanted)
        .map(({ properties }) => properties.find(({ id }) => id === "unit")?.value),
    ]);
  const panels = DASHBOARDS.flatMap((name) => dashboard(name).panels);

  it.each([
    ["Memory", "bytes"],
    ["GPU memory", "bytes"],
    ["Network", "binBps"],
    ["Use", "percentunit"],
    ["Power", "watt"],
    ["Temperature", "celsius"],
    ["Started", "dateTimeFromNow"],
    ["Tokens generated", "suffix:/s"],
    ["Time to first token", "s"],
    ["KV cache", "percentunit"],
  ])("%s is in %s", (column, unit) => {
    const units = unitsOf(panels, column);
    expect(units.length).toBeGreaterThan(0);
    expect(new Set(units)).toEqual(new Set([unit]));
  });
});

describe("Files that provision Grafana", () => {
  const files = deployedFiles("1s");
  const read = (file: string) => load(files[file] ?? "") as Record<string, unknown>;

  it("name the data source that the dashboards choose first, which is the stack's Prometheus", () => {
    const { apiVersion, datasources } = read("provisioning/datasources/llm-metrics.yaml");
    expect(apiVersion).toBe(1);
    expect(datasources).toEqual([
      {
        name: "llm-metrics",
        uid: "llm-metrics",
        type: "prometheus",
        access: "proxy",
        url: "http://prometheus:9090",
        editable: false,
        jsonData: { httpMethod: "POST", prometheusType: "Prometheus", timeInterval: "1s" },
      },
    ]);
    for (const name of DASHBOARDS)
      expect(dashboard(name).templating.list[0]).toMatchObject({
        current: { text: "llm-metrics", value: "llm-metrics" },
      });
  });

  it("load the dashboards from the folder that docs/grafana.md mounts", () => {
    expect(read("provisioning/dashboards/llm-metrics.yaml")).toMatchObject({
      apiVersion: 1,
      providers: [{ type: "file", allowUiUpdates: false, options: { path: "/etc/grafana/llm-metrics" } }],
    });
    const mounts = [
      ...readFileSync("docs/grafana.md", "utf8").matchAll(/^ +- \.\/(dashboards\S*):(\S+):ro$/gm),
    ];
    expect(mounts.map(([, , target]) => target)).toEqual([
      "/etc/grafana/llm-metrics",
      "/etc/grafana/provisioning/dashboards/llm-metrics.yaml",
      "/etc/grafana/provisioning/datasources/llm-metrics.yaml",
    ]);
    const sources = mounts.map(([, source = ""]) => source);
    expect(sources.slice(1).every((source) => source.slice("dashboards/".length) in files)).toBe(true);
  });

  it("end with their version, for which Grafana waits, and which changes with them", () => {
    expect(Object.keys(files).at(-1)).toBe("provisioning/version");
    expect(files["provisioning/version"]).not.toBe(deployedFiles("30s")["provisioning/version"]);
    expect(filesVersion(files)).not.toBe(filesVersion(deployedFiles("30s")));
  });
});
