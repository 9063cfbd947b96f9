/** Files dropped anywhere beside a conversation. Returns whether some are held over the page now. */

import { useEffect, useRef, useState } from "react";

export function useFileDrop(take: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const end = new AbortController();
    const options = { capture: true, signal: end.signal };
    const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true && !document.querySelector("dialog[open]");
    const drag = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      event.dataTransfer!.dropEffect = "copy";
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent): void => {
      setOver(false);
      if (!holdsFiles(event)) return;
      event.preventDefault();
      latest.current([...event.dataTransfer!.files]);
    };
    window.addEventListener("dragover", drag, options);
    window.addEventListener("dragleave", leave, options);
    window.addEventListener("drop", drop, options);
    return () => end.abort();
  }, []);
  return over;
}
