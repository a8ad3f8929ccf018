import { sizeBytes } from "../../../lib/units";

describe("Sizes of Prometheus", () => {
  it.each([
    ["0", 0],
    ["512B", 512],
    ["64MB", 64 * 1024 ** 2],
    ["64MiB", 64 * 1024 ** 2],
    ["1.5KB", 1536],
    ["1GB512MB", 1.5 * 1024 ** 3],
  ])("are powers of 1024: %s", (text, bytes) => {
    expect(sizeBytes(text)).toBe(bytes);
  });

  it.each(["", "64", "MB", "64 MB", "64mb"])("are not %p", (text) => {
    expect(sizeBytes(text)).toBeNaN();
  });
});
