/**
 * The most characters of a label value that comes from a container, an image or a driver. Prometheus rejects a whole scrape when
 * one label exceeds its limit, so relabeling and the exporter cut such labels in the same way, and their series can be joined.
 */
export const MAX_LABEL_LENGTH = 200;

/** The beginning of a label value, at most {@link MAX_LABEL_LENGTH} characters; a surrogate pair counts as one. */
export const cut = (value: string): string =>
  value.length <= MAX_LABEL_LENGTH
    ? value
    : Array.from(value.slice(0, 2 * MAX_LABEL_LENGTH))
        .slice(0, MAX_LABEL_LENGTH)
        .join("");

/** The end of a label value, for an `id`: the container's 64 digits are at its end. */
export const cutStart = (value: string): string =>
  value.length <= MAX_LABEL_LENGTH
    ? value
    : Array.from(value.slice(-2 * MAX_LABEL_LENGTH))
        .slice(-MAX_LABEL_LENGTH)
        .join("");

/** The value of a label as relabeling cuts that of cAdvisor: one long value would cost the scrape. */
export const boundedValue = (name: string, value: string): string =>
  name === "id" ? cutStart(value) : cut(value);

/** Labels with bounded values. */
export const bounded = (labels: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, boundedValue(name, value)]));
