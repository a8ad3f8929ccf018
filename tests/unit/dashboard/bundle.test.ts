import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { pageFiles, pageVersion } from "../../../dashboard/bundle";
import { forContainer, parseRunbooks } from "../../../dashboard/runbooks";
import { ALERT_NAMES } from "../../../settings";

describe("Files of the page", () => {
  const files = pageFiles();

  it("are at most 120 kB, compressed", () => {
    expect(gzipSync(Object.values(files).join("")).length).toBeLessThan(120_000);
  });

  it("are all named by the document, which has no inline script or style", () => {
    const { "index.html": html = "", ...others } = files;
    for (const name of Object.keys(others)) {
      expect(name).toMatch(/^page-[0-9a-f]{12}\.(js|css|svg)$/);
      expect(html).toContain(`"${name}"`);
    }
    expect(html).not.toMatch(/<style|style=|<script(?![^>]* src=)|\son\w+=|https?:/);
  });

  it("have a version that changes with their content", () => {
    expect(pageVersion({ ...files, "index.html": "other" })).not.toBe(pageVersion(files));
  });
});

describe("Runbooks of the page", () => {
  const runbooks = parseRunbooks(readFileSync("docs/runbooks.md", "utf8"));

  it("are those of all alerts, each with a query and what to do, in plain text", () => {
    expect(Object.keys(runbooks).sort()).toEqual([...ALERT_NAMES].sort());
    for (const { meaning, queries, action } of Object.values(runbooks)) {
      expect(queries.length).toBeGreaterThan(0);
      for (const text of [meaning, action]) expect(text).toMatch(/^\S.{20,}[.:)]$/);
      expect([meaning, ...queries, action].join(" ")).not.toMatch(/\]\(|\n/);
    }
  });

  it("have commands with the name of the alert's container, and no text that is not a name", () => {
    expect(forContainer("docker logs CONTAINER", "chat-1")).toBe("docker logs chat-1");
    for (const name of ["", "a; reboot", "$(reboot)", "-v"])
      expect(forContainer("docker logs CONTAINER", name)).toBe("docker logs CONTAINER");
  });
});
