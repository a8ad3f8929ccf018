// The Pulumi program: `main` of package.json, by which Pulumi's language host finds it.
module.exports = require("./bundle.cjs").load("index.ts");
