/** A series of Prometheus with its value now. */
export interface Sample {
  metric: Labels;
  value: [time: number, value: string];
}

/** A series with its values over time. */
export interface Range {
  metric: Labels;
  values: [time: number, value: string][];
}

export type Labels = Readonly<Record<string, string>>;

/** An alert as Prometheus reports it. */
export interface PrometheusAlert {
  labels: Labels;
  annotations: Labels;
  state: "pending" | "firing";
  activeAt: string;
}

/** A target as Prometheus reports it. */
export interface PrometheusTarget {
  labels: Labels;
  health: "up" | "down" | "unknown";
  lastError: string;
}

/** The points in time of a range query: Unix seconds. */
export interface Grid {
  start: number;
  end: number;
  step: number;
}

/** Why there is no answer. */
export class Unanswered extends Error {
  constructor(
    readonly reason: "unreachable" | "login" | "not ready" | "rejected",
    message: string,
  ) {
    super(message);
  }
}

/** Longer than any query of the page takes, and shorter than the time between two refreshes. */
const TIMEOUT_MILLISECONDS = 8_000;

/**
 * The address of the page's own server. Not `location.href`: fetch rejects an address with a user and a password, with which the
 * page may have been opened.
 */
export const address = (path: string): URL => new URL(path, location.origin + location.pathname);

const isTimeout = (error: unknown) => error instanceof Error && error.name === "TimeoutError";
const late = () => new Unanswered("unreachable", `no answer within ${TIMEOUT_MILLISECONDS / 1000} s`);

/** Reads from Prometheus's API on the page's own server. */
async function read<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
  const url = address(`api/v1/${path}`);
  // By POST, a query can be longer than an address.
  const isQuery = path.startsWith("query");
  let response: Response;
  try {
    response = await fetch(url, {
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
      cache: "no-store",
      ...(isQuery && { method: "POST", body: new URLSearchParams(parameters) }),
    });
  } catch (error) {
    throw isTimeout(error) ? late() : new Unanswered("unreachable", "no connection");
  }
  if (response.status === 401) throw new Unanswered("login", "the gateway requires a login");
  const answer = await response.json().then(
    (body: unknown) => body as { status: string; data?: T; error?: string },
    (error: unknown) => {
      if (isTimeout(error)) throw late();
      return undefined;
    },
  );
  if (answer?.status === "success" && answer.data !== undefined) return answer.data;
  if (response.status === 503) throw new Unanswered("not ready", "it is starting, and reads its samples");
  if (!answer) throw new Unanswered("unreachable", `status ${response.status} of the gateway`);
  throw new Unanswered("rejected", answer.error ?? `status ${response.status}`);
}

/** The series of an expression now. */
export const query = async (expr: string): Promise<Sample[]> =>
  (await read<{ result: Sample[] }>("query", { query: expr })).result;

/** The series of an expression over time. */
export const queryRange = async (expr: string, { start, end, step }: Grid): Promise<Range[]> =>
  (
    await read<{ result: Range[] }>("query_range", {
      query: expr,
      start: String(start),
      end: String(end),
      step: String(step),
    })
  ).result;

/** All alerts, pending ones too. */
export const alerts = async (): Promise<PrometheusAlert[]> =>
  (await read<{ alerts: PrometheusAlert[] }>("alerts")).alerts;

/** The targets, with the errors of their last scrapes. */
export const targets = async (): Promise<PrometheusTarget[]> =>
  (await read<{ activeTargets: PrometheusTarget[] }>("targets?state=active")).activeTargets;
