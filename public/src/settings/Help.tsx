/** The help sheet: every shortcut. */

import { useClient } from "~/app/client";
import { common } from "~/text/common";
import { help as text } from "~/text/settings";
import { Dialog } from "~/ui/Dialog";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const MOD = MAC ? "⌘" : "Ctrl";
const ALT = MAC ? "⌥" : "Alt";

type Line = [keyof typeof text.keys, string[]];

const GROUPS: [keyof typeof text.groups, Line[]][] = [
  [
    "anywhere",
    [
      ["help", ["?"]],
      ["filter", [MOD, "K"]],
      ["supervisor", [ALT, "S"]],
      ["newSession", [ALT, "N"]],
      ["next", [ALT, "↓"]],
      ["previous", [ALT, "↑"]],
      ["settings", [ALT, ","]],
      ["sidebar", [ALT, "B"]],
      ["close", ["Esc"]],
    ],
  ],
  [
    "chat",
    [
      ["compose", ["/"]],
      ["send", ["Enter"]],
      ["line", ["Shift", "Enter"]],
      ["recall", ["↑"]],
      ["stop", ["Esc"]],
      ["search", [ALT, "F"]],
      ["latest", [ALT, "L"]],
    ],
  ],
  ["voice", [["record", [ALT, "R"]]]],
  ["terminal", [["find", [MOD, MAC ? "⇧" : "Shift", "F"]]]],
];

/** As the settings have it. */
function useGroups(): typeof GROUPS {
  const mod = useClient((state) => state.settings.sendWith === "mod-enter");
  if (!mod) return GROUPS;
  const own = ([name, keys]: Line): Line => [name, name === "send" ? [MOD, "Enter"] : name === "line" ? ["Enter"] : keys];
  return GROUPS.map(([group, lines]) => [group, lines.map(own)]);
}

export default function Help({ onClose }: { onClose(): void }) {
  const groups = useGroups();
  return (
    <Dialog title={text.title} onClose={onClose} wide reading>
      <p className="mb-4 text-muted">{MAC ? text.hintMac : text.hint}</p>
      <div className="grid gap-6 sm:grid-cols-2">
        {groups.map(([group, lines]) => (
          <section key={group}>
            <h3 className="mb-1 text-sm font-semibold">{text.groups[group]}</h3>
            <dl className="divide-y divide-line">
              {lines.map(([name, keys]) => (
                <div key={name} className="flex items-center justify-between gap-4 py-1.5">
                  <dt>{text.keys[name]}</dt>
                  <dd className="flex shrink-0 gap-1">
                    {keys.map((key) => (
                      <kbd key={key} className="min-w-7 rounded-md border border-line bg-sunken px-1.5 py-0.5 text-center font-mono text-xs">
                        {key}
                      </kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <span className="sr-only">{common.app}</span>
    </Dialog>
  );
}
