/** A list of tasks with what is done. */

import { withoutControls } from "~/protocol/controls";
import { chat as text } from "~/text/chat";
import { Icon, type IconName } from "~/ui/icons";
import type { Task } from "./toolView";

const ICONS: Record<Task["state"], IconName> = { open: "circle", doing: "clock", done: "check" };
const LOOKS: Record<Task["state"], string> = { open: "text-muted", doing: "text-accent", done: "text-ok" };

export function Tasks({ tasks }: { tasks: Task[] }) {
  return (
    <ul aria-label={text.tasks} className="space-y-1.5 text-sm">
      {tasks.map((task, index) => (
        <li key={index} data-state={task.state} className="flex gap-2.5">
          <Icon name={ICONS[task.state]} size={16} className={`mt-0.5 ${LOOKS[task.state]}`} />
          <span className="sr-only">{text.task[task.state]}: </span>
          <span dir="auto" className={`min-w-0 flex-1 ${task.state === "done" ? "text-muted line-through" : task.state === "doing" ? "font-medium" : ""}`}>
            {withoutControls(task.words)}
          </span>
        </li>
      ))}
    </ul>
  );
}
