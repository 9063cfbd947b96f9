/** What a device may do, one of four, each with what it means. */

import { useId } from "react";
import { SCOPES, type Scope } from "~/store/scope";
import { devices as text } from "~/text/devices";
import { Icon } from "~/ui/icons";

export function ScopeChoice({ value, onChange }: { value: Scope; onChange(scope: Scope): void }) {
  const id = useId();
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1.5 text-sm font-medium">{text.scope}</legend>
      <div className="grid gap-2">
        {SCOPES.map((scope) => (
          <label
            key={scope}
            className="flex min-h-14 cursor-pointer items-center gap-3 rounded-xl border border-line bg-surface px-3.5 py-2 has-checked:border-accent has-checked:bg-accent-soft has-focus-visible:outline-2 has-focus-visible:outline-accent"
          >
            <input type="radio" name={id} className="sr-only" checked={scope === value} onChange={() => onChange(scope)} />
            <Icon name={scope === value ? "check" : "circle"} size={18} className={scope === value ? "text-accent" : "text-muted"} />
            <span className="min-w-0 flex-1">
              <span className="block font-medium">{text.scopes[scope]}</span>
              <span className="block text-sm text-muted">{text.scopeHints[scope]}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
