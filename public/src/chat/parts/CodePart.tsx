/** A block of code. */

import type { ContentBlock } from "~/protocol/blocks";
import { CodeBlock } from "../CodeBlock";

export function CodePart({ data }: { data: ContentBlock }) {
  if (data.kind !== "code") return null;
  return <CodeBlock code={data.content} language={data.language} />;
}
