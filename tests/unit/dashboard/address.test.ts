import { hashOf, OVERVIEW_VIEW, viewOf, type View } from "../../../dashboard/address";

describe("Address of the page", () => {
  const views: View[] = [
    OVERVIEW_VIEW,
    {
      page: "overview",
      search: "vllm & co #1",
      sort: "memory",
      direction: "ascending",
      grouped: false,
      all: false,
    },
    { page: "overview", search: "", sort: "name", direction: "descending", grouped: true, all: true },
    { page: "container", name: "chat", range: "1h" },
    { page: "container", name: "a/b?c=<img src=x>&range=7d", range: "15d" },
  ];

  it.each(views)("holds the view %j", (view) => {
    expect(viewOf(hashOf(view))).toEqual(view);
  });

  it.each(["", "#", "#/", "#/?sort=price&q=", "#/nowhere", "#javascript:alert(1)"])(
    "opens the first screen for %j",
    (hash) => {
      expect(viewOf(hash)).toEqual(OVERVIEW_VIEW);
    },
  );

  it("opens the last hour for a range that is none", () => {
    for (const range of ["99y", "toString", "constructor"])
      expect(viewOf(`#/container/chat?range=${range}`)).toMatchObject({ name: "chat", range: "1h" });
    expect(viewOf("#/container/%E0%A4%A")).toMatchObject({ name: "%E0%A4%A" });
  });
});
