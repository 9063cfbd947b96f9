/** The icons: strokes on a 24 × 24 grid, in the colour of the text. */

const PATHS = {
  back: "M14.5 5.5 8 12l6.5 6.5",
  forward: "M9.5 5.5 16 12l-6.5 6.5",
  down: "M5.5 9.5 12 16l6.5-6.5",
  up: "M5.5 14.5 12 8l6.5 6.5",
  arrowDown: "M12 4.5v15M5.5 13l6.5 6.5 6.5-6.5",
  send: "M12 19.5v-15M5.5 11 12 4.5l6.5 6.5",
  stop: "M7.5 7.5h9v9h-9z",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  sidebar: "M4 5.5h16v13H4zM9.5 5.5v13",
  more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
  search: "M10.75 17.5a6.75 6.75 0 1 0 0-13.5 6.75 6.75 0 0 0 0 13.5zM20 20l-4.4-4.4",
  settings: "M4 7.5h9M17.5 7.5H20M4 16.5h2.5M11 16.5h9M15.25 9.75a2.25 2.25 0 1 0 0-4.5 2.25 2.25 0 0 0 0 4.5zM8.75 18.75a2.25 2.25 0 1 0 0-4.5 2.25 2.25 0 0 0 0 4.5z",
  help: "M9 9.2a3 3 0 1 1 4.6 2.5c-1 .7-1.6 1.3-1.6 2.5M12 17.4h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  copy: "M9 9h10.5v10.5H9zM15 5.5V4.5H4.5V15h1",
  dictate: "M8 4a2.5 2.5 0 0 0-2.5 2.5v4a2.5 2.5 0 0 0 5 0v-4A2.5 2.5 0 0 0 8 4zM3.5 10.5a4.5 4.5 0 0 0 9 0M8 15v4.5M15.500 8H21M15.500 12.500H21M13 17h8",
  quote: "M4.5 6.5h5.500V12c0 3-1.500 4.800-4.500 5.500M14 6.5h5.500V12c0 3-1.500 4.800-4.500 5.500",
  check: "M5 12.5l4.5 4.5L19 7.5",
  checks: "M2.5 12.5l4 4 8-9M11 15.5l1 1 8.5-9",
  circle: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17z",
  clock: "M12 7v5l3.2 2M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17z",
  alert: "M12 8.5v4.5M12 16.4h.01M10.3 4.4 2.9 17.2a2 2 0 0 0 1.7 3h14.8a2 2 0 0 0 1.7-3L13.7 4.4a2 2 0 0 0-3.4 0z",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 10.5v5.5M14 10.5v5.5",
  pencil: "M4.5 19.5l1-4L16.2 4.8l3 3L8.5 18.5z",
  pin: "M9 4.5h6l-1 6 3 3.5H7l3-3.5zM12 14v6",
  terminal: "M5.5 7.5 10 12l-4.5 4.5M12 17h6.5",
  spark: "M12 3.5l2 6.5 6.5 2-6.5 2-2 6.5-2-6.5-6.5-2 6.5-2z",
  agent: "M5 9.5A2.5 2.5 0 0 1 7.5 7h9A2.5 2.5 0 0 1 19 9.5v7a2.5 2.5 0 0 1-2.5 2.5h-9A2.5 2.5 0 0 1 5 16.5zM12 7V4M9.250 12.250v1.5M14.750 12.250v1.5M2.5 12v2.5M21.5 12v2.5",
  folder: "M3.5 7a1.5 1.5 0 0 1 1.5-1.5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9.5v8A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.5-1.5z",
  branch: "M7 8.5v7M7 15.5a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM7 4.5a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM17 4.5a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM17 8.5c0 4-4 4.5-7 5",
  qr: "M4.5 4.5h5v5h-5zM14.5 4.5h5v5h-5zM4.5 14.5h5v5h-5zM14.5 14.5h1.5v1.5M19.5 14.5v5h-5v-1M17.5 17h.01",
  link: "M10 14a4 4 0 0 0 6 .4l2.8-2.8a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.4L5.2 12.4a4 4 0 0 0 5.7 5.7L12 17",
  desk: "M4 5.5h16v10.5H4zM9 19.5h6M12 16v3.5",
  offline: "M4 4l16 16M8.5 8.7A10 10 0 0 0 4 11.5M12 8a11 11 0 0 1 8 3.5M7 15a7 7 0 0 1 4.5-2M12 18.5h.01",
  refresh: "M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4.5V9H15",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 14.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6z",
  wrap: "M4 6.5h16M4 12h12.5a3 3 0 0 1 0 6H12M14 15.5 11.5 18l2.5 2.5M4 18h3.5",
  thought: "M12 4a6 6 0 0 0-3.5 10.9c.6.5 1 1.2 1 2V17.5h5v-.6c0-.8.4-1.5 1-2A6 6 0 0 0 12 4zM10 20.5h4",
  wrench: "M14.5 6.5a4 4 0 0 0-5.2 5.2L4 17l3 3 5.3-5.3a4 4 0 0 0 5.2-5.2L15 12l-3-3z",
  phone: "M8 3.5h8A1.5 1.5 0 0 1 17.500 5v14a1.500 1.500 0 0 1-1.500 1.500H8A1.500 1.500 0 0 1 6.500 19V5A1.500 1.500 0 0 1 8 3.5zM11 17.500h2",
  watch: "M12 17a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM9.500 7.500 10 3.500h4l.5 4M9.500 16.500l.5 4h4l.5-4M12 9.500V12l1.500 1",
  bell: "M6.5 16.5V11a5.5 5.5 0 0 1 11 0v5.5l1.5 1.5H5zM10 20.5h4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20, className = "" }: { name: IconName; size?: number; className?: string }) {
  const wide = name === "more";
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill={name === "stop" ? "currentColor" : "none"}
      stroke="currentColor"
      strokeWidth={wide ? 2.6 : 1.7}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={`shrink-0 ${className}`}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Spinner({ size = 18 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" aria-hidden="true" className="animate-turn shrink-0">
      <circle cx="12" cy="12" r="8.5" stroke="currentColor" strokeWidth="2.4" opacity="0.2" />
      <path d="M20.5 12A8.5 8.5 0 0 0 12 3.5" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" />
    </svg>
  );
}
