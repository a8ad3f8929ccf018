import { alerts } from "../../../dashboard/api";
import { loadContainer } from "../../../dashboard/load";

const answered = (changes: Partial<Response>) =>
  jest.spyOn(globalThis, "fetch").mockResolvedValue({ status: 200, ...changes } as Response);

beforeEach(() => {
  Object.assign(globalThis, { location: { origin: "http://llm-1:23001", pathname: "/" } });
});
afterEach(() => {
  jest.restoreAllMocks();
  Reflect.deleteProperty(globalThis, "location");
});

describe("Requests of the page", () => {
  it("report a timeout, also while the body is read", async () => {
    const timeout = Object.assign(new Error("signal timed out"), { name: "TimeoutError" });
    answered({ json: () => Promise.reject(timeout) });
    await expect(alerts()).rejects.toMatchObject({ reason: "unreachable", message: "no answer within 8 s" });
    jest.spyOn(globalThis, "fetch").mockRejectedValue(timeout);
    await expect(alerts()).rejects.toMatchObject({ reason: "unreachable", message: "no answer within 8 s" });
  });

  it("report an answer that is not Prometheus's", async () => {
    answered({ status: 502, json: () => Promise.reject(new SyntaxError("Unexpected token")) });
    await expect(alerts()).rejects.toMatchObject({
      reason: "unreachable",
      message: "status 502 of the gateway",
    });
  });

  it("about a container fail together: none is left without a handler of its failure", async () => {
    jest.spyOn(globalThis, "fetch").mockImplementation((url) =>
      // The query never ends.
      (url as URL).href.endsWith("/alerts")
        ? Promise.reject(new TypeError("Failed to fetch"))
        : new Promise(() => undefined),
    );
    await expect(loadContainer("chat", "1h")).rejects.toMatchObject({ message: "no connection" });
  });
});
