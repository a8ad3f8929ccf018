import pulumi from "@pulumi/eslint-plugin";
import { createNodeResolver, importX } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** The folders that the files of each folder import from, besides their own. CONTRIBUTING.md explains the direction. */
const IMPORTS = {
  lib: [],
  settings: ["lib"],
  prometheus: ["settings", "lib"],
  caddy: ["settings", "lib"],
  alertmanager: ["settings", "lib"],
  host: ["prometheus", "settings", "lib"],
  exporter: ["prometheus", "lib"],
  dashboard: ["prometheus", "lib"],
  grafana: ["prometheus", "lib"],
  probes: ["host", "exporter", "prometheus", "settings", "lib"],
  components: [
    "probes",
    "exporter",
    "dashboard",
    "grafana",
    "caddy",
    "alertmanager",
    "prometheus",
    "host",
    "settings",
    "lib",
  ],
  commands: ["probes", "exporter", "dashboard", "grafana", "prometheus", "host", "settings", "lib"],
  policy: ["lib"],
  airgap: ["lib"],
  cli: ["airgap", "commands", "components", "host", "prometheus", "settings", "lib"],
};

/** Every folder of the project with code; index.ts, tests and benchmarks may import from all. */
const FOLDERS = [...Object.keys(IMPORTS), "tests", "benchmarks", "examples"];

const zones = Object.entries(IMPORTS).map(([target, allowed]) => ({
  target: `./${target}`,
  from: FOLDERS.filter((folder) => folder !== target && !allowed.includes(folder)).map(
    (folder) => `./${folder}`,
  ),
  message: `${target}/ imports only from ${[...allowed, "its own files"].join(", ")}.`,
}));
const onlyCli = {
  target: "./index.ts",
  from: ["./airgap", "./cli", "./tests"],
  message: "The program imports no tools.",
};

export default tseslint.config(
  { ignores: ["node_modules/", "**/*.mjs", "**/*.cjs"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { "@pulumi": pulumi, "import-x": importX },
    settings: { "import-x/resolver-next": [createNodeResolver({ extensions: [".ts", ".tsx", ".json"] })] },
    rules: {
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "import-x/no-cycle": "error",
      "import-x/no-restricted-paths": ["error", { zones: [...zones, onlyCli] }],
    },
  },
);
