import type { Browser } from "playwright-core";
import { docker, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { openPage, startBrowser } from "../support/page/browser";
import { sharedStack } from "../support/sharedStack";
import type { Stack } from "../support/stack";

const MARKUP = `"><img src=x onerror="document.title='attacked'"><script>document.title='attacked'</script>`;

let stack: Stack;
let browser: Browser;
let hostile: string;
beforeAll(async () => {
  ({ stack } = await sharedStack());
  hostile = await startContainer("example/web:1", [
    ...["--label", `com.docker.compose.project=${MARKUP}`],
    ...["--label", `com.docker.compose.service=${MARKUP}`],
  ]);
  browser = await startBrowser();
});
afterAll(async () => {
  await (browser as Browser | undefined)?.close();
  await docker("rm", "-f", hostile);
});

describe("Page", () => {
  it("opens at the address of Prometheus, whose own pages keep their paths", async () => {
    const page = await fetch(stack.prometheus);
    expect(page.status).toBe(200);
    const policy = page.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';");
    expect(policy).not.toContain("unsafe");
    for (const path of ["/query", "/graph", "/alerts", "/targets"]) {
      const own = await fetch(stack.prometheus + path);
      expect([path, own.status, await own.text()]).toEqual([
        path,
        200,
        expect.stringContaining("Prometheus"),
      ]);
    }
  });

  it("lists every running container, and shows hostile labels as text", async () => {
    const { page, faults } = await openPage(await browser.newContext(), stack.prometheus);
    await eventually(async () => {
      await page.getByRole("button", { name: "Refresh" }).click();
      const shown = await page.locator("tbody th.name > a").allTextContents();
      const running = (await docker("ps", "--format", "{{.Names}}")).split("\n");
      expect(shown).toEqual(expect.arrayContaining(running));
      expect(new Set(shown).size).toBe(shown.length);
    });
    expect(await page.getByText(MARKUP).count()).toBe(1);
    await page.getByRole("link", { name: hostile }).click();
    await page.getByRole("heading", { name: hostile }).waitFor();
    await page.locator("figure").first().waitFor();
    expect(await page.title()).toBe(hostile);
    expect(await page.locator("img, iframe, object, body script").count()).toBe(0);
    expect(faults).toEqual({ errors: [], foreign: [] });
  });
});
