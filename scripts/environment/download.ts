const SECONDS = 5;

/** Whether a URL can be downloaded from here; a host that does not answer is given up after 5 s. */
export async function reachable(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(SECONDS * 1000) })).ok;
  } catch {
    return false;
  }
}
