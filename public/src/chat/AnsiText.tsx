/** Terminal output in its colours. */

import { memo } from "react";
import { readAnsi } from "./ansi";

export const AnsiText = memo(function AnsiText({ text }: { text: string }) {
  return readAnsi(text).map((run, index) =>
    run.look ? (
      <span key={index} className={run.look}>
        {run.text}
      </span>
    ) : (
      run.text
    ),
  );
});
