import type { Direction, SortKey } from "./containers";

/** What the address holds after its `#`, so that a view can be shared. */
export type View = OverviewView | ContainerView;

export interface OverviewView {
  page: "overview";
  search: string;
  sort: SortKey;
  direction: Direction;
  /** Whether containers are grouped by Compose project. */
  grouped: boolean;
  /** Whether all containers are shown, also where there are many. */
  all: boolean;
}

export interface ContainerView {
  page: "container";
  name: string;
  range: RangeName;
}

/** The time ranges of a container's charts. */
export const RANGES = {
  "1h": 3600,
  "6h": 6 * 3600,
  "24h": 86_400,
  "7d": 7 * 86_400,
  "15d": 15 * 86_400,
} as const;
export type RangeName = keyof typeof RANGES;

const SORT_KEYS: readonly SortKey[] = ["importance", "name", "cpu", "memory", "limit", "uptime"];

export const OVERVIEW_VIEW: OverviewView = {
  page: "overview",
  search: "",
  sort: "importance",
  direction: "descending",
  grouped: true,
  all: false,
};

/** The direction in which a column is sorted first. */
export const firstDirection = (key: SortKey): Direction => (key === "name" ? "ascending" : "descending");

/** The view of an address. What is unknown has its default. */
export function viewOf(hash: string): View {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  const parameters = new URLSearchParams(search);
  const container = /^\/container\/(.+)$/.exec(path)?.[1];
  if (container !== undefined) {
    const range = parameters.get("range") ?? "";
    return {
      page: "container",
      name: decoded(container),
      range: Object.hasOwn(RANGES, range) ? (range as RangeName) : "1h",
    };
  }
  const sort = SORT_KEYS.find((key) => key === parameters.get("sort")) ?? OVERVIEW_VIEW.sort;
  const opposite = firstDirection(sort) === "ascending" ? "descending" : "ascending";
  return {
    page: "overview",
    search: parameters.get("q") ?? "",
    sort,
    direction: parameters.has("reverse") ? opposite : firstDirection(sort),
    grouped: !parameters.has("flat"),
    all: parameters.has("all"),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Not from this page.
  }
}

/** The part of the address that holds a view, with its `#`. */
export function hashOf(view: View): string {
  if (view.page === "container") {
    const range = view.range === "1h" ? "" : `?range=${view.range}`;
    return `#/container/${encodeURIComponent(view.name)}${range}`;
  }
  const parameters = new URLSearchParams({
    ...(view.search && { q: view.search }),
    ...(view.sort !== OVERVIEW_VIEW.sort && { sort: view.sort }),
    ...(view.direction !== firstDirection(view.sort) && { reverse: "" }),
    ...(!view.grouped && { flat: "" }),
    ...(view.all && { all: "" }),
  }).toString();
  return parameters ? `#/?${parameters}` : "#/";
}
