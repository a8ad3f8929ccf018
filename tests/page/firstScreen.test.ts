import type { Browser, Response } from "playwright-core";
import { bytes, format } from "../../dashboard/format";
import { FAULTY_HOST, GPU_HOST, largeHost, type DescribedHost } from "../support/page/describedHost";
import { uuidOf } from "../support/page/hostSamples";
import { openPage, seriousFindings, startBrowser } from "../support/page/browser";
import { startPageServer, type PageServer } from "../support/page/pageServer";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";

jest.setTimeout(300_000);

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => (browser as Browser | undefined)?.close());

/** Serves the page for a host while tests run. */
function serve(host: DescribedHost): () => PageServer {
  let server: PageServer;
  beforeAll(async () => {
    server = await startPageServer(host, 3);
  });
  afterAll(() => (server as PageServer | undefined)?.stop());
  return () => server;
}

describe("First screen of a GPU host", () => {
  const server = serve(GPU_HOST);
  const open = async (hash = "", options = {}) => {
    const { page, faults } = await openPage(await browser.newContext(options), server().url + hash);
    await page.getByRole("heading", { level: 2, name: "Containers" }).waitFor();
    return { page, faults };
  };

  it("has the GPUs' numbers as the API has them", async () => {
    const { page, faults } = await open();
    for (const gpu of [0, 1, 2, 3]) {
      const row = page.locator("section[aria-labelledby=gpus] tbody tr").nth(gpu);
      const of = async (metric: string) =>
        Number((await query(server().url.slice(0, -1), `${metric}{gpu_uuid="${uuidOf(gpu)}"}`))[0]?.value[1]);
      await expect(row.innerText()).resolves.toContain(
        `${bytes(await of("gpu_memory_used_bytes"))} of ${bytes(await of("gpu_memory_total_bytes"))}`,
      );
      for (const { metric, value } of await query(
        server().url.slice(0, -1),
        `container_gpu_memory_used_bytes{gpu_uuid="${uuidOf(gpu)}"} > 0`,
      ))
        await expect(row.innerText()).resolves.toContain(
          `${metric["name"] ?? ""} ${bytes(Number(value[1]))}`,
        );
    }
    await expect(page.locator("section[aria-labelledby=gpus]").innerText()).resolves.toMatch(
      /idle draft-ollama/,
    );
    expect(faults).toEqual({ errors: [], foreign: [] });
  });

  it("begins with the tokens and requests of all LLM servers and the busy GPUs, as the API has them", async () => {
    const { page } = await open();
    const values = async () => {
      const of = async (expr: string) =>
        Number((await query(server().url.slice(0, -1), `${expr} > -1`))[0]?.value[1]);
      return [
        format(await of("sum(llm:generated_tokens:rate5m)"), "per second"),
        format(await of("sum(llm:prompt_tokens:rate5m)"), "per second"),
        `${await of("sum(llm:requests_running:sum)")} running, ${await of("sum(llm:requests_waiting:sum)")} waiting`,
        `${await of("count(avg_over_time(gpu_utilization_ratio[5m]) > 0.05)")} of 4 busy`,
      ];
    };
    // The samples of a described host change within each minute.
    await eventually(async () => {
      await page.getByRole("button", { name: "Refresh" }).click();
      const shown = await page.getByRole("region", { name: "At a glance" }).locator("dd").allInnerTexts();
      expect(shown.map((text) => text.trim())).toEqual(await values());
    });
  });

  it("has of each LLM server what it reports, with its model, or the reason why it reports nothing", async () => {
    const { page } = await open();
    const cellsOf = async (name: string) => {
      const row = page.locator("section[aria-labelledby=servers] tbody tr", { hasText: name });
      return (await row.locator("th, td").allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim());
    };
    expect((await cellsOf("chat-vllm")).slice(0, 5)).toEqual([
      "chat-vllm meta-llama/Llama-3.3-70B-Instruct vllm/vllm-openai:v0.11.0",
      expect.stringMatching(/^\d{4}\/s prompts \d{4}\/s$/),
      expect.stringMatching(/^\d+ running \d+ waiting$/),
      expect.stringMatching(/^\d+ ms$/),
      expect.stringMatching(/^\d\d %$/),
    ]);
    expect((await cellsOf("summary")).slice(3, 5)).toEqual(["– unknown", "– unknown"]);
    expect((await cellsOf("draft-ollama"))[1]).toBe(
      "Its own metrics are not scraped: its engine exposes none.",
    );
  });

  it("begins with alerts and the next steps, and lists LLM servers apart from other containers", async () => {
    const { page } = await open();
    const headings = await page.getByRole("heading", { level: 2 }).allTextContents();
    expect(headings).toEqual(["Alerts", "LLM servers", "GPUs", "Containers", "Host llm-1"]);
    const alerts = page.locator("section[aria-labelledby=alerts]");
    await expect(alerts.innerText()).resolves.toMatch(
      /rag-ingest on llm-1 is near its memory limit[^]*At 100 %/,
    );
    const names = (section: string) =>
      page.locator(`section[aria-labelledby=${section}] th.name a`).allTextContents();
    expect((await names("servers")).sort()).toEqual([
      "chat-vllm",
      "draft-ollama",
      "rerank-sglang",
      "summary",
    ]);
    expect((await names("containers"))[0]).toBe("rag-ingest");
    expect(await names("containers")).toHaveLength(GPU_HOST.containers.length - 4 + 2);
    const worker = page.locator("section[aria-labelledby=containers] tr", { hasText: "rag-worker" });
    await expect(worker.innerText()).resolves.toMatch(/restarting \(1\)/);
    await expect(page.locator("section[aria-labelledby=host]").innerText()).resolves.toMatch(
      /Disk \/var\/lib\/docker\s*83 %/,
    );
  });

  it("sorts by the keyboard, searches, and keeps both in the address", async () => {
    const { page } = await open();
    const names = () => page.locator("section[aria-labelledby=containers] th.name a").allTextContents();
    await page.getByRole("checkbox", { name: "by Compose project" }).uncheck();
    await page.getByRole("columnheader", { name: "Container" }).getByRole("button").focus();
    await page.keyboard.press("Enter");
    const sorted = [...(await names())].sort();
    expect(await names()).toEqual(sorted);
    await expect(page.locator("th[aria-sort=ascending]").innerText()).resolves.toContain("Container");
    await page.keyboard.press("Enter");
    expect(await names()).toEqual([...sorted].reverse());
    await page.getByRole("searchbox").fill("chat postgres");
    expect(await names()).toEqual(["chat-db"]);
    await page.reload();
    await page.getByText("1 of 10").waitFor();
    expect(await names()).toEqual(["chat-db"]);
  });

  it("opens a container with its charts, marks and alerts, each chart in Prometheus, and the range in the address", async () => {
    const { page, faults } = await open();
    await page.locator("th.name").getByRole("link", { name: "rag-ingest" }).click();
    await page.getByRole("button", { name: "6h" }).click();
    await page.locator("figure canvas").first().waitFor();
    expect(new URL(page.url()).hash).toBe("#/container/rag-ingest?range=6h");
    const titles = await page.locator("figure h2").allTextContents();
    expect(titles).toEqual([
      "CPU",
      "Waiting for the CPU limit",
      "Memory",
      "Network",
      "Disk",
      "Writable layer",
    ]);
    expect(await page.locator("figure canvas").count()).toBe(titles.length);
    await expect(page.locator(".marks").innerText()).resolves.toMatch(/OOM kill[^]*OOM kill/);
    const link = await page.getByRole("link", { name: "Memory in Prometheus" }).getAttribute("href");
    const parameters = new URL(link ?? "").searchParams;
    const [sample] = await query(server().url.slice(0, -1), parameters.get("g0.expr") ?? "");
    const caption = await page.locator("figcaption", { hasText: "Memory" }).innerText();
    expect(caption).toContain(`used ${bytes(Number(sample?.value[1]))}`.slice(0, 8));
    expect(parameters.get("g0.range_input")).toBe("6h");
    expect(await seriousFindings(page)).toEqual([]);
    expect(faults).toEqual({ errors: [], foreign: [] });
  });

  it("opens an LLM server with charts of what it reports, and names what its engine does not expose", async () => {
    const { page, faults } = await open();
    const titles = async (name: string) => {
      await page.goto(`${server().url}#/container/${name}`);
      await page.getByRole("heading", { level: 1, name }).waitFor();
      await page.locator("figure canvas").first().waitFor();
      const all = await page.locator("figure:has(canvas) h2").allTextContents();
      return all.slice(0, all.indexOf("GPU memory"));
    };
    expect(await titles("chat-vllm")).toEqual([
      "Tokens generated",
      "Tokens of prompts",
      "Requests running and waiting",
      "Time to first token",
      "Time per output token",
      "Duration of requests",
      "KV cache",
      "Requests per second",
    ]);
    await page.getByText("meta-llama/Llama-3.3-70B-Instruct").waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    expect(await titles("summary")).not.toContain("KV cache");
    await page.getByText("No samples in this time range: Time to first token, KV cache.").waitFor();
    expect(faults).toEqual({ errors: [], foreign: [] });
  });

  it.each(["light", "dark"] as const)(
    "has no serious accessibility finding with %s colors",
    async (colorScheme) => {
      for (const width of [1280, 360]) {
        const { page } = await open("", { colorScheme, viewport: { width, height: 800 } });
        expect(await seriousFindings(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      }
    },
  );

  it("makes no request while it is hidden, and refreshes when it is visible again", async () => {
    const context = await browser.newContext();
    const { page } = await openPage(context, "about:blank");
    await page.clock.install();
    let requests = 0;
    page.on("request", (request) => {
      if (request.url().includes("/api/")) requests++;
    });
    await page.goto(server().url);
    await page.getByRole("heading", { level: 2, name: "Containers" }).waitFor();
    const hide = (hidden: boolean) =>
      page.evaluate((value) => {
        Object.defineProperty(document, "hidden", { value, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    const first = requests;
    expect(first).toBe(5);
    await hide(true);
    await page.clock.runFor(300_000);
    expect(requests).toBe(first);
    await hide(false);
    await eventually(async () => {
      expect(requests).toBe(2 * first);
      await Promise.resolve();
    });
  });

  it("reports that Prometheus does not answer, keeps the last values, and recovers automatically", async () => {
    const { page } = await open();
    await server().stopPrometheus();
    await page.getByRole("button", { name: "Refresh" }).click();
    const failure = page.getByRole("alert");
    await failure.getByText("Prometheus does not answer").waitFor();
    await expect(failure.innerText()).resolves.toMatch(/These numbers are of .* ago/);
    await page.getByRole("link", { name: "rag-ingest" }).first().waitFor();

    const { page: late } = await openPage(await browser.newContext(), server().url);
    await late.getByText("The page shows its data as soon as it does").waitFor();
    await server().startPrometheus();
    for (const one of [page, late]) {
      await one.getByText("Prometheus does not answer").waitFor({ state: "detached" });
      await one.getByRole("heading", { level: 2, name: "Containers" }).waitFor();
    }
  });
});

describe("First screen of a host whose LLM servers have faults", () => {
  const server = serve(FAULTY_HOST);

  it("has the reasons beside the servers, and the alerts", async () => {
    const { page } = await openPage(await browser.newContext(), server().url);
    const servers = page.locator("section[aria-labelledby=servers]");
    await servers.getByText("It has not answered scrapes for 1").waitFor();
    await servers
      .getByText(
        "Its own metrics are not scraped: it is on no network on which servers are scraped (setting llmNetworks).",
      )
      .waitFor();
    await page.getByText("The LLM server chat-vllm on llm-1 does not answer").waitFor();
    expect(await page.getByText("The target chat-vllm").count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
  });
});

describe("First screen of a host without GPUs and without other containers", () => {
  const server = serve({ name: "empty", cores: 4, gibibytes: 8, containers: [], down: ["cadvisor"] });

  it("reports what is missing, with the reasons", async () => {
    const { page } = await openPage(await browser.newContext(), server().url);
    await page.getByText("cAdvisor is down: no CPU, memory, network or disk").waitFor();
    await page.getByText("No NVIDIA GPU is measured").waitFor();
    await page.getByText("No other container runs.").waitFor();
    await page.getByText("No container runs an LLM server.").waitFor();
    expect(await page.getByRole("region", { name: "At a glance" }).count()).toBe(0);
    expect(await page.locator("main").innerText()).not.toMatch(/\b0 (cores|B)\b/);
    expect(await seriousFindings(page)).toEqual([]);
  });
});

describe("First screen of a host with hostile names", () => {
  const markup = (n: number) =>
    `"><img src=x onerror="document.title='attacked'"><script>document.title='attacked'</script>\u202e{{n}}${n}`;
  const server = serve({
    name: "hostile",
    cores: 4,
    gibibytes: 8,
    gpus: 1,
    containers: [
      { name: markup(1), image: markup(2), project: markup(3), service: markup(4), cores: 1, gibibytes: 1 },
      {
        name: markup(5),
        image: "javascript:alert(1)",
        llmServer: markup(6),
        cores: 1,
        gibibytes: 7.9,
        limitGibibytes: 8,
        gpus: [{ gpu: 0, gibibytes: 9, use: 0.5 }],
        server: { model: markup(9), generated: 5, running: 1, waiting: 0 },
      },
      {
        name: markup(10),
        image: "image",
        llmServer: "vllm",
        cores: 1,
        gibibytes: 1,
        server: { notScraped: markup(11) },
      },
    ],
    unavailable: [{ metric: markup(7), reason: markup(8) }],
  });

  it("shows them as text, in every view", async () => {
    const { page, faults } = await openPage(await browser.newContext(), server().url);
    await page.getByRole("heading", { level: 2, name: "Containers" }).waitFor();
    for (const n of [9, 11]) await page.getByText(markup(n)).first().waitFor();
    for (const n of [1, 5, 10]) {
      await page
        .locator("th.name")
        .getByRole("link", { name: markup(n), exact: true })
        .click();
      await page.getByRole("heading", { level: 1, name: markup(n), exact: true }).waitFor();
      await page.locator("figure canvas").first().waitFor();
      await page.getByRole("link", { name: "all containers" }).click();
      await page.getByRole("heading", { level: 2, name: "Containers" }).waitFor();
    }
    expect(await page.locator("img, iframe, object, body script, style").count()).toBe(0);
    expect(await page.title()).not.toBe("attacked");
    const links = await page
      .locator("a")
      .evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).protocol));
    expect(new Set(links)).toEqual(new Set(["http:"]));
    expect(faults).toEqual({ errors: [], foreign: [] });
  });
});

describe("First screen of a host with 300 containers and 8 GPUs", () => {
  const server = serve(largeHost(300));

  it("takes at most 10 requests and 1 MB for a refresh", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const responses: Response[] = [];
    page.on("response", (response) => {
      if (response.url().includes("/api/")) responses.push(response);
    });
    await page.goto(server().url);
    await page.getByRole("heading", { level: 2, name: "Containers" }).waitFor();
    const sizes = await Promise.all(responses.map(async (response) => (await response.body()).length));
    expect(sizes.length).toBeLessThanOrEqual(10);
    // As they are before compression.
    expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThan(1_000_000);
    const rows = page.locator("section[aria-labelledby=containers] th.name");
    expect(await rows.count()).toBe(50);
    await page.getByRole("button", { name: "Show 230 more" }).click();
    expect(await rows.count()).toBe(280);
    expect(await page.locator("section[aria-labelledby=servers] tbody tr").count()).toBe(20);
  });
});
