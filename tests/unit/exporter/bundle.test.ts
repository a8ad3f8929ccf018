import { exporterBundle } from "../../../exporter/bundle";

/** The machine of an ELF file, from its header. Source: elf.h, EM_X86_64 and EM_AARCH64. */
const MACHINES: Record<string, number> = { x64: 62, arm64: 183 };

describe("The exporter's program", () => {
  it.each(Object.entries(MACHINES))(
    "has the native part for hosts with %s, also where the machine that deploys it has another architecture",
    (arch, machine) => {
      const native = exporterBundle().files[`build/koffi/linux_${arch}/koffi.node`];
      expect(native?.toString("latin1", 0, 4)).toBe("\x7fELF");
      expect(native?.readUInt16LE(18)).toBe(machine);
    },
  );

  it("has a folder of its own for each content", () => {
    const { folder, files } = exporterBundle();
    expect(folder).toMatch(/^exporter-[0-9a-f]{12}$/);
    expect(exporterBundle().folder).toBe(folder);
    expect(Object.keys(files)).toHaveLength(3);
  });
});
