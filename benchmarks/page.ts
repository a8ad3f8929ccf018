import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, Page } from "playwright-core";
import { openPage, startBrowser } from "../tests/support/page/browser";
import {
  EMPTY_HOST,
  FAULTY_HOST,
  GPU_HOST,
  largeHost,
  SMALL_HOST,
  type DescribedHost,
} from "../tests/support/page/describedHost";
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
      `the page with ${CONTAINERS} containers, of which 20 are LLM servers, 8 GPUs and ${HOURS} hours of samples, ${RUNS} runs:`,
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

/** A picture of the documentation. */
interface Picture {
  host: DescribedHost;
  /** The view; by default, the first screen. */
  hash?: string;
  colorScheme?: "light" | "dark";
  width?: number;
  height: number;
}

const WIDTH = 1200;
const PHONE = 390;

/** The pictures, by their names. */
const PICTURES: Record<string, Picture> = {
  light: { host: GPU_HOST, height: 1270 },
  dark: { host: GPU_HOST, colorScheme: "dark", height: 1270 },
  phone: { host: GPU_HOST, width: PHONE, height: 1290 },
  server: { host: GPU_HOST, hash: "#/container/chat-vllm?range=6h", height: 1160 },
  faults: { host: FAULTY_HOST, height: 1090 },
  small: { host: SMALL_HOST, height: 1000 },
  empty: { host: EMPTY_HOST, height: 890 },
};

/** Makes the pictures of the documentation: the page of described hosts. */
export async function pictures(): Promise<void> {
  await installBrowser();
  const browser = await startBrowser();
  try {
    for (const host of new Set(Object.values(PICTURES).map((picture) => picture.host))) {
      const server = await startPageServer(host);
      try {
        for (const [name, picture] of Object.entries(PICTURES))
          if (picture.host === host) await take(browser, server.url, name, picture);
      } finally {
        await server.stop();
      }
    }
  } finally {
    await browser.close();
  }
}

async function take(
  browser: Browser,
  url: string,
  name: string,
  { hash = "", colorScheme = "light", width = WIDTH, height }: Picture,
): Promise<void> {
  const context = await browser.newContext({ colorScheme, viewport: { width, height } });
  const { page } = await openPage(context, url + hash);
  await page.locator("main[aria-busy=false]").waitFor();
  const file = `docs/page-${name}.png`;
  await page.screenshot({ path: path.resolve(file) });
  console.log(file);
  await context.close();
}
