import { cadvisor, host, type AlertCases } from "./series";

/** A disk of 100 bytes, of which some are available. */
const disk = (available: string, free = available) => ({
  [host("node_filesystem_size_bytes", 'mountpoint="/data"')]: "100x2000",
  [host("node_filesystem_free_bytes", 'mountpoint="/data"')]: free,
  [host("node_filesystem_avail_bytes", 'mountpoint="/data"')]: available,
});
const inodes = (total: string, free: string) => ({
  [host("node_filesystem_files", 'mountpoint="/data"')]: total,
  [host("node_filesystem_files_free", 'mountpoint="/data"')]: free,
});
const hostMemory = (available: string) => ({
  [host("node_memory_MemTotal_bytes")]: "100x200",
  [host("node_memory_MemAvailable_bytes")]: available,
});
const load = (average: string) => ({
  [host("node_load15")]: average,
  [cadvisor("machine_cpu_cores")]: "4x200",
});

export const HOST_CASES = {
  HostDiskFillingUp: [
    {
      name: "after an hour at a rate by which the disk is full within a day",
      series: disk("23-0.008x400"),
      silent: ["58m"],
      fires: ["65m"],
    },
    {
      name: "about a disk that fills in bursts",
      series: disk(Array.from({ length: 20 }, (_, n) => `${30 - n}x39`).join(" ")),
      silent: ["50m"],
      fires: ["3h"],
    },
    { name: "about a disk that is full in a day and a half", series: disk("30-0.007x1000"), silent: ["6h"] },
    { name: "about a disk with much free space", series: disk("55-0.03x300"), silent: ["2h"] },
    {
      name: "about a disk that filled quickly, and slows down",
      series: disk("60-0.04x720 31-0.007x400"),
      silent: ["7h30m", "8h"],
    },
    {
      name: "about a disk that filled slowly, and is written to for more than an hour",
      series: disk("44-0.0075x960 36.8-0.017x240"),
      silent: ["9h30m", "9h40m"],
    },
    {
      name: "about a disk that is calm for hours, and then written to for more than an hour",
      series: disk("36x720 36-0.026x300 28x200"),
      silent: ["8h30m", "8h45m", "10h"],
    },
    {
      name: "about the same after a busy night",
      series: disk("80-0.05x720 36x720 36-0.026x200 31x60"),
      silent: ["13h30m", "13h45m"],
    },
    {
      name: "about a download of 25 minutes, though the disk filled quickly before",
      series: disk("80-0.054x720 41x80 41-0.16x50 33x300"),
      silent: ["7h30m", "7h45m", "7h50m", "8h"],
    },
  ],
  HostDiskNearlyFull: [
    { name: "above 95 % for five minutes", series: disk("20x20 4x100"), silent: ["14m30s"], fires: ["16m"] },
    {
      name: "where only root can still write",
      series: disk("20x20 0x100", "25x20 5x100"),
      silent: ["14m30s"],
      fires: ["16m"],
    },
    { name: "about a disk that is full to nine tenths", series: disk("10x100"), silent: ["30m"] },
    { name: "about a file that is deleted again", series: disk("20x20 4x8 20x100"), silent: ["14m", "20m"] },
  ],
  HostDiskInodesNearlyGone: [
    { name: "above 95 %", series: inodes("100x200", "20x20 4x100"), silent: ["14m30s"], fires: ["16m"] },
    { name: "about a tenth that is left", series: inodes("100x200", "10x100"), silent: ["30m"] },
    {
      name: "about a filesystem without a fixed number of inodes",
      series: inodes("0x200", "0x200"),
      silent: ["30m"],
    },
  ],
  HostMemoryNearlyGone: [
    { name: "above 95 %", series: hostMemory("20x20 4x100"), silent: ["14m30s"], fires: ["16m"] },
    {
      name: "where the page cache fills the memory",
      series: { ...hostMemory("8x100"), [host("node_memory_MemFree_bytes")]: "1x100" },
      silent: ["30m"],
    },
    { name: "about a process that ends", series: hostMemory("20x20 4x8 20x100"), silent: ["14m", "20m"] },
  ],
  HostMemoryPressure: [
    {
      name: "where processes wait in a tenth of the time, for ten minutes",
      series: { [host("node_pressure_memory_waiting_seconds_total")]: "0x20 0+4.5x100" },
      silent: ["23m"],
      fires: ["25m"],
    },
    {
      name: "below a tenth, and about other resources",
      series: {
        [host("node_pressure_memory_waiting_seconds_total")]: "0+2x200",
        [host("node_pressure_io_waiting_seconds_total")]: "0+25x200",
        [host("node_pressure_cpu_waiting_seconds_total")]: "0+25x200",
      },
      silent: ["40m"],
    },
    {
      name: "while a model is loaded",
      series: { [host("node_pressure_memory_waiting_seconds_total")]: "0x20 0+6x8 48x100" },
      silent: ["14m", "20m", "25m"],
    },
  ],
  HostHighLoad: [
    {
      name: "above two processes for each core",
      series: load("2x20 12x100"),
      silent: ["24m"],
      fires: ["26m"],
    },
    { name: "about a host whose cores are all busy", series: load("6x200"), silent: ["60m"] },
    { name: "about a peak", series: load("2x20 12x20 2x100"), silent: ["19m", "30m"] },
  ],
} satisfies AlertCases;
