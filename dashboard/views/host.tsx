import { bytes, format } from "../format";
import type { Host } from "../overview";
import { Section, Trend } from "./parts";

/** The Docker host. */
export const HostSection = ({ host }: { host: Host }) => (
  <Section id="host" title={host.name ? `Host ${host.name}` : "Host"}>
    <dl class="facts">
      {host.cpu ? (
        <div>
          <dt>CPU</dt>
          <dd>
            <Trend series={host.cpu} unit="ratio" max={1}>
              {host.cores === undefined ? null : <span class="quiet"> of {format(host.cores, "cores")}</span>}
            </Trend>
          </dd>
        </div>
      ) : null}
      {host.memory ? (
        <div>
          <dt>Memory</dt>
          <dd>
            <Trend series={host.memory} unit="ratio" max={1}>
              {host.memoryTotal === undefined ? null : (
                <span class="quiet"> of {bytes(host.memoryTotal)}</span>
              )}
            </Trend>
          </dd>
        </div>
      ) : null}
      {host.disks.map(({ mountpoint, used }) => (
        <div key={mountpoint}>
          <dt>Disk {mountpoint}</dt>
          <dd>
            <Trend series={used} unit="ratio" max={1} />
          </dd>
        </div>
      ))}
      <div>
        <dt>CPU used by containers</dt>
        <dd>
          <Trend series={host.containersCpu} unit="cores" max={host.cores}>
            {host.cores === undefined ? null : <span class="quiet"> of {format(host.cores, "cores")}</span>}
          </Trend>
        </dd>
      </div>
      <div>
        <dt>Memory used by containers</dt>
        <dd>
          <Trend series={host.containersMemory} unit="bytes" max={host.memoryTotal}>
            {host.memoryTotal === undefined ? null : <span class="quiet"> of {bytes(host.memoryTotal)}</span>}
          </Trend>
        </dd>
      </div>
    </dl>
  </Section>
);
