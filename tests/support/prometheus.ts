/** A sample of Prometheus. */
export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

/** The samples of a PromQL expression now. */
export async function query(prometheus: string, promql: string): Promise<Sample[]> {
  const parameters = new URLSearchParams({ query: promql }).toString();
  const response = await fetch(`${prometheus}/api/v1/query?${parameters}`);
  const { data, error } = (await response.json()) as { data?: { result: Sample[] }; error?: string };
  if (!data) throw new Error(`${promql}: ${error ?? "no data"}`);
  return data.result;
}

/** The times of a series' samples in the last hour, or in the last seconds: Unix seconds, oldest first. */
export async function sampleTimes(prometheus: string, series: string, seconds = 3600): Promise<number[]> {
  const parameters = new URLSearchParams({ query: `${series}[${seconds}s]` });
  const response = await fetch(`${prometheus}/api/v1/query?${parameters.toString()}`);
  const { data } = (await response.json()) as { data: { result: { values: [number, string][] }[] } };
  return (data.result[0]?.values ?? []).map(([time]) => time);
}

/** The longest time between two samples, in seconds. */
export const largestGap = (times: number[]): number =>
  Math.max(...times.slice(1).map((time, i) => time - (times[i] ?? 0)));
