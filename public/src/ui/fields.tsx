/** Form fields with their labels. */

import { useEffect, useId, useRef, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from "react";
import { Icon } from "./icons";

const BOX =
  "w-full rounded-xl border border-line-strong bg-surface px-3.5 text-base text-text placeholder:text-muted sm:text-[0.9375rem] focus-visible:outline-offset-0 aria-invalid:border-danger";

interface Labelled {
  label: string;
  error?: string | undefined;
  hint?: string | undefined;
  end?: ReactNode;
}

type TextFieldProps = Labelled & InputHTMLAttributes<HTMLInputElement>;

export function TextField({ label, error, hint, end, className = "", ...rest }: TextFieldProps) {
  const id = useId();
  return (
    <Field id={id} label={label} error={error} hint={hint}>
      <div className="relative">
        <input
          id={id}
          dir="auto"
          aria-invalid={error ? true : undefined}
          aria-describedby={error || hint ? `${id}-note` : undefined}
          {...rest}
          className={`${BOX} h-11 ${end ? "pr-12" : ""} ${className}`}
        />
        {end && <div className="absolute inset-y-0 right-0 flex items-center">{end}</div>}
      </div>
    </Field>
  );
}

type TextAreaProps = Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>;

export function TextArea({ label, error, hint, className = "", ...rest }: TextAreaProps) {
  const id = useId();
  return (
    <Field id={id} label={label} error={error} hint={hint}>
      <textarea
        id={id}
        dir="auto"
        aria-invalid={error ? true : undefined}
        aria-describedby={error || hint ? `${id}-note` : undefined}
        {...rest}
        className={`${BOX} block resize-none py-2.5 ${className}`}
      />
    </Field>
  );
}

type SelectProps = Labelled & SelectHTMLAttributes<HTMLSelectElement>;

export function Select({ label, error, hint, children, ...rest }: SelectProps) {
  const id = useId();
  return (
    <Field id={id} label={label} error={error} hint={hint}>
      <div className="relative">
        <select id={id} {...rest} className={`${BOX} h-11 appearance-none truncate pr-10`}>
          {children}
        </select>
        <Icon name="down" size={16} className="pointer-events-none absolute top-3.5 right-3.5 text-muted" />
      </div>
    </Field>
  );
}

function Field({ id, label, error, hint, children }: { id: string; children: ReactNode } & Labelled) {
  const note = useInView(error);
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 block text-sm font-medium">
        {label}
      </label>
      {children}
      {(error || hint) && (
        <p ref={note} id={`${id}-note`} role={error ? "alert" : undefined} className={`mt-1.5 text-sm ${error ? "text-danger" : "text-muted"}`}>
          {error || hint}
        </p>
      )}
    </div>
  );
}

/** The element is scrolled to when it begins to say something: the button that was pressed may be far below it. */
export function useInView(words: string | undefined) {
  const element = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (words) element.current?.scrollIntoView({ block: "nearest" });
  }, [words]);
  return element;
}

interface SwitchProps {
  label: string;
  hint?: string;
  checked: boolean;
  onChange(checked: boolean): void;
}

export function Switch({ label, hint, checked, onChange }: SwitchProps) {
  const id = useId();
  return (
    <div className="flex min-h-11 items-center gap-4 py-1.5">
      <div className="min-w-0 flex-1">
        <div id={id} dir="auto">{label}</div>
        {hint && <div className="text-sm text-muted">{hint}</div>}
      </div>
      <button
        type="button"
        role="switch"
        aria-checked={checked}
        aria-labelledby={id}
        onClick={() => onChange(!checked)}
        className="flex h-11 w-12 shrink-0 items-center"
      >
        <span className={`flex h-7 w-12 items-center rounded-full border p-0.5 transition-colors ${checked ? "border-accent bg-accent" : "border-line-strong bg-sunken"}`}>
          <span className={`size-5 rounded-full transition-transform ${checked ? "translate-x-5 bg-on-accent" : "translate-x-0 bg-line-strong"}`} />
        </span>
      </button>
    </div>
  );
}

interface ChoiceProps<Value extends string> {
  label: string;
  hint?: string;
  value: Value;
  options: Record<Value, string>;
  onChange(value: Value): void;
}

/** A few exclusive options side by side. */
export function Choice<Value extends string>({ label, hint, value, options, onChange }: ChoiceProps<Value>) {
  const id = useId();
  return (
    <fieldset className="flex flex-wrap items-center gap-x-4 gap-y-2 py-1.5">
      <legend className="sr-only">{label}</legend>
      <div className="min-w-32 flex-1" aria-hidden="true">
        <div>{label}</div>
        {hint && <div className="text-sm text-muted">{hint}</div>}
      </div>
      <div className="inline-flex rounded-xl border border-line bg-sunken p-0.5">
        {(Object.entries(options) as [Value, string][]).map(([option, name]) => (
          <label
            key={option}
            className="flex min-h-11 cursor-pointer items-center rounded-[10px] px-3.5 text-sm text-muted has-checked:bg-raised has-checked:font-medium has-checked:text-text has-checked:shadow-low has-focus-visible:outline-2 has-focus-visible:outline-accent"
          >
            <input type="radio" name={id} className="sr-only" checked={option === value} onChange={() => onChange(option)} />
            {name}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
