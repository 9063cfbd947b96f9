/** In place of the composer on a device that may only look: that it may not write, and what was typed while it still might. */

import { useClient } from "~/app/client";
import { Unsent } from "~/chat/Unsent";
import { devices as text } from "~/text/devices";
import { Icon } from "~/ui/icons";

export default function ViewBar({ chatKey }: { chatKey: string }) {
  const known = useClient((state) => state.scope !== null);
  if (!known) return null;
  return (
    <div data-foot className="border-t border-line bg-bg px-4 pt-3 pb-[max(0.75rem,var(--safe-bottom))]">
      <p className="flex items-center justify-center gap-2 text-sm text-muted">
        <Icon name="eye" size={18} /> {text.viewOnly}
      </p>
      <div className="mx-auto w-full max-w-3xl">
        <Unsent chatKey={chatKey} />
      </div>
    </div>
  );
}
