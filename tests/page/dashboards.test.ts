import { dashboardQueries } from "../support/dashboards";
import { GPU_HOST } from "../support/page/describedHost";
import { startPageServer, type PageServer } from "../support/page/pageServer";
import { query } from "../support/prometheus";

jest.setTimeout(300_000);

let server: PageServer;
beforeAll(async () => {
  server = await startPageServer(GPU_HOST, 3);
});
afterAll(() => server.stop());

it("explore", async () => {
  const url = server.url.slice(0, -1);
  for (const c of GPU_HOST.containers.slice(0, 3)) {
    console.log(JSON.stringify(c));
    for (const { place, expr } of dashboardQueries({ host: GPU_HOST.name, name: c.name, gpu: "0" })) {
      const result = await query(url, expr).catch((e: unknown) => String(e));
      console.log(
        Array.isArray(result) ? result.length : result,
        place,
        Array.isArray(result) && result.length > 0 ? "" : expr,
      );
    }
  }
});
