import { bytes, cores, duration, format, percent, shortId } from "../../../dashboard/format";

describe("Numbers of the page", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1023.9 * 1024, "1 MiB"],
    [11.79 * 1024 ** 3, "11.8 GiB"],
    [81_559 * 1024 ** 2, "79.6 GiB"],
    [1024 ** 4, "1 TiB"],
  ])("have %d bytes in units of 1,024: %s", (value, text) => {
    expect(bytes(value)).toBe(text);
  });

  it.each([
    [0, "0 %"],
    [0.004, "0.4 %"],
    [0.074, "7 %"],
    [1, "100 %"],
    [1.044, "104 %"],
  ])("have the ratio %d in percent: %s", (value, text) => {
    expect(percent(value)).toBe(text);
  });

  it("have CPU in cores, and show small values as more than 0", () => {
    expect([0, 0.0004, 0.0214, 1.254, 104.4].map(cores)).toEqual(["0", "< 0.001", "0.021", "1.25", "104"]);
  });

  it.each([
    [0.4, "0 s"],
    [59, "59 s"],
    [61, "1 min 1 s"],
    [3600, "1 h"],
    [90_061, "1 d 1 h"],
    [31 * 86_400, "31 d"],
  ])("have %d s in two units: %s", (value, text) => {
    expect(duration(value)).toBe(text);
  });

  it.each([
    [0.0318, "31.8 ms"],
    [0.84, "840 ms"],
    [1.254, "1.25 s"],
    [75, "75 s"],
  ])("have a latency of %d s in %s", (value, text) => {
    expect(format(value, "seconds")).toBe(text);
  });

  it("have the units that people use", () => {
    expect([
      format(312.4, "watts"),
      format(61.2, "celsius"),
      format(2048, "bytes per second"),
      format(1834.4, "per second"),
      format(19_958, "per second"),
      format(0.251, "per second"),
    ]).toEqual(["312 W", "61 °C", "2 KiB/s", "1834/s", "20k/s", "0.251/s"]);
  });

  it("have an id as Docker shows it, by any cgroup driver", () => {
    const id = "0123456789abcdef".repeat(4);
    expect([`/docker/${id}`, `/system.slice/docker-${id}.scope`].map(shortId)).toEqual([
      "0123456789ab",
      "0123456789ab",
    ]);
  });
});
