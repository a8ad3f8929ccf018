/** An error of a scrape, which goes on without what failed. */
export interface ScrapeError {
  stage: "driver" | "docker" | "processes" | "allocation";
  reason: string;
  message: string;
}

/** Logs an error when it first occurs and when it no longer occurs, not at every scrape in between. */
export class ErrorLog {
  private active = new Set<string>();

  constructor(private readonly log: (line: string) => void) {}

  /** @param errors of the newest scrape */
  update(errors: ScrapeError[]): void {
    const current = new Set(errors.map(({ stage, message }) => `${stage}: ${message}`));
    for (const line of current) if (!this.active.has(line)) this.log(line);
    for (const line of this.active) if (!current.has(line)) this.log(`resolved: ${line}`);
    this.active = current;
  }
}
