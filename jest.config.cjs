/** Packages that are ES modules, which Jest has to translate. */
const MODULES = ["execa", "p-retry", "p-timeout"];

/** Those packages with everything that they depend on. */
function withDependencies(names, found = new Set()) {
  for (const name of names.filter((name) => !found.has(name))) {
    found.add(name);
    withDependencies(Object.keys(require(`./node_modules/${name}/package.json`).dependencies ?? {}), found);
  }
  return [...found];
}

const common = {
  transform: { "\\.[jt]s$": "@swc/jest" },
  transformIgnorePatterns: [`/node_modules/(?!(${withDependencies(MODULES).join("|")})/)`],
  // Its "exports" have no file for require().
  moduleNameMapper: { "^unicorn-magic$": "<rootDir>/node_modules/unicorn-magic/node.js" },
};

/** Integration tests whose subject does not depend on the Docker engine run on one engine. All others run on both. */
const ON_ENGINE_20_10 = ["alerts", "gatewayAttacks", "gatewayTls", "hosts", "policies", "scrapeJobs"];
const ON_ENGINE_29 = ["configuration", "environments", "firstHour", "plainPulumi"];

const project = (displayName, folder, ignored = []) => ({
  ...common,
  displayName,
  testMatch: [`<rootDir>/tests/${folder}/**/*.test.ts`],
  testPathIgnorePatterns: ["/node_modules/", ...ignored.map((name) => `/${folder}/${name}\\.test\\.ts$`)],
});

/**
 * The last four need a Docker daemon of their own, which tests/run.ts starts.
 *
 * @type {import("jest").Config}
 */
module.exports = {
  projects: [
    project("unit", "unit"),
    project("rules", "rules"),
    project("page", "page"),
    project("integration:20.10", "integration", ON_ENGINE_29),
    project("integration:29", "integration", ON_ENGINE_20_10),
    project("faults", "faults"),
    project("soak", "soak"),
  ],
};
