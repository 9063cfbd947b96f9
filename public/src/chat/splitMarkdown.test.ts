import { describe, expect, it } from "vitest";
import { splitMarkdown } from "./splitMarkdown";

describe("splitting Markdown", () => {
  it("cuts at blank lines", () => {
    expect(splitMarkdown("one\n\n**two**\n\n# three")).toEqual(["one\n", "**two**\n", "# three"]);
  });

  it("cuts nothing within a fence, however many blank lines it has", () => {
    const code = "```js\na\n\nb\n\n~~~\n\nc\n```";
    expect(splitMarkdown(`${code}\n\nafter`)).toEqual([`${code}\n`, "after"]);
  });

  it("keeps lists, quotations, tables and indented text together", () => {
    for (const text of ["- a\n\n- b", "1. a\n\n2. b", "- a\n\n  still a", "> a\n\n> b", "| a |\n|---|\n\n| b |"]) {
      expect(splitMarkdown(text)).toEqual([text]);
    }
  });

  it("reads a text with references as one", () => {
    expect(splitMarkdown("see [here]\n\nand\n\n[here]: https://example.com")).toHaveLength(1);
  });

  it("loses nothing", () => {
    const text = "a\n\n\n\nb\n\n```\nc\n";
    expect(splitMarkdown(text).join("\n")).toBe(text);
  });
});
