import { Exposition } from "../../../exporter/exposition";

const help = { a_total: "Counts.", b: "A value.", c: "Not set." };

describe("A page of metrics", () => {
  it("has each metric once, with its type, and with the series that have a value", () => {
    const page = new Exposition(help);
    page.add({ b: 0.5, c: undefined }, { name: "x", gpu: "" });
    page.add({ a_total: 1 });
    page.add({ b: 2 }, { name: "y" });
    expect(page.text().split("\n")).toEqual([
      ...["# HELP b A value.", "# TYPE b gauge", 'b{name="x",gpu=""} 0.5', 'b{name="y"} 2', ""],
      ...["# HELP a_total Counts.", "# TYPE a_total counter", "a_total 1", ""],
    ]);
  });

  it("has one sample for values of the same series: their sum", () => {
    const page = new Exposition(help);
    for (const value of [1, 2]) page.add({ a_total: value }, { stage: "docker" });
    expect(page.text()).toContain('a_total{stage="docker"} 3\n');
  });

  it("escapes what a label value must not contain", () => {
    const page = new Exposition(help);
    page.add({ b: 1 }, { name: 'a\\b"c\nd' });
    expect(page.text()).toContain('b{name="a\\\\b\\"c\\nd"} 1\n');
  });
});
