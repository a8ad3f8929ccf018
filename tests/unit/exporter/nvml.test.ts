import koffi from "koffi";
import { CONSTANTS, RETURN, STRUCTS } from "../../../exporter/nvml/types";
import { run } from "../../../lib/run";
import { compileWithNvml } from "../../support/emulatedDriver/build";

const BUILD_MILLISECONDS = 600_000;

/** Every size, offset and value that the exporter relies on, by the C expression for it. */
function expected(): Record<string, number> {
  const structs = Object.entries(STRUCTS).flatMap(([name, type]) => [
    [`sizeof(${name})`, koffi.sizeof(type)],
    ...Object.values(koffi.introspect(type).members ?? {}).flatMap((member) => [
      [`offsetof(${name}, ${member.name})`, member.offset],
      [`sizeof(((${name} *)0)->${member.name})`, koffi.sizeof(member.type)],
    ]),
  ]);
  return Object.fromEntries([...structs, ...Object.entries({ ...RETURN, ...CONSTANTS })]) as Record<
    string,
    number
  >;
}

test(
  "every structure and constant is as a C compiler reads it in NVIDIA's nvml.h",
  async () => {
    const expressions = Object.keys(expected());
    expect(expressions.length).toBeGreaterThan(100);
    const lines = expressions.map((one) => `printf("%lld\\n", (long long)(${one}));`);
    const source = `#include <nvml.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n${lines.join("\n")}\n}\n`;
    const values = (await run(await compileWithNvml("nvml-values", source, []), [])).trim().split("\n");
    expect(Object.fromEntries(expressions.map((one, i) => [one, Number(values[i])]))).toEqual(expected());
  },
  BUILD_MILLISECONDS,
);
