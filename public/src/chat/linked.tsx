/** Addresses in plain text as links. */

import type { ReactNode } from "react";

const ADDRESS = /\b(?:https?:\/\/|www\.)[^\s<>"'`]{1,2000}/gi;
/** Punctuation at the end belongs to the sentence. */
const TRAILING = /[.,;:!?)\]}…]+$/;

export function linked(text: string): ReactNode[] {
  const out: ReactNode[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(TRAILING, "");
    const href = /^www\./i.test(address) ? `https://${address}` : address;
    if (!URL.canParse(href)) continue;
    out.push(
      text.slice(from, match.index),
      <a key={match.index} href={href} target="_blank" rel="noopener noreferrer nofollow" className="text-accent underline underline-offset-3 [overflow-wrap:anywhere]">
        {address}
      </a>,
    );
    from = match.index + address.length;
  }
  out.push(text.slice(from));
  return out;
}
