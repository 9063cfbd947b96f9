/** The notations of formulas in Markdown, as one. */

/** Whether a text may hold formulas: `$$…$$`, `\(…\)` or, with lines of its own, `\[…\]`. A single `$` is money, or a shell's variable. */
export const mayHoldFormulas = (text: string): boolean => text.length <= LONGEST && /\$\$|\\\(|^[ \t]*\\\[/m.test(text);

/** Characters of a piece of Markdown that is looked through. */
const LONGEST = 100_000;
/** Left as they are: fences, code, formulas in dollars, an escaped backslash. */
const LEFT = /```[\s\S]*?(?:```|(?![\s\S]))|~~~[\s\S]*?(?:~~~|(?![\s\S]))|(`{1,20})[\s\S]*?\1|\$\$[\s\S]*?\$\$|\\\\/;
/** Within one paragraph, and up to the next of its kind. */
const INNER = String.raw`((?:[^\\\n]|\\\\|\\(?![\\()[\]])|\n(?!\s*\n))+?)`;
const OTHERS = new RegExp(String.raw`${LEFT.source}|\\\(${INNER}\\\)|(?<=^[ \t]*)\\\[${INNER}\\\](?=[ \t.,;]*$)`, "gm");

/** `\(x\)` becomes `$$$x$$$` and `\[x\]` becomes `$$x$$`; Markdown would take the backslashes away. */
export function inDollars(text: string): string {
  return text.replace(OTHERS, (whole: string, _fence: unknown, inline?: string, display?: string) => {
    const formula = (inline ?? display)?.replace(/\s+/g, " ").trim();
    if (!formula || formula.includes("$")) return whole;
    const around = inline === undefined ? ALONE : IN_LINE;
    return around + formula + around;
  });
}

/** Around a formula with a line of its own, and around one that stands in a line of text. */
const ALONE = "$$";
export const IN_LINE = "$$$";
