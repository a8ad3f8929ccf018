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

/** @type {import("jest").Config} */
module.exports = {
  testMatch: ["<rootDir>/tests/**/*.test.ts"],
  transform: { "\\.[jt]s$": "@swc/jest" },
  transformIgnorePatterns: [`/node_modules/(?!(${withDependencies(MODULES).join("|")})/)`],
  // Its "exports" have no file for require().
  moduleNameMapper: { "^unicorn-magic$": "<rootDir>/node_modules/unicorn-magic/node.js" },
};
