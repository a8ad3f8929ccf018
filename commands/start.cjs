// `node commands/start.cjs NAME` runs a deploy step of this folder.
require("../lib/bundle.cjs").load(`commands/${process.argv[2]}.ts`);
