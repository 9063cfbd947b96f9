import { describe, expect, it } from "vitest";
import { inDollars, mayHoldFormulas } from "./formulas";

describe("formulas", () => {
  it("in backslashes become ones in dollars, within a paragraph", () => {
    expect(inDollars("so \\(a_1\\) and\n\\[\nb\n= c\n\\]\nend")).toBe("so $$$a_1$$$ and\n$$b = c$$\nend");
    expect(inDollars("\\[\na \\\\[2pt] \\left(b\\right)\n\\]")).toBe("$$a \\\\[2pt] \\left(b\\right)$$");
    for (const text of ["\\(a\n\nb\\)", "\\( \\)", "\\(costs 5$\\)"]) expect(inDollars(text)).toBe(text);
  });

  it("are none in code, in other formulas and behind an escaped backslash", () => {
    for (const text of ["array\\[0\\] and \\[1\\]", "`\\(a\\)`", "```\n\\(a\\)\n```", "$$ a \\\\[2pt] b \\] $$", "\\\\(a\\)", "``\\(a\\) ` ``"]) expect(inDollars(text)).toBe(text);
  });

  it("are not looked for where there is but money", () => {
    expect(mayHoldFormulas("It costs $5, or $6 in $HOME")).toBe(false);
    expect(mayHoldFormulas("$$x$$")).toBe(true);
  });

  it("take bounded work", () => {
    for (const hostile of ["\\(", "`", "``a", "\\[a\n", "$$a", "```", "~~~\n"]) expect(inDollars(hostile.repeat(100_000 / hostile.length)).length).toBeGreaterThan(0);
  });
});
