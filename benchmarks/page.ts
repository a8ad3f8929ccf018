import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import { openPage, startBrowser } from "../tests/support/page/browser";
import { GPU_HOST, largeHost } from "../tests/support/page/describedHost";
import { installBrowser } from "../tests/support/page/install";
import { startPageServer, type PageServer } from "../tests/support/page/pageServer";

const CONTAINERS = 300;
const HOURS = 48;
const RUNS = 5;
const WATCHED_SECONDS = 150;

/** Measures the page of a host with many containers: first view, sorting, searching, requests, and the CPU use of Prometheus. */
export async function pageCost(): Promise<void> {
  await installBrowser();
  const server = await startPageServer(largeHost(CONTAINERS), HOURS, "30s");
  const browser = await startBrowser();
  try {
    console.log(
      `the page with ${CONTAINERS} containers, 8 GPUs and ${HOURS} hours of samples, ${RUNS} runs:`,
    );
    const firstViews: number[] = [];
    for (let i = 0; i < RUNS; i++) {
      const context = await browser.newContext();
      const page = await context.newPage();
      const start = performance.now();
      await page.goto(server.url);
      await rowsOf(page).first().waitFor();
      firstViews.push(performance.now() - start);
      await context.close();
    }
    report("first view, ms", firstViews);
    const { page } = await openPage(await browser.newContext(), server.url);
    await rowsOf(page).first().waitFor();
    report("sort, ms", await repeated(() => timed(page, "button", "click")));
    report("search, ms", await repeated((run) => timed(page, "input", "input", `service-${run}`)));
    await requestsOf(page);
    await cpuOf(server, page);
  } finally {
    await browser.close();
    await server.stop();
  }
}

const rowsOf = (page: Page) => page.locator("section[aria-labelledby=containers] th.name");

function report(what: string, milliseconds: readonly number[]): void {
  const sorted = [...milliseconds].sort((a, b) => a - b).map(Math.round);
  console.log(`  ${what}: ${sorted[0] ?? 0} to ${sorted.at(-1) ?? 0}`);
}

async function repeated(measure: (run: number) => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) times.push(await measure(run));
  return times;
}

/** Milliseconds from an event in the table of containers to the frame after the one that shows its effect. */
const timed = (
  page: Page,
  element: "button" | "input",
  event: "click" | "input",
  text = "",
): Promise<number> =>
  page.evaluate(
    async ({ element, event, text }) => {
      const place = element === "button" ? "thead button" : ".tools input[type=search]";
      const target = document.querySelector<HTMLInputElement>(`section[aria-labelledby=containers] ${place}`);
      const start = performance.now();
      if (target && event === "input") target.value = text;
      target?.dispatchEvent(new Event(event, { bubbles: true }));
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      await frame();
      await frame();
      return performance.now() - start;
    },
    { element, event, text },
  );

/** The requests of one refresh, and their bytes with and without compression. */
async function requestsOf(page: Page): Promise<void> {
  await page.evaluate(() => {
    performance.clearResourceTimings();
  });
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.waitForTimeout(3000);
  const sizes = await page.evaluate(() =>
    (performance.getEntriesByType("resource") as PerformanceResourceTiming[]).map((one) => ({
      sent: one.transferSize,
      size: one.decodedBodySize,
    })),
  );
  const total = (of: (one: (typeof sizes)[number]) => number) =>
    Math.round(sizes.reduce((sum, one) => sum + of(one), 0) / 1000);
  console.log(
    `  one refresh: ${sizes.length} requests, ${total(({ size }) => size)} kB, compressed ${total(({ sent }) => sent)} kB`,
  );
}

/** The CPU use of Prometheus while the page is open, beyond that without a page. */
async function cpuOf(server: PageServer, page: Page): Promise<void> {
  const used = async () => {
    const before = await server.prometheusCpu();
    await sleep(WATCHED_SECONDS * 1000);
    return ((await server.prometheusCpu()) - before) / WATCHED_SECONDS;
  };
  const open = await used();
  await page.close();
  const closed = await used();
  const percent = (share: number) => (100 * share).toFixed(1);
  console.log(
    `  Prometheus: ${percent(open)} % of a core with one page open, ${percent(closed)} % without, for rules alone`,
  );
}

/** Makes the pictures of the documentation: the page of a described host, light and dark. */
export async function pictures(): Promise<void> {
  await installBrowser();
  const server = await startPageServer(GPU_HOST);
  const browser = await startBrowser();
  try {
    for (const colorScheme of ["light", "dark"] as const) {
      const context = await browser.newContext({ colorScheme, viewport: { width: 1200, height: 1180 } });
      const { page } = await openPage(context, server.url);
      await rowsOf(page).first().waitFor();
      await page.screenshot({ path: path.resolve(`docs/page-${colorScheme}.png`) });
      console.log(`docs/page-${colorScheme}.png`);
      await context.close();
    }
  } finally {
    await browser.close();
    await server.stop();
  }
}
