import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { CHROMIUM } from "./install";

/** Starts Debian's Chromium, which the tests install. As root, it has no sandbox. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });

/** For a busy machine. */
const TIMEOUT_MILLISECONDS = 90_000;

/** What a page did that it must not do. */
export interface Faults {
  /** Errors in the console, exceptions, and violations of the policy. */
  errors: string[];
  /** Requests to another origin. */
  foreign: string[];
}

/** Opens a page and watches it. */
export async function openPage(
  context: BrowserContext,
  url: string,
): Promise<{ page: Page; faults: Faults }> {
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MILLISECONDS);
  const faults: Faults = { errors: [], foreign: [] };
  const { origin } = new URL(url);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.errors.push(message.text());
  });
  page.on("pageerror", (error) => {
    faults.errors.push(String(error));
  });
  page.on("request", (request) => {
    const requested = new URL(request.url());
    if (requested.protocol !== "data:" && requested.origin !== origin) faults.foreign.push(request.url());
  });
  await page.goto(url);
  return { page, faults };
}

/** The accessibility findings of axe-core that are serious or critical, each with the elements. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // By the debugger, which the page's policy does not bind.
  await page.evaluate(axe.source);
  const findings = await page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run();
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html) }));
  });
  return findings
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).join(" ")}`);
}
