import { get } from "../../host/http";

/** When each sample of a series was taken, in Unix seconds, oldest first; of the last hour, or of the last seconds. */
export async function sampleTimes(prometheus: string, series: string, seconds = 3600): Promise<number[]> {
  const parameters = new URLSearchParams({ query: `${series}[${seconds}s]` });
  const { body } = await get(`${prometheus}/api/v1/query?${parameters.toString()}`);
  const { data } = JSON.parse(body) as { data: { result: { values: [number, string][] }[] } };
  return (data.result[0]?.values ?? []).map(([time]) => time);
}

/** The longest time between two of them, in seconds. */
export const largestGap = (times: number[]): number =>
  Math.max(...times.slice(1).map((time, i) => time - (times[i] ?? 0)));
