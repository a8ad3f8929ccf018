/** A device in the list of `nvidia-smi -L`. */
export interface ListedDevice {
  /** Its index: "3", or for a MIG device "3:0". */
  gpu: string;
  uuid: string;
  model: string;
}

/** Parses the output of `nvidia-smi -L`. Lines that describe no device are skipped. */
export function parseList(output: string): ListedDevice[] {
  let parent = { index: "", model: "" };
  return output.split("\n").flatMap((line) => {
    const gpu = /^GPU (\d+): (.+?) \(UUID: (GPU-[^)\s]+)\)/.exec(line);
    if (gpu) {
      const [, index = "", model = "", uuid = ""] = gpu;
      parent = { index, model };
      return { gpu: index, uuid, model };
    }
    const mig = /^\s+(MIG \S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)\s]+)\)/.exec(line);
    if (!mig) return [];
    const [, profile = "", index = "", uuid = ""] = mig;
    return { gpu: `${parent.index}:${index}`, uuid, model: `${parent.model} ${profile}` };
  });
}
