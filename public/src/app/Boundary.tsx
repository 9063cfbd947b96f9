/** Catches what breaks on one screen, so that the rest of the client and every draft lives on. */

import { Component, type ReactNode } from "react";
import { boundary } from "~/text/settings";

interface Props {
  /** A change of it shows the screen anew. */
  at: string;
  children: ReactNode;
}

interface State {
  error: Error | null;
  at: string;
}

export class Boundary extends Component<Props, State> {
  override state: State = { error: null, at: this.props.at };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  static getDerivedStateFromProps(props: Props, state: State): Partial<State> | null {
    return props.at === state.at ? null : { error: null, at: props.at };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    const missing = /dynamically imported module|importing a module|preload/i.test(error.message);
    return (
      <section role="alert" className="m-auto flex max-w-sm flex-col items-center gap-3 p-6 text-center">
        <h1 className="text-lg font-semibold">{boundary.title}</h1>
        <p className="text-muted">{missing ? boundary.offlinePart : boundary.text}</p>
        <button
          type="button"
          className="min-h-11 rounded-xl bg-accent px-5 font-medium text-on-accent"
          // A part that could not be loaded is fetched anew only by a new page; drafts are kept outside of it.
          onClick={() => (missing ? location.reload() : this.setState({ error: null }))}
        >
          {boundary.again}
        </button>
        {!missing && (
          <details className="w-full text-left text-sm text-muted">
            <summary className="min-h-11 py-2.5">{boundary.details}</summary>
            <pre className="overflow-x-auto rounded-lg bg-sunken p-3 font-mono text-xs whitespace-pre-wrap">{error.message}</pre>
          </details>
        )}
      </section>
    );
  }
}
