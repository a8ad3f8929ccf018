/** The number of an IPv4 address. */
const numberOf = (address: string): number =>
  address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);

const bytesOf = (number: number): number[] =>
  [24, 16, 8, 0].map((bits) => Math.floor(number / 2 ** bits) % 256);

/** The first and the last number of a subnet, such as 172.18.0.0/16. */
function range(subnet: string): { first: number; last: number } {
  const [address = "", prefix = "32"] = subnet.split("/");
  const size = 2 ** (32 - Number(prefix));
  const first = Math.floor(numberOf(address) / size) * size;
  return { first, last: first + size - 1 };
}

/** The first address of a subnet, which Docker gives to the host. */
export const firstAddress = (subnet: string): string => bytesOf(range(subnet).first + 1).join(".");

/** A regular expression of RE2 for the addresses of a subnet, as they are usually written. */
export function subnetPattern(subnet: string): string {
  const { first, last } = range(subnet);
  const ends = bytesOf(last);
  return bytesOf(first)
    .map((start, n) => bytePattern(start, ends[n] ?? start))
    .join("\\.");
}

function bytePattern(start: number, end: number): string {
  if (start === 0 && end === 255) return "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  const bytes = Array.from({ length: end - start + 1 }, (_, n) => start + n);
  return `(?:${bytes.join("|")})`;
}
