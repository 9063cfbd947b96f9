/** In place of the composer on a device that may only look. */

import { useClient } from "~/app/client";
import { devices as text } from "~/text/devices";
import { Icon } from "~/ui/icons";

export default function ViewBar() {
  const known = useClient((state) => state.scope !== null);
  if (!known) return null;
  return (
    <p data-foot className="flex items-center justify-center gap-2 border-t border-line bg-bg px-4 pt-3 pb-[max(0.75rem,var(--safe-bottom))] text-sm text-muted">
      <Icon name="eye" size={18} /> {text.viewOnly}
    </p>
  );
}
