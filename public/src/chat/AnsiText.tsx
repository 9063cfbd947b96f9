/** Terminal output in its colours. */

import { memo } from "react";
import { readAnsi, type Run } from "./ansi";

export const AnsiText = memo(function AnsiText({ text }: { text: string }) {
  return readAnsi(text).map(draw);
});

function draw({ text, look, href }: Run, index: number) {
  if (href) {
    return (
      <a key={index} href={href} title={href} target="_blank" rel="noopener noreferrer nofollow" className={`underline underline-offset-3 ${look}`}>
        {text}
      </a>
    );
  }
  return look ? (
    <span key={index} className={look}>
      {text}
    </span>
  ) : (
    text
  );
}
