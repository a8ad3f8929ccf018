import { THROTTLE_FAULTS } from "../../prometheus/queries";
import { bytes } from "../format";
import type { Gpu, MemoryPart } from "../gpus";
import { last } from "../tagged";
import { Badge, Cell, ContainerLink, Of, Section, Table, Text, Trend, Unknown } from "./parts";

const COLUMNS = {
  gpu: { title: "GPU" },
  use: { title: "Use" },
  memory: { title: "Memory by container", className: "memory" },
  power: { title: "Power", className: "wide" },
  temperature: { title: "Temperature", className: "wide" },
  state: { title: "State" },
} as const;

/** The GPUs, and which container uses how much of the memory of each. */
export const Gpus = ({ gpus, missing }: { gpus: readonly Gpu[]; missing: string }) => (
  <Section id="gpus" title="GPUs">
    {gpus.length === 0 ? (
      <p class="calm">
        <Text>{missing}</Text>
      </p>
    ) : (
      <Table columns={Object.values(COLUMNS)}>
        {gpus.map((gpu) => (
          <tr key={gpu.uuid} role="row">
            <th role="rowheader" scope="row" class="name">
              {gpu.gpu} <span class="image">{gpu.model}</span>
            </th>
            <Cell column={COLUMNS.use}>
              <Trend series={gpu.use} unit="ratio" max={1} />
            </Cell>
            <Cell column={COLUMNS.memory}>
              <MemoryBar gpu={gpu} />
            </Cell>
            <Cell column={COLUMNS.power}>
              <Trend series={gpu.power} unit="watts" max={gpu.powerLimit}>
                <Of value={gpu.powerLimit} unit="watts" />
              </Trend>
            </Cell>
            <Cell column={COLUMNS.temperature}>
              <Trend series={gpu.temperature} unit="celsius" max={100} />
            </Cell>
            <Cell column={COLUMNS.state}>
              <GpuState gpu={gpu} />
            </Cell>
          </tr>
        ))}
      </Table>
    )}
  </Section>
);

/** One bar, whose parts are what uses the memory, and the same in words. */
function MemoryBar({ gpu: { parts, memory, memoryTotal } }: { gpu: Gpu }) {
  const used = last(memory);
  if (used === undefined || memoryTotal === undefined) return <Unknown />;
  return (
    <>
      <div class="number">
        {bytes(used)} <span class="quiet">of {bytes(memoryTotal)}</span>
      </div>
      <div class="stack" aria-hidden="true">
        {parts.map((part, at) => (
          <div
            key={keyOf(part)}
            style={{
              width: `${((100 * part.bytes) / memoryTotal).toFixed(2)}%`,
              background: colorOf(part, at),
            }}
          />
        ))}
      </div>
      <ul class="legend">
        {parts.map((part, at) => (
          <li key={keyOf(part)}>
            <span class="swatch" style={{ background: colorOf(part, at) }} aria-hidden="true" />
            {part.container ? <ContainerLink name={part.container.name} /> : part.label}{" "}
            <span class="number">{bytes(part.bytes)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

const keyOf = ({ container, label }: MemoryPart) => container?.id ?? label;

/** The number of colors of containers. */
const COLORS = 8;
const colorOf = ({ container }: MemoryPart, at: number) =>
  `var(--color-${container ? at % COLORS : "other"})`;

const GpuState = ({ gpu: { responds, throttling, idle } }: { gpu: Gpu }) => (
  <div class="state">
    {responds ? null : <Badge kind="critical">does not respond</Badge>}
    {throttling.map((reason) => (
      <Badge
        key={reason}
        kind={THROTTLE_FAULTS.includes(reason) ? "warning" : "plain"}
        title="the driver's reason for lower clocks"
      >
        {reason.replaceAll("_", " ")}
      </Badge>
    ))}
    {idle.map(({ id, name }) => (
      <span key={id}>
        <Badge kind="info" title="allocated, and not used in the last hour">
          idle
        </Badge>{" "}
        <ContainerLink name={name} />
      </span>
    ))}
  </div>
);
