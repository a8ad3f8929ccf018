import { cut, cutStart, MAX_LABEL_LENGTH } from "../../../lib/labels";

describe("Label values", () => {
  const id = "0123456789abcdef".repeat(4);

  it("keep their beginning, and ids keep their end, where the container's digits are", () => {
    expect(cut("a".repeat(199) + "bcd")).toBe(`${"a".repeat(199)}b`);
    expect(cutStart(`/kubelet${"/pod".repeat(60)}/docker-${id}.scope`)).toMatch(
      new RegExp(`^.{${MAX_LABEL_LENGTH - 78}}/docker-${id}\\.scope$`),
    );
  });

  it("of up to 200 characters are kept", () => {
    for (const value of ["", "a", "a".repeat(200), "😀".repeat(200)])
      expect([cut(value), cutStart(value)]).toEqual([value, value]);
  });

  it("are cut between characters, so that they stay valid UTF-8", () => {
    for (const value of [`a${"😀".repeat(300)}`, `${"😀".repeat(300)}a`])
      for (const part of [cut(value), cutStart(value)]) {
        expect(Array.from(part)).toHaveLength(200);
        expect(Buffer.from(part).toString()).toBe(part);
      }
  });
});
