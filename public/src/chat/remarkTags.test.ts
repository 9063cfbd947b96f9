import { describe, expect, it } from "vitest";
import { remarkTags } from "./remarkTags";

const html = (value: string) => ({ type: "html", value });
const text = (value: string) => ({ type: "paragraph", children: [{ type: "text", value }] });

/** Names of the elements and their texts, as one line. */
function shown(...children: object[]): string {
  const tree = { type: "root", children };
  remarkTags()(tree as never);
  const draw = (node: { type: string; value?: string; children?: never[]; data?: { hName: string } }): string => {
    const inner = (node.children ?? []).map(draw).join("");
    return node.type === "text" || node.type === "html" ? (node.value ?? "") : `<${node.data?.hName ?? node.type}>${inner}`;
  };
  return tree.children.map((child) => draw(child as never)).join(" ");
}

describe("tags in a text", () => {
  it("fold what stands between them, also within each other", () => {
    expect(shown(html("<details><summary>A</summary>"), text("a"), html("<details>"), text("b"), html("</details>"), html("</details>"), text("c"))).toBe(
      "<details><summary>A<paragraph>a<details><paragraph>b <paragraph>c",
    );
  });

  it("fold what stands in one piece, and show what follows it", () => {
    expect(shown(html("<details>\n<summary>A</summary>\na\n</details>\nb"))).toBe("<details><summary>A<paragraph>a <paragraph>b");
  });

  it("fold to the end while the end has not come", () => {
    expect(shown(html("<details open><summary>A</summary>\n"), text("a"))).toBe("<details><summary>A<paragraph>a");
  });

  it("end in time, however many there are", () => {
    expect(shown(html("<details>".repeat(50_000)))).toBe("<details>");
    expect(shown(html("<details></details>".repeat(50_000)))).toBe("<details>");
  });
});
