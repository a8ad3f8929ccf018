import type { Host } from "../overview";
import { Fact, Of, Section, Trend } from "./parts";

/** The Docker host. */
export const HostSection = ({
  host: { name, cpu, memory, disks, cores, memoryTotal, containersCpu, containersMemory },
}: {
  host: Host;
}) => (
  <Section id="host" title={name ? `Host ${name}` : "Host"}>
    <dl class="facts">
      {cpu ? (
        <Fact title="CPU">
          <Trend series={cpu} unit="ratio" max={1}>
            <Of value={cores} unit="cores" />
          </Trend>
        </Fact>
      ) : null}
      {memory ? (
        <Fact title="Memory">
          <Trend series={memory} unit="ratio" max={1}>
            <Of value={memoryTotal} unit="bytes" />
          </Trend>
        </Fact>
      ) : null}
      {disks.map(({ mountpoint, used }) => (
        <Fact key={mountpoint} title={`Disk ${mountpoint}`}>
          <Trend series={used} unit="ratio" max={1} />
        </Fact>
      ))}
      <Fact title="CPU used by containers">
        <Trend series={containersCpu} unit="cores" max={cores}>
          <Of value={cores} unit="cores" />
        </Trend>
      </Fact>
      <Fact title="Memory used by containers">
        <Trend series={containersMemory} unit="bytes" max={memoryTotal}>
          <Of value={memoryTotal} unit="bytes" />
        </Trend>
      </Fact>
    </dl>
  </Section>
);
