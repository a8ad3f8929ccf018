import { XMLParser } from "fast-xml-parser";
import { SyntaxValidator } from "fast-xml-validator";

/** An element of an XML document: its children by tag. */
export type Element = Record<string, unknown>;

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  processEntities: false,
  // Long lists that the exporter does not read.
  stopNodes: ["*.supported_clocks"],
  isArray: (name) => ["gpu", "mig_device", "process_info"].includes(name),
});

/**
 * Parses the XML that `nvidia-smi` writes. The parser accepts a truncated document, so the document is validated first.
 * Process names are removed before that: a process chooses its own, nvidia-smi does not escape them, and the exporter does not
 * read them.
 *
 * @throws Error for a document that is not well-formed
 */
export function parseXml(xml: string): Element {
  const nameless = xml.replace(/<process_name>[^]*?<\/process_name>(?=\s*<used_memory>)/g, "");
  SyntaxValidator.validate(nameless);
  return parser.parse(nameless) as Element;
}

export const isElement = (value: unknown): value is Element =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The child of a tag, or an empty element. */
export const child = (element: Element, tag: string): Element =>
  isElement(element[tag]) ? element[tag] : {};

/** The children of a tag that can occur several times. */
export const children = (element: Element, tag: string): Element[] =>
  Array.isArray(element[tag]) ? element[tag].filter(isElement) : [];

/** The text at a path of tags such as "fb_memory_usage.total", or "". */
export function text(element: Element, path: string): string {
  const value = path
    .split(".")
    .reduce<unknown>((parent, tag) => (isElement(parent) ? parent[tag] : undefined), element);
  return typeof value === "string" ? value.trim() : "";
}

/** Converts a number in a unit of `nvidia-smi` to the base unit that Prometheus recommends. */
const TO_BASE_UNIT = {
  "": (count: number) => count,
  W: (watts: number) => watts,
  C: (celsius: number) => celsius,
  "%": (percent: number) => percent / 100,
  MiB: (mebibytes: number) => mebibytes * 1024 ** 2,
  MHz: (megahertz: number) => megahertz * 1e6,
};

/**
 * The number at a path of tags, in its base unit: a ratio for %, bytes for MiB, hertz for MHz.
 *
 * @returns undefined for N/A, [Not Supported], [Insufficient Permissions], another unit, and the like
 */
export function number(element: Element, path: string, unit: keyof typeof TO_BASE_UNIT): number | undefined {
  const [, digits, actualUnit] = /^(-?\d+(?:\.\d+)?) ?(\S*)$/.exec(text(element, path)) ?? [];
  return digits !== undefined && actualUnit === unit ? TO_BASE_UNIT[unit](Number(digits)) : undefined;
}
