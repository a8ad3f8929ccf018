import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { kept } from "../lib/kept.cjs";
import { parseRunbooks } from "./runbooks";

/** The page's files by name: `index.html`, and those that it loads. The names of these change with their content. */
export type PageFiles = Record<string, string>;

const RUNBOOKS = "docs/runbooks.md";
const ICON = "dashboard/icon.svg";

/**
 * Bundles the page. The program and its commands run in the project's folder, so paths start there: this module itself may be part
 * of a bundle elsewhere.
 */
export function pageFiles(): PageFiles {
  const file = kept(process.cwd(), "page.json", () => ({
    options: {
      entryPoints: ["dashboard/main.tsx"],
      outdir: "page",
      minify: true,
      format: "esm",
      target: ["chrome111", "firefox113", "safari16.4"],
      jsx: "automatic",
      jsxImportSource: "preact",
      legalComments: "none",
      define: { RUNBOOKS: JSON.stringify(parseRunbooks(read(RUNBOOKS))) },
    },
    sources: [RUNBOOKS, ICON, "dashboard/bundle.ts", "dashboard/runbooks.ts"],
    text: (outputs) => {
      const text = (extension: string) => outputs.find(({ path }) => path.endsWith(extension))?.text ?? "";
      return JSON.stringify(withDocument(text(".js"), text(".css")));
    },
  }));
  return JSON.parse(readFileSync(file, "utf8")) as PageFiles;
}

function withDocument(code: string, css: string): PageFiles {
  const [script, style] = [named(code, "js"), named(css, "css")];
  const icon = named(read(ICON), "svg");
  return {
    [script.name]: script.content,
    [style.name]: style.content,
    [icon.name]: icon.content,
    "index.html": html(script.name, style.name, icon.name),
  };
}

const read = (file: string) => readFileSync(path.resolve(file), "utf8");

/** Identifies the content of the page. */
export const pageVersion = (files: PageFiles): string => hash(files["index.html"] ?? "");

const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 12);

const named = (content: string, extension: string) => ({
  name: `page-${hash(content)}.${extension}`,
  content,
});

const html = (script: string, style: string, icon: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Containers</title>
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript. Prometheus's own page is <a href="query">/query</a>.</noscript>
</body>
</html>
`;
