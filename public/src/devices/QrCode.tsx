/** A text as a QR code: dark on light in every theme, since many cameras read no other. */

import { useMemo } from "react";
import { encode } from "uqr";

export function QrCode({ text, label }: { text: string; label: string }) {
  const { size, path } = useMemo(() => drawn(text), [text]);
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${size} ${size}`} shapeRendering="crispEdges" className="mx-auto block w-full max-w-64 rounded-xl bg-white">
      <path d={path} fill="#000" />
    </svg>
  );
}

/** One rectangle per run of dark modules. */
function drawn(text: string): { size: number; path: string } {
  const { data, size } = encode(text, { ecc: "L", border: 3 });
  const runs = data.flatMap((row, y) => {
    const line = row.map((dark) => (dark ? "1" : "0")).join("");
    return [...line.matchAll(/1+/g)].map(({ index, 0: run }) => `M${index} ${y}h${run.length}v1h-${run.length}z`);
  });
  return { size, path: runs.join("") };
}
