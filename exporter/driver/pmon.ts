/** How busy processes keep GPUs. */
export interface ProcessUtilization {
  /** Indexes of the GPUs for which the driver reports it. */
  gpus: Set<string>;
  /** The share of a GPU's multiprocessors that a process kept busy, from 0 to 1, by "index pid". */
  ratios: Map<string, number>;
}

/**
 * Parses the output of `nvidia-smi pmon -c 1 -s u`. Its columns differ between drivers, so the header identifies them. A
 * process that did nothing has a dash. On MIG and WSL, pmon reports nothing.
 */
export function parsePmon(output: string): ProcessUtilization {
  const [gpus, ratios] = [new Set<string>(), new Map<string, number>()];
  const lines = output.split("\n").map((line) => line.trim().split(/\s+/));
  const header = lines.find((words) => words[0] === "#" && words.includes("pid"))?.slice(1) ?? [];
  const [gpuColumn = -1, pidColumn = -1, smColumn = -1] = ["gpu", "pid", "sm"].map((name) =>
    header.indexOf(name),
  );
  if (gpuColumn < 0 || pidColumn < 0 || smColumn < 0) return { gpus, ratios };
  for (const words of lines) {
    const [gpu = "", pid = "", sm = ""] = [words[gpuColumn], words[pidColumn], words[smColumn]];
    const ratio = sm === "-" ? 0 : Number(sm) / 100;
    if (!/^\d+$/.test(gpu) || !(ratio >= 0)) continue;
    gpus.add(gpu);
    if (!/^\d+$/.test(pid)) continue;
    // A process with a compute and a graphics context has a line for each, with the same number.
    const key = `${gpu} ${pid}`;
    ratios.set(key, Math.max(ratios.get(key) ?? 0, ratio));
  }
  return { gpus, ratios };
}
